package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/runner"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
	"touchstone/proto/detect"
	"touchstone/proto/hello"
	"touchstone/server/source"
)

// suite is a set of scenario files, with what they are compiled against and
// run on.
type suite struct {
	env   *env
	flags *targetFlags
	seed  uint64 // of the faults' random choices
	// offline asks no target but that of --target: a file's own target is for
	// a run.
	offline bool
	// wants chooses the files that are compiled; of the others only the syntax
	// is checked. Nil chooses all.
	wants func(*scenario.File) bool

	names    []string
	files    []*scenario.File
	programs []*scenario.Program
	mistakes source.Errors    // of all files
	unknown  []*scenario.File // whose target was not asked

	targets map[string]*target // by address, "" for the reference server
	schemas map[*scenario.File]*schema.Schema
	local   *schema.Schema // of --protoset and --proto, or of the reference server
}

// read finds, parses and compiles the scenario files of the paths. The
// error has the mistakes of all files. Close the suite either way.
func (s *suite) read(ctx context.Context, paths []string) error {
	s.targets, s.schemas = map[string]*target{}, map[*scenario.File]*schema.Schema{}
	var err error
	if s.names, err = findScenarios(paths); err != nil {
		return err
	}
	for _, name := range s.names {
		if err := s.parse(name); err != nil {
			return err
		}
	}
	for _, file := range s.files {
		if s.wants != nil && !s.wants(file) {
			continue
		}
		if err := s.compile(ctx, file); err != nil {
			return cmp.Or(s.err(), err) // what is known already is to be mended first
		}
	}
	return s.err()
}

// findScenarios returns the scenario files among the paths, and in the folders
// among them, each once, in the order of their names within a folder.
func findScenarios(paths []string) ([]string, error) {
	var names []string
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && name != path && strings.HasPrefix(d.Name(), "."):
				return filepath.SkipDir
			case !d.IsDir() && (name == path || isYAML(name)) && !slices.Contains(names, name):
				names = append(names, filepath.Clean(name))
			}
			return nil
		})
		if err != nil {
			return nil, usage(err.Error(), "give scenario files, or folders of them")
		}
	}
	if len(names) == 0 {
		return nil, usage(fmt.Sprintf("no .yaml files in %s", strings.Join(paths, ", ")), "give scenario files, or folders of them")
	}
	return names, nil
}

func isYAML(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".yaml" || ext == ".yml"
}

// parse reads one file and notes its mistakes.
func (s *suite) parse(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return usage(err.Error())
	}
	file, err := scenario.Parse(name, text)
	if err := s.note(err); err != nil {
		return err
	}
	if file == nil { // not even YAML
		return nil
	}
	s.files = append(s.files, file)
	if s.wants != nil && !s.wants(file) {
		return nil
	}
	return s.note(s.check(file, text))
}

// note keeps the mistakes of an error, each once: compiling a file tells those
// of parsing it again. Other errors it returns.
func (s *suite) note(err error) error {
	mistakes, ok := errors.AsType[source.Errors](err)
	if !ok {
		return err
	}
	for _, m := range mistakes {
		if !slices.ContainsFunc(s.mistakes, func(known *source.Error) bool { return *known == *m }) {
			s.mistakes = append(s.mistakes, m)
		}
	}
	return nil
}

// err returns the mistakes by file, in the order of the files, and place; nil
// when there are none.
func (s *suite) err() error {
	if len(s.mistakes) == 0 {
		return nil
	}
	slices.SortStableFunc(s.mistakes, func(a, b *source.Error) int {
		return cmp.Or(cmp.Compare(slices.Index(s.names, a.File), slices.Index(s.names, b.File)),
			cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return s.mistakes
}

// check finds what the language allows and a run does not.
func (s *suite) check(file *scenario.File, text []byte) error {
	r := &source.Reporter{File: file.Source}
	if file.ServiceConfig != "" {
		if _, err := checkPolicy(file.ServiceConfig, exitFile, "service_config"); err != nil {
			r.Errorf(fieldPos(file, text, "service_config"), "%v", err)
		}
	}
	return r.Err()
}

// fieldPos returns where a field of the file stands.
func fieldPos(file *scenario.File, text []byte, key string) source.Pos {
	root, err := source.ParseYAML(file.Source, text)
	if err != nil {
		return source.Pos{}
	}
	for _, f := range root.Fields {
		if f.Key == key {
			return f.Pos
		}
	}
	return source.Pos{}
}

// address returns the target of a file, "" for the reference server.
func (s *suite) address(file *scenario.File) string {
	if file.Target != "" {
		return file.Target
	}
	return s.flags.address
}

// compile compiles one file and notes its mistakes.
func (s *suite) compile(ctx context.Context, file *scenario.File) error {
	known, err := s.schema(ctx, file)
	if err != nil {
		return err
	}
	if known == nil {
		s.unknown = append(s.unknown, file)
		return nil
	}
	s.schemas[file] = known
	if err := s.note(checkFaults(file, known)); err != nil {
		return err
	}
	program, err := scenario.Compile(file, known, scenario.Options{ReadFile: readTrace})
	if err == nil {
		s.programs = append(s.programs, program)
	}
	return s.note(err)
}

// schema returns what the target of a file offers, without asking it if that
// is known; nil if it may not be asked.
func (s *suite) schema(ctx context.Context, file *scenario.File) (*schema.Schema, error) {
	mode, err := schema.ParseMode(s.flags.reflect)
	if err != nil {
		return nil, usage("--reflect: " + err.Error())
	}
	haveFiles := len(s.flags.protosets)+len(s.flags.protos) > 0
	switch {
	case haveFiles && (mode == schema.Auto || mode == schema.Off):
		return s.localSchema(ctx)
	case s.address(file) == "":
		return s.localSchema(ctx)
	case s.offline && file.Target != "" && s.flags.address == "":
		return nil, nil
	}
	t, err := s.target(ctx, s.address(file))
	if err != nil {
		return nil, err
	}
	return t.schema(ctx)
}

// localSchema returns the schema of the files that the flags name, else that
// of the reference server.
func (s *suite) localSchema(ctx context.Context) (*schema.Schema, error) {
	if s.local != nil {
		return s.local, nil
	}
	if len(s.flags.protosets)+len(s.flags.protos) == 0 {
		s.local = referenceSchema()
		return s.local, nil
	}
	local, err := schema.Open(ctx, schema.Config{
		Mode: schema.Off, Protosets: s.flags.protosets, Protos: s.flags.protos, ImportPaths: s.flags.importPaths,
	})
	s.local = local
	return local, err
}

// referenceSchema is what the reference server offers.
func referenceSchema() *schema.Schema {
	return schema.FromFiles(detect.File_detect_detect_proto, hello.File_hello_hello_proto,
		grpc_health_v1.File_grpc_health_v1_health_proto,
		reflectionv1.File_grpc_reflection_v1_reflection_proto, reflectionv1alpha.File_grpc_reflection_v1alpha_reflection_proto)
}

// target returns the connection to an address, "" for the reference server.
func (s *suite) target(ctx context.Context, address string) (*target, error) {
	if t := s.targets[address]; t != nil {
		return t, nil
	}
	flags := *s.flags
	flags.address = address
	t, err := flags.open(ctx, s.env)
	if err != nil {
		return nil, err
	}
	s.targets[address] = t
	return t, nil
}

// dial connects to what a file runs on. Only what differs from file to file is
// made anew: a service config needs a connection of its own, and faults one
// through a proxy.
func (s *suite) dial(ctx context.Context, file *scenario.File) (*runner.Target, error) {
	t, path, err := s.open(ctx, file)
	if err != nil {
		return nil, err
	}
	out := &runner.Target{Conn: t.Conn, Schema: s.schemas[file], Close: func() {}}
	var options []grpc.DialOption
	if path != nil {
		options = path.options(s.flags)
		out.Close, out.Unmet = path.Close, path.unmet
	}
	if out.ServiceConfig, err = s.flags.policy(); err != nil {
		out.Close()
		return nil, err
	}
	if file.ServiceConfig != "" {
		out.ServiceConfig = file.ServiceConfig
		options = append(options, grpc.WithDefaultServiceConfig(file.ServiceConfig))
	}
	out.Wire = func(ctx context.Context, n int, events *engine.Events) (transport.Transport, metadata.MD, error) {
		via, md, err := s.flags.wire(ctx, t, path, n, events)
		if err != nil {
			return nil, nil, err
		}
		return s.flags.safety.guarded(s.address(file), via), md, nil
	}
	out.More = func() (*grpc.ClientConn, error) { return t.Dial(options...) }
	out.Counted = func() (*grpc.ClientConn, error) { return t.DialCounted(out.ServiceConfig, options...) }
	if len(options) == 0 {
		return out, nil
	}
	conn, err := out.More()
	if err != nil {
		out.Close()
		return nil, err
	}
	closePath := out.Close
	out.Conn = conn
	out.Close = func() {
		conn.Close()
		closePath()
	}
	return out, nil
}

// open returns the target of a file, and for a file with faults the proxy in
// the path to it.
func (s *suite) open(ctx context.Context, file *scenario.File) (*target, *faultPath, error) {
	t, err := s.target(ctx, s.address(file))
	if err != nil || file.Faults == nil {
		return t, nil, err
	}
	path, err := s.flags.openFaultPath(t, file.Faults, s.seed)
	return t, path, err
}

// close closes what the suite has opened.
func (s *suite) close() {
	for _, t := range s.targets {
		t.Close()
	}
}

// report says that there is nothing to complain of.
func (s *suite) report() {
	for _, file := range s.unknown {
		fmt.Fprintf(s.env.stderr, "note: %s: only its syntax was checked, since its target %s was not asked\n"+
			"hint: --target %s asks it, --protoset FILE says what it offers\n", file.Source.Name, file.Target, file.Target)
	}
	word := "files"
	if len(s.files) == 1 {
		word = "file"
	}
	fmt.Fprintf(s.env.stdout, "%d %s, no mistakes\n", len(s.files), word)
}

// wantPaths is the check of arguments for commands that take scenario files.
func wantPaths(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage("which scenarios?", "give scenario files, or folders of them")
	}
	return nil
}
