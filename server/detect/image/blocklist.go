package image

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed blocklist.txt
var defaultBlockList string

// DefaultBlockList returns the fingerprints that come with the server.
func DefaultBlockList() []Hash {
	hashes, err := ParseBlockList("blocklist.txt", defaultBlockList)
	if err != nil {
		panic(err) // our own file, read by a test
	}
	return hashes
}

// ParseBlockList reads a list of fingerprints, one a line. Empty lines, and
// what follows a #, are skipped. name is what errors call the text.
func ParseBlockList(name, text string) ([]Hash, error) {
	hashes := []Hash{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		h, err := ParseHash(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}
