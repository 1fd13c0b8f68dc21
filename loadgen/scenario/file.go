// Package scenario reads scenario files and checks them against the schema of
// a target, which turns them into operations for a runner.
//
// [Parse] judges the shape of a file, [Compile] whether it fits a target. Both
// report all mistakes of a file at once, with positions and hints. What calls
// the target and when is the runner's business: the operations here only build
// messages and judge what came of them. The language is described in
// scenarios/README.md.
package scenario

import (
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"touchstone/loadgen/assert"
	"touchstone/server/fault"
	"touchstone/server/source"
)

// Vars is the scope of a running scenario.
type Vars = assert.Vars

// Finding is an expectation that did not hold.
type Finding = assert.Mismatch

// File is a scenario file whose shape is right. Whether it fits a target is
// for [Compile] to say.
type File struct {
	Source        *source.File
	Name          string // the file's name without folder and extension unless given
	Description   string
	Tags          []string
	Target        string // "" is the runner's target
	ServiceConfig string // JSON; "" is the default policy
	Skip          string // the reason not to run it; "" runs it
	Faults        *fault.Plan
	Steps         []*StepDecl

	root     *source.Node
	vars     []source.Field
	data     *dataDecl
	metadata *source.Node
	timeout  time.Duration
	loads    []*loadDecl
	mistakes source.Errors // of shape
}

// StepDecl is a step as it is written.
type StepDecl struct {
	ID, Description string
	Pos             source.Pos
	Call            string

	callPos  source.Pos
	timeout  time.Duration
	skip     string
	repeat   int
	forEach  *source.Node
	metadata *source.Node
	attempts *Attempts
	ops      []*opDecl   // of `script`; nil without one
	sends    []*opDecl   // of `send` and `send_json`
	cancel   *cancelDecl // of `cancel`
	expect   *expectDecl // of `expect`; never nil without a script
	save     []source.Field
}

// HasLoads reports whether the file has load blocks.
func (f *File) HasLoads() bool { return len(f.loads) > 0 }

// Pos returns where a field at the top of the file is written, such as
// "faults"; the zero Pos if it is not.
func (f *File) Pos(field string) source.Pos {
	if f.root != nil {
		for _, entry := range f.root.Fields {
			if entry.Key == field {
				return entry.Pos
			}
		}
	}
	return source.Pos{}
}

// Limits on the numbers in a file: they bound how long a run can take.
const (
	maxCount  = 1_000_000_000 // of messages and attempts expected
	maxRepeat = 1_000_000     // of what is repeated
)

// version is the version of the language.
const version = "1"

// Parse reads a scenario file. The error is a [source.Errors] with every
// mistake in its shape. Unless the text is not even YAML, a file is returned
// all the same, so that [Compile] can find the other mistakes as well; it
// reports both.
func Parse(name string, text []byte) (*File, error) {
	file := source.NewFile(name, string(text))
	root, err := source.ParseYAML(file, text)
	if err != nil {
		return nil, err
	}
	r := &source.Reporter{File: file}
	f := parseFile(r, root)
	f.mistakes = r.Errors()
	return f, r.Err()
}

func parseFile(r *source.Reporter, root *source.Node) *File {
	if root.Kind != source.Object {
		r.Errorf(root.Pos, "a scenario file is a mapping, not %s", root.Kind).Hint = "start with version: 1"
		return &File{Source: r.File}
	}
	m := r.Mapping(root)
	parseVersion(r, m.Need("version"))
	f := &File{
		Source:      r.File,
		root:        root,
		Name:        r.Str(m.Take("name")),
		Description: r.Str(m.Take("description")),
		Tags:        r.Strings(m.Take("tags")),
		Target:      r.Str(m.Take("target")),
		Skip:        parseSkip(r, m.Take("skip")),
		timeout:     r.Duration(m.Take("timeout")),
		metadata:    parseMetadata(r, m.Take("metadata")),
		vars:        parseNames(r, m.Take("vars")),
		data:        parseData(r, m.Take("data")),
	}
	if f.Name == "" {
		base := filepath.Base(r.File.Name)
		f.Name = strings.TrimSuffix(base, filepath.Ext(base))
	}
	if n := m.Take("service_config"); n != nil {
		f.ServiceConfig = parseServiceConfig(r, n)
	}
	if n := m.Take("faults"); n != nil {
		f.Faults = fault.FromNode(r, n)
	}
	f.Steps = parseSteps(r, root, m.Take("steps"))
	f.loads = parseLoads(r, f, m.Take("load"))
	m.Done()
	return f
}

func parseVersion(r *source.Reporter, n *source.Node) {
	if n != nil && (n.Kind != source.Int || n.Text != version) {
		r.Errorf(n.Pos, "version %s of the language is not known", n.JSON()).Hint = "write version: " + version
	}
}

// parseServiceConfig returns the config as JSON. Its content is for gRPC to
// judge.
func parseServiceConfig(r *source.Reporter, n *source.Node) string {
	if n.Kind != source.Object {
		r.Errorf(n.Pos, "want a mapping, got %s", n.Kind)
		return ""
	}
	return n.JSON()
}

// parseSkip reads the reason to leave something out.
func parseSkip(r *source.Reporter, n *source.Node) string {
	reason := r.Str(n)
	if n != nil && n.Kind == source.String && strings.TrimSpace(reason) == "" {
		r.Errorf(n.Pos, "skip wants a reason")
	}
	return reason
}

// metadataKey is the syntax of keys that gRPC lets an application use.
var metadataKey = regexp.MustCompile(`^[0-9a-z_.-]+$`)

// parseMetadata checks the keys and the shape of the values.
func parseMetadata(r *source.Reporter, n *source.Node) *source.Node {
	if n == nil {
		return nil
	}
	if n.Kind != source.Object {
		r.Errorf(n.Pos, "want a mapping, got %s", n.Kind)
		return nil
	}
	for _, f := range n.Fields {
		checkMetadataKey(r, f)
		for _, item := range r.List(f.Value) {
			r.Scalar(item)
		}
	}
	return n
}

func checkMetadataKey(r *source.Reporter, f source.Field) {
	switch lower := strings.ToLower(f.Key); {
	case lower != f.Key && metadataKey.MatchString(lower):
		r.Errorf(f.Pos, "metadata key %q has upper-case letters", f.Key).Hint = "write " + lower
	case !metadataKey.MatchString(f.Key):
		r.Errorf(f.Pos, "metadata key %q: only a-z, 0-9, '-', '_' and '.' are allowed", f.Key)
	}
}
