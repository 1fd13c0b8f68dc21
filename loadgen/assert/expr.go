package assert

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"touchstone/server/source"
)

// Expr is a CEL expression that has been checked. It is immutable and safe for
// concurrent use, as long as the Vars are.
type Expr struct {
	env     *Env
	file    *source.File
	node    *source.Node // the string that the expression is, or is a part of
	offset  int          // of the expression in the string, in runes
	text    string
	ast     *cel.Ast
	program cel.Program
	traced  func() (cel.Program, error) // keeps the values of all parts
}

// Expr compiles a string that is an expression. Mistakes go to r, where they
// stand in the string; the result is nil then.
func (s *Scope) Expr(r *source.Reporter, n *source.Node) *Expr {
	if n.Kind != source.String {
		r.Errorf(n.Pos, "want a CEL expression, got %s", n.Kind).Hint = "put it in quotes"
		return nil
	}
	return s.expr(r, n, n.Text, 0)
}

// Condition compiles an expression that has to be a boolean.
func (s *Scope) Condition(r *source.Reporter, n *source.Node) *Expr {
	x := s.Expr(r, n)
	if x == nil {
		return nil
	}
	if t := x.ast.OutputType(); t.Kind() != types.BoolKind && t.Kind() != types.DynKind {
		e := r.Errorf(n.Pos, "want a condition, which is true or false; this is of type %s", Type{t})
		e.Hint = "compare it with something, such as " + strings.TrimSpace(x.text) + " == ..."
		return nil
	}
	return x
}

// expr compiles text, which stands in a string from an offset on.
func (s *Scope) expr(r *source.Reporter, n *source.Node, text string, offset int) *Expr {
	env, err := s.cel()
	if err != nil {
		r.Errorf(n.Pos, "%v", err)
		return nil
	}
	x := &Expr{env: s.env, file: r.File, node: n, offset: offset, text: text}
	tree, issues := env.Compile(text)
	if issues.Err() != nil {
		for _, issue := range issues.Errors() {
			msg, hint := s.explain(issue.Message)
			r.Errorf(x.locate(issue.Location), "%s", msg).Hint = hint
		}
		return nil
	}
	x.ast = tree
	s.note(tree.NativeRep().Expr())
	if x.program, err = env.Program(tree); err != nil {
		r.Errorf(n.Pos, "%v", err)
		return nil
	}
	x.traced = sync.OnceValues(func() (cel.Program, error) {
		return env.Program(tree, cel.EvalOptions(cel.OptTrackState))
	})
	return x
}

// note takes down the variables that an expression reads.
func (s *Scope) note(e ast.Expr) {
	if s.uses == nil {
		return
	}
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind {
			s.uses[e.AsIdent()] = true
		}
	}))
}

// Type returns the type of the expression's value.
func (x *Expr) Type() Type { return Type{x.ast.OutputType()} }

// Text returns the expression as it is written.
func (x *Expr) Text() string { return x.text }

// Pos is where the expression starts.
func (x *Expr) Pos() source.Pos { return Locate(x.file, x.node, x.offset) }

// locate returns where a place of the expression stands in the file.
func (x *Expr) locate(l common.Location) source.Pos {
	if l == nil || l.Line() < 1 {
		return x.Pos()
	}
	lines := strings.SplitAfter(x.text, "\n")
	offset := 0
	for _, line := range lines[:min(l.Line()-1, len(lines))] {
		offset += utf8.RuneCountInString(line)
	}
	offset = min(offset+l.Column(), utf8.RuneCountInString(x.text))
	return Locate(x.file, x.node, x.offset+offset)
}

// Eval returns the value of the expression, to be handed to [Vars.Set]. The
// error is a [*source.Error].
func (x *Expr) Eval(v *Vars) (any, error) {
	value, err := x.eval(v)
	if err != nil {
		return nil, err
	}
	return value, nil
}

func (x *Expr) eval(v *Vars) (ref.Val, *source.Error) {
	value, _, err := x.program.Eval(activation{v})
	if err == nil {
		return value, nil
	}
	pos := x.Pos()
	if node, ok := err.(*types.Err); ok && node.NodeID() != 0 {
		pos = x.locate(x.ast.NativeRep().SourceInfo().GetStartLocation(node.NodeID()))
	}
	return nil, x.fail(pos, x.runtimeMessage(err))
}

func (x *Expr) fail(pos source.Pos, msg string) *source.Error {
	r := &source.Reporter{File: x.file}
	return r.Errorf(pos, "%s", msg)
}

// Holds evaluates a condition. The error is a [*source.Error].
func (x *Expr) Holds(v *Vars) (bool, error) {
	value, err := x.eval(v)
	if err != nil {
		return false, err
	}
	holds, ok := value.(types.Bool)
	if !ok {
		return false, x.fail(x.Pos(), fmt.Sprintf("%s is %s, neither true nor false", strings.TrimSpace(x.text), x.env.show(value)))
	}
	return bool(holds), nil
}

// Why says which values made a condition false: those of the sides of the
// comparison, or of the part of an && that is false.
func (x *Expr) Why(v *Vars) string {
	program, err := x.traced()
	if err != nil {
		return "false"
	}
	_, details, err := program.Eval(activation{v})
	if err != nil || details == nil {
		return "false"
	}
	return x.why(details, x.ast.NativeRep().Expr())
}

func (x *Expr) why(details *cel.EvalDetails, e ast.Expr) string {
	if e.Kind() != ast.CallKind {
		return "false"
	}
	call := e.AsCall()
	if call.FunctionName() == "_&&_" {
		for _, arg := range call.Args() {
			if value, ok := details.State().Value(arg.ID()); ok && value == types.False {
				return x.why(details, arg)
			}
		}
	}
	parts := call.Args()
	if call.IsMemberFunction() {
		parts = append([]ast.Expr{call.Target()}, parts...)
	}
	var known []string
	for _, part := range parts {
		value, ok := details.State().Value(part.ID())
		if !ok || part.Kind() == ast.LiteralKind {
			continue
		}
		if text, err := cel.ExprToString(part, x.ast.NativeRep().SourceInfo()); err == nil && !strings.Contains(text, "@") {
			known = append(known, text+" is "+x.env.show(value))
		}
	}
	if known == nil {
		return "false"
	}
	return strings.Join(known, ", ")
}

// show returns a value for messages: as JSON, cut when it is long.
func (e *Env) show(v ref.Val) string {
	node, err := e.p.node(v, source.Pos{})
	if err != nil {
		return v.Type().TypeName()
	}
	return shorten(node.JSON())
}

// shorten cuts text for messages.
func shorten(text string) string {
	const limit = 200
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit]) + "..."
}
