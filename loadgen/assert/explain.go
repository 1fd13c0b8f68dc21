package assert

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/server/source"
)

// CEL's own messages, and what they are about.
var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'`)
	missingKey = regexp.MustCompile(`no such key: (.*)$`)
	operator   = regexp.MustCompile(`^_?([^_]+)_$`)
	noValue    = regexp.MustCompile(`no such attribute\(s\): (\w+)`)
)

// explain says what CEL found wrong in plain words, with a hint.
func (s *Scope) explain(msg string) (text, hint string) {
	if m := undeclared.FindStringSubmatch(msg); m != nil {
		return s.explainName(strings.TrimPrefix(m[1], "@"))
	}
	if m := undefined.FindStringSubmatch(msg); m != nil {
		return "unknown field " + quote(m[1]), source.DidYouMean(m[1], s.fieldNames())
	}
	if m := noOverload.FindStringSubmatch(msg); m != nil {
		return explainOverload(m[1], m[2])
	}
	if rest, ok := strings.CutPrefix(msg, "Syntax error: "); ok {
		rest, _, _ = strings.Cut(rest, " expecting {")
		rest = strings.Replace(rest, "mismatched input '<EOF>'", "it ends too early", 1)
		return "not an expression: " + rest, ""
	}
	if msg == "invalid matches argument" {
		return "not a regular expression", "the syntax is RE2's"
	}
	return msg, ""
}

func quote(name string) string { return `"` + name + `"` }

// explainName speaks of a name that is neither a variable nor a function.
func (s *Scope) explainName(name string) (text, hint string) {
	text = "unknown name " + quote(name)
	if hint := s.hints[name]; hint != "" {
		return text, hint
	}
	names := slices.Sorted(maps.Keys(s.vars))
	hint = source.DidYouMean(name, append(slices.Clone(names), "bytes", "uuid", "now", "random", "json", "base64", "size", "string", "int", "double", "duration", "timestamp"))
	if hint == "" && len(names) > 0 {
		hint = "the variables here are " + strings.Join(names, ", ")
	}
	return text, hint
}

// explainOverload speaks of a function or operator that does not take what it
// is given.
func explainOverload(function, args string) (text, hint string) {
	args = strings.TrimPrefix(strings.TrimSuffix(args, ")"), "(")
	if rest, ok := strings.CutPrefix(function, "@"); ok {
		return rest + "() does not take (" + strings.TrimPrefix(strings.TrimPrefix(args, "dyn"), ", ") + ")", ""
	}
	m := operator.FindStringSubmatch(function)
	if m == nil {
		return function + "() does not take (" + args + ")", ""
	}
	text = "operator " + m[1] + " does not take " + strings.Replace(args, ", ", " and ", 1)
	switch args {
	case "double, int", "int, double":
		hint = "write the number with a decimal point, such as 1.0, or convert with double(...)"
	case "uint, int", "int, uint":
		hint = "leave the u away: unsigned fields are plain integers here"
	case "string, int", "int, string", "string, bool", "bool, string":
		hint = "put the value in quotes, or convert with int(...) or string(...)"
	}
	return text, hint
}

// fieldNames returns the names of the fields of all messages that can be
// reached from the scope's variables, or of the first thousand.
func (s *Scope) fieldNames() []string {
	var names []string
	seen := map[protoreflect.FullName]bool{}
	var visit func(md protoreflect.MessageDescriptor)
	visit = func(md protoreflect.MessageDescriptor) {
		if md == nil || seen[md.FullName()] || len(names) > 1000 {
			return
		}
		seen[md.FullName()] = true
		for i := range md.Fields().Len() {
			names = append(names, string(md.Fields().Get(i).Name()))
		}
		for i := range md.Fields().Len() {
			visit(md.Fields().Get(i).Message())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.vars)) {
		if t := s.vars[name].t; t != nil {
			visit(s.env.p.messages[t.TypeName()])
		}
	}
	return names
}

// runtimeMessage says what went wrong in an evaluation.
func (x *Expr) runtimeMessage(err error) string {
	msg := err.Error()
	if m := missingKey.FindStringSubmatch(msg); m != nil && x.reads("env", m[1]) {
		return "environment variable " + m[1] + " is not set"
	}
	if m := noValue.FindStringSubmatch(msg); m != nil {
		return m[1] + " has no value here"
	}
	return strings.TrimPrefix(msg, "operation cancelled: ")
}

// reads reports whether the expression selects a key of a variable.
func (x *Expr) reads(variable, key string) bool {
	found := false
	ast.PostOrderVisit(x.ast.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch {
		case e.Kind() == ast.SelectKind && e.AsSelect().FieldName() == key:
			found = found || isIdent(e.AsSelect().Operand(), variable)
		case e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "_[_]":
			args := e.AsCall().Args()
			found = found || isIdent(args[0], variable) && args[1].Kind() == ast.LiteralKind && args[1].AsLiteral().Value() == key
		}
	}))
	return found
}

func isIdent(e ast.Expr, name string) bool {
	return e.Kind() == ast.IdentKind && e.AsIdent() == name
}
