package ghz

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// action is a template action of ghz.
var action = regexp.MustCompile(`\{\{-?\s*(.*?)\s*-?\}\}`)

// actions are the actions that loadgen has an expression for.
var actions = map[string]string{
	".RequestNumber": "i", ".UUID": "uuid()", "newUUID": "uuid()", ".Timestamp": "now()",
	".TimestampUnix": "now.unix", ".TimestampUnixMilli": "now.unix_ms", ".TimestampUnixNano": "now.unix_ns",
}

// randomInt is the action with bounds: the upper one is not among its values.
var randomInt = regexp.MustCompile(`^randomInt (\d+) (\d+)$`)

// translate turns the template actions of a text into expressions of loadgen.
// What loadgen has no expression for is an error: without it, the calls would
// be others.
func translate(text string) (string, error) {
	text = strings.ReplaceAll(text, "${", "$${")
	var unknown error
	text = action.ReplaceAllStringFunc(text, func(whole string) string {
		inner := action.FindStringSubmatch(whole)[1]
		if expression, ok := actions[inner]; ok {
			return "${" + expression + "}"
		}
		if m := randomInt.FindStringSubmatch(inner); m != nil {
			if high, err := strconv.Atoi(m[2]); err == nil && high > 0 {
				return fmt.Sprintf("${random.int(%s, %d)}", m[1], high-1)
			}
		}
		unknown = fmt.Errorf("loadgen has no expression for %s", whole)
		return whole
	})
	return text, unknown
}
