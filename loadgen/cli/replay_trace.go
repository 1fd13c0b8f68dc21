package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/replay"
)

// readTrace reads the file of a trace: offsets, one a line, or a recording,
// whose calls' starts they are.
func readTrace(name string) ([]byte, error) {
	if base := strings.TrimSuffix(name, ".zst"); !strings.HasSuffix(base, ".grpcfix") {
		return os.ReadFile(name)
	}
	file, err := fixture.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	offsets, err := replay.Trace(file, (&replayFlags{}).keep)
	if err != nil {
		return nil, err
	}
	if err := truncated(file); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, offset := range offsets {
		fmt.Fprintln(&text, offset)
	}
	return text.Bytes(), nil
}
