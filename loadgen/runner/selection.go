package runner

import (
	"slices"
	"strings"

	"touchstone/loadgen/scenario"
)

// Wants reports whether Run, Tags and Loads leave a file in.
func (c *Config) Wants(f *scenario.File) bool {
	switch {
	case c.Loads == OnlyLoads && !f.HasLoads():
		return false
	case c.Run != nil && !c.Run.MatchString(f.Name) && !c.Run.MatchString(f.Source.Name):
		return false
	}
	return tagged(f.Tags, c.Tags)
}

// tagged reports whether tags have one of those that are wanted, if any are,
// and none of those that have a "!" in front.
func tagged(tags, wanted []string) bool {
	any, found := false, false
	for _, want := range wanted {
		if unwanted, ok := strings.CutPrefix(want, "!"); ok {
			if slices.Contains(tags, unwanted) {
				return false
			}
			continue
		}
		any = true
		found = found || slices.Contains(tags, want)
	}
	return found || !any
}
