package replay

import (
	"strings"

	"touchstone/loadgen/fixture/redact"
)

// fitsRedacted reports whether a live text may be what a recorded one was
// before secrets were taken out of it: it is the same but for those.
func fitsRedacted(recorded, live string) bool {
	gaps := redact.Tokens(recorded)
	if gaps == nil {
		return false
	}
	last := recorded[gaps[len(gaps)-1][1]:]
	from := 0
	for i, gap := range gaps {
		part := recorded[from:gap[0]]
		at := strings.Index(live, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		live, from = live[at+len(part):], gap[1]
	}
	return strings.HasSuffix(live, last)
}

// isRedacted reports whether something was taken out of a recorded text.
func isRedacted(text string) bool { return len(redact.Tokens(text)) > 0 }
