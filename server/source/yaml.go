package source

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Kind is the kind of a Node.
type Kind int

// The kinds of nodes, named as JSON names them.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	List
	Object
)

// String returns the kind as it is called in messages, with its article.
func (k Kind) String() string {
	return [...]string{"null", "a boolean", "an integer", "a number", "a string", "a list", "a mapping"}[k]
}

// Node is a YAML or JSON value that knows where it stands. Numbers keep the
// digits of the source: nothing passes through float64.
type Node struct {
	Kind   Kind
	Pos    Pos
	Text   string  // Bool, Int, Float: as normalised JSON; String: the string
	Items  []*Node // List
	Fields []Field // Object, in the order of the source; keys are unique
}

// Field is one entry of an Object.
type Field struct {
	Key   string
	Pos   Pos // of the key
	Value *Node
}

// Limits on what is read. They bound time and memory, whatever the text.
const (
	MaxBytes = 16 << 20 // of one text
	maxDepth = 200      // of nesting
	maxNodes = 1 << 20  // of one text, aliases counted as often as they are used
)

// ParseYAML reads a text of one YAML (or JSON) document. An empty text is a
// Null node. The error is an [Errors] with one mistake.
func ParseYAML(f *File, text []byte) (*Node, error) {
	r := &Reporter{File: f}
	if len(text) > MaxBytes {
		r.Errorf(Pos{1, 1}, "%d bytes, more than the limit of %d", len(text), MaxBytes)
		return nil, r.Err()
	}
	if pos, deep := tooDeep(text); deep {
		r.Errorf(pos, "nested deeper than %d levels", maxDepth)
		return nil, r.Err()
	}
	doc, err := parse(text)
	if err != nil {
		reportSyntax(r, err)
		return nil, r.Err()
	}
	c := converter{r: r, anchors: map[string]*Node{}, size: map[*Node]int{}}
	node := &Node{Pos: Pos{1, 1}}
	for i, d := range doc.Docs {
		if d.Body == nil {
			continue
		}
		if i > 0 {
			r.Errorf(position(d.Body.GetToken()), "a second document: a file holds one")
			break
		}
		node = c.node(d.Body, 0)
	}
	return node, r.Err()
}

// parse calls the YAML library, and turns a panic of it into an error: the
// text is foreign, and a crash of the reader would lose every other finding.
func parse(text []byte) (doc *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			doc, err = nil, fmt.Errorf("not readable as YAML: %v", p)
		}
	}()
	return parser.ParseBytes(text, 0)
}

// tooDeep finds the place where brackets, or the indicators of one line such
// as "- - - x", nest deeper than the limit. The library below recurses, so
// depth is refused before it starts. Those within strings count too; 200 of
// them do not occur in practice.
func tooDeep(text []byte) (Pos, bool) {
	line, col, brackets, indicators := 1, 0, 0, 0
	for i, b := range text {
		if b&0xC0 != 0x80 { // not a continuation byte of UTF-8
			col++
		}
		switch b {
		case '\n':
			line, col, indicators = line+1, 0, 0
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(brackets-1, 0)
		case ' ', '\t':
		case '-', '?', ':':
			if i+1 < len(text) && (text[i+1] == ' ' || text[i+1] == '\t') {
				indicators++
			}
		default:
			indicators = 0
		}
		if brackets > maxDepth || indicators > maxDepth {
			return Pos{line, col}, true
		}
	}
	return Pos{}, false
}

// reportSyntax records an error of the YAML library at its position.
func reportSyntax(r *Reporter, err error) {
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) && syntax.Token != nil {
		r.Errorf(position(syntax.Token), "%s", syntax.Message)
		return
	}
	if duplicate, ok := errors.AsType[*yaml.DuplicateKeyError](err); ok && duplicate.Token != nil {
		r.Errorf(position(duplicate.Token), "%s", duplicate.Message)
		return
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	r.Errorf(Pos{1, 1}, "%s", first)
}

// position returns where a token starts.
func position(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	return Pos{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// converter turns the library's tree into nodes.
type converter struct {
	r       *Reporter
	anchors map[string]*Node
	size    map[*Node]int // nodes below and with each node, aliases expanded
	total   int
}

// null reports a mistake and stands in for what could not be read.
func (c *converter) null(pos Pos, format string, args ...any) *Node {
	c.r.Errorf(pos, format, args...)
	return &Node{Pos: pos}
}

func (c *converter) node(n ast.Node, depth int) *Node {
	pos := position(n.GetToken())
	if depth > maxDepth {
		return c.null(pos, "nested deeper than %d levels", maxDepth)
	}
	if c.total++; c.total > maxNodes {
		return c.null(pos, "more than %d values", maxNodes)
	}
	out := c.convert(n, pos, depth)
	size := 1
	for _, item := range out.Items {
		size = min(size+c.size[item], maxNodes+1)
	}
	for _, field := range out.Fields {
		size = min(size+c.size[field.Value], maxNodes+1)
	}
	if size > maxNodes {
		return c.null(pos, "aliases expand to more than %d values", maxNodes)
	}
	c.size[out] = size
	return out
}

func (c *converter) convert(n ast.Node, pos Pos, depth int) *Node {
	switch n := n.(type) {
	case *ast.NullNode:
		return &Node{Pos: pos}
	case *ast.BoolNode:
		return &Node{Kind: Bool, Pos: pos, Text: fmt.Sprint(n.Value)}
	case *ast.IntegerNode:
		return &Node{Kind: Int, Pos: pos, Text: fmt.Sprint(n.Value)}
	case *ast.FloatNode:
		return c.float(n, pos)
	case *ast.InfinityNode:
		return &Node{Kind: String, Pos: pos, Text: infinity(n.Value)}
	case *ast.NanNode:
		return &Node{Kind: String, Pos: pos, Text: "NaN"}
	case *ast.StringNode:
		if n.Token.Type == token.StringType && jsonNumber.MatchString(n.Value) {
			return &Node{Kind: Float, Pos: pos, Text: n.Value} // 1e3: a number in JSON, but not for the library
		}
		return &Node{Kind: String, Pos: pos, Text: n.Value}
	case *ast.LiteralNode:
		return &Node{Kind: String, Pos: pos, Text: n.Value.Value}
	case *ast.SequenceNode:
		out := &Node{Kind: List, Pos: pos}
		for _, item := range n.Values {
			out.Items = append(out.Items, c.node(item, depth+1))
		}
		return out
	case *ast.MappingNode:
		return c.object(n.Values, mappingPos(n, pos), depth)
	case *ast.MappingValueNode:
		return c.object([]*ast.MappingValueNode{n}, position(n.Key.GetToken()), depth)
	case *ast.AnchorNode:
		return c.anchor(n, pos, depth)
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if target := c.anchors[name]; target != nil {
			return target
		}
		return c.null(pos, "alias %q has no anchor before it", name)
	case *ast.TagNode:
		return c.null(pos, "tag %q is not supported", n.Start.Value)
	}
	return c.null(pos, "unexpected %s", strings.ToLower(n.Type().String()))
}

// mappingPos is where a mapping starts: its brace, or its first key. (The
// library's token of a block mapping is the first colon.)
func mappingPos(n *ast.MappingNode, pos Pos) Pos {
	if n.IsFlowStyle || len(n.Values) == 0 {
		return pos
	}
	return position(n.Values[0].Key.GetToken())
}

// float keeps the digits of the source where they are JSON already.
func (c *converter) float(n *ast.FloatNode, pos Pos) *Node {
	text := strings.ReplaceAll(n.GetToken().Value, "_", "")
	if !jsonNumber.MatchString(text) {
		text = fmt.Sprint(n.Value)
	}
	return &Node{Kind: Float, Pos: pos, Text: text}
}

// infinity is the name that protobuf's JSON form gives to an infinite number.
func infinity(v float64) string {
	if math.IsInf(v, -1) {
		return "-Infinity"
	}
	return "Infinity"
}

func (c *converter) anchor(n *ast.AnchorNode, pos Pos, depth int) *Node {
	if n.Value == nil {
		return &Node{Pos: pos}
	}
	out := c.node(n.Value, depth+1)
	c.anchors[n.Name.GetToken().Value] = out
	return out
}

func (c *converter) object(values []*ast.MappingValueNode, pos Pos, depth int) *Node {
	out := &Node{Kind: Object, Pos: pos}
	seen := map[string]bool{}
	var merged []*Node
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, c.node(v.Value, depth+1))
			continue
		}
		key := c.key(v.Key, depth)
		if seen[key.Text] {
			c.r.Errorf(key.Pos, "key %q is given twice", key.Text)
			continue
		}
		seen[key.Text] = true
		out.Fields = append(out.Fields, Field{Key: key.Text, Pos: key.Pos, Value: c.node(v.Value, depth+1)})
	}
	for _, m := range merged {
		if m.Kind != Object {
			c.r.Errorf(m.Pos, "<< takes a mapping, not %s", m.Kind)
			continue
		}
		for _, f := range m.Fields {
			if !seen[f.Key] {
				seen[f.Key] = true
				out.Fields = append(out.Fields, f)
			}
		}
	}
	return out
}

// key reads a mapping's key, which has to be a scalar.
func (c *converter) key(k ast.MapKeyNode, depth int) *Node {
	if m, ok := k.(*ast.MappingKeyNode); ok {
		return c.scalarKey(m.Value, depth)
	}
	return c.scalarKey(k, depth)
}

func (c *converter) scalarKey(n ast.Node, depth int) *Node {
	key := c.node(n, depth+1)
	if key.Kind == List || key.Kind == Object {
		return c.null(key.Pos, "a key has to be a scalar, not %s", key.Kind)
	}
	if key.Kind != String {
		return &Node{Kind: String, Pos: key.Pos, Text: n.GetToken().Value}
	}
	return key
}
