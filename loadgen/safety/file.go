package safety

import (
	"math"

	"touchstone/loadgen/diff"
	"touchstone/server/source"
)

// FileName is where a folder's policy stands.
const FileName = "touchstone.yaml"

// File is what touchstone.yaml says for everybody who works in its folder.
type File struct {
	Policy Policy
	StopOn *StopRule // nil: none
	Diff   diff.Rules
}

// ParseFile reads touchstone.yaml:
//
//	allow_targets: ["staging.example:443"]
//	allow_methods: ["shop.Carts/*"]
//	max_rate: 20            # calls a second
//	max_in_flight: 10       # calls at a time
//	stop_on: error_rate > 5% for 10s
//	diff:
//	  ignore: ["header.x-build", "shop.Carts/Get message.updated_at"]
//	  tolerance: ["message.score 0.01"]
//	  unordered: ["message.items by id"]
//	  align: ["messages by seq"]
//	  ids: ["shop.Carts/Create message.cart_id"]
//
// The error is a [source.Errors].
func ParseFile(name string, text []byte) (*File, error) {
	file := source.NewFile(name, string(text))
	node, err := source.ParseYAML(file, text)
	if err != nil {
		return nil, err
	}
	out, r := &File{}, &source.Reporter{File: file}
	if node.Kind == source.Null {
		return out, nil
	}
	m := r.Mapping(node)
	out.Policy = Policy{
		Targets: r.Strings(m.Take("allow_targets")), Methods: r.Strings(m.Take("allow_methods")),
		MaxRate: positive(r, m.Take("max_rate")), MaxInFlight: r.Int(m.Take("max_in_flight"), 1, math.MaxInt32),
	}
	if n := m.Take("stop_on"); n != nil {
		rule, err := ParseStopRule(r.Str(n))
		if err != nil {
			r.Errorf(n.Pos, "%q is no stop rule", n.Text).Hint = "write it as 'error_rate > 5% for 10s'"
		}
		out.StopOn = &rule
	}
	if n := m.Take("diff"); n != nil {
		out.Diff = parseDiff(r, n)
	}
	m.Done()
	return out, r.Err()
}

// positive reads a number above zero.
func positive(r *source.Reporter, n *source.Node) float64 {
	v := r.Float(n)
	if n != nil && !(v > 0) {
		r.Errorf(n.Pos, "want a number above 0, got %s", n.Text)
	}
	return v
}

// parseDiff reads the rules of comparison, each of which has to be right.
func parseDiff(r *source.Reporter, n *source.Node) diff.Rules {
	m := r.Mapping(n)
	var rules diff.Rules
	for _, part := range []struct {
		key  string
		into *[]string
	}{
		{"ignore", &rules.Ignore}, {"tolerance", &rules.Tolerance}, {"unordered", &rules.Unordered}, {"align", &rules.Keys}, {"ids", &rules.IDs},
	} {
		for _, item := range r.List(m.Take(part.key)) {
			*part.into = []string{r.Str(item)}
			if _, err := diff.New(rules); err != nil {
				r.Errorf(item.Pos, "%v", err)
			}
			*part.into = nil
		}
		*part.into = r.Strings(n.Get(part.key))
		if r.Err() != nil {
			*part.into = nil
		}
	}
	m.Done()
	return rules
}
