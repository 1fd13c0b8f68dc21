package scenario

import (
	"regexp"
	"slices"

	"touchstone/server/source"
)

// The variables that the language itself sets.
const (
	varMsg           = "msg"            // the message
	varIndex         = "index"          // of the message in its stream, from 0
	varMessages      = "messages"       // all that were received
	varCount         = "count"          // how many were received
	varStatus        = "status"         // the name of the status
	varStatusMessage = "status_message" // its message
	varHeader        = "header"         // response metadata
	varTrailer       = "trailer"        // response metadata
	varTook          = "took"           // how long the call took
	varI             = "i"              // of the repetition, from 0
	varRow           = "row"            // of the data
	varEnv           = "env"            // environment variables
)

// reserved are names that a file cannot give to values of its own.
var reserved = []string{varMsg, varIndex, varMessages, varCount, varStatus, varStatusMessage, varHeader, varTrailer,
	varTook, varI, varRow, varEnv, "true", "false", "null", "in"}

// identifier is the syntax of names in expressions.
var identifier = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// checkName reports names that a value cannot have.
func checkName(r *source.Reporter, f source.Field) bool {
	switch {
	case slices.Contains(reserved, f.Key):
		r.Errorf(f.Pos, "the name %q is taken by the language", f.Key)
	case !identifier.MatchString(f.Key):
		r.Errorf(f.Pos, "%q is not a name for a variable", f.Key).Hint = "use letters, digits and _"
	default:
		return true
	}
	return false
}

// parseNames reads a mapping from names to what they stand for.
func parseNames(r *source.Reporter, n *source.Node) []source.Field {
	if n == nil {
		return nil
	}
	if n.Kind != source.Object {
		r.Errorf(n.Pos, "want a mapping, got %s", n.Kind)
		return nil
	}
	var fields []source.Field
	for _, f := range n.Fields {
		if checkName(r, f) {
			fields = append(fields, f)
		}
	}
	return fields
}
