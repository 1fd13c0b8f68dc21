package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"touchstone/loadgen/render"
	"touchstone/loadgen/scaffold"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/scenario/jsonschema"
	"touchstone/loadgen/schema"
)

// initFlags are the flags of `loadgen init`, besides those of the target.
type initFlags struct {
	target targetFlags
	out    string
	probe  bool
	probed bool // --probe is given
	force  bool
}

// newInitCommand makes `loadgen init`.
func newInitCommand(e *env) *cobra.Command {
	var flags initFlags
	c := &cobra.Command{
		Use:   "init",
		Short: "Write first scenarios for a target, by what it offers",
		Long: `init writes a scenario file for each service of a target, with a step for each
method: a template of its request, with the types beside the fields, and what to
expect. Beside them go a Makefile, a page with snippets for CI, and a JSON
Schema with which editors complete the target's methods and fields.

What to expect is found out by calling each method once with its template. That
is done where it is safe: on a target at a loopback address or a unix socket,
and for methods that declare idempotency_level = NO_SIDE_EFFECTS. Steps of other
methods are skipped until you have filled them in; --probe calls those, too.
--probe=false calls none.`,
		Example: `  loadgen init --out scenarios
  loadgen init --target localhost:50051 --plaintext --out scenarios
  loadgen init --target staging.example:443 -H 'authorization: Bearer x' --out staging`,
		Args: takes(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			flags.probed = c.Flags().Changed("probe")
			return flags.run(c.Context(), e)
		},
	}
	flags.target.register(c.Flags())
	c.Flags().StringVar(&flags.out, "out", "scenarios", "folder that the files are written to")
	c.Flags().BoolVar(&flags.probe, "probe", false, "call every method once (default: those of a target on this machine, and those without side effects)")
	c.Flags().BoolVar(&flags.force, "force", false, "write over files that are there")
	return c
}

// run writes the files.
func (f *initFlags) run(ctx context.Context, e *env) error {
	t, err := f.target.open(ctx, e)
	if err != nil {
		return err
	}
	defer t.Close()
	known, err := t.schema(ctx)
	if err != nil {
		return err
	}
	services := scaffold.Services(known)
	if len(services) == 0 {
		return withCode(exitTarget, errors.New("the target offers no service"))
	}
	files := map[string][]byte{
		"Makefile":             scaffold.Makefile(scaffold.Project{Address: f.target.address, Flags: f.flagsText()}),
		"README.md":            scaffold.Page(filepath.ToSlash(f.out)),
		"scenario.schema.json": jsonschema.Of(known),
	}
	if err := f.free(services, files); err != nil {
		return err
	}
	tried, untried := 0, 0
	for _, service := range services {
		outcomes, err := f.try(ctx, t, known, service)
		if err != nil {
			return err
		}
		tried += len(outcomes)
		untried += service.Methods().Len() - len(outcomes)
		files[scaffold.Name(service)] = scaffold.File(service, outcomes)
	}
	if err := f.write(e, files); err != nil {
		return err
	}
	f.explain(e, tried, untried)
	return nil
}

// flagsText returns the flags of the target, but for its address, as words for
// a shell.
func (f *initFlags) flagsText() string {
	target := f.target
	target.address = ""
	return shellLine(loadgenWords(target.words()))
}

// free reports a file that is there already.
func (f *initFlags) free(services []protoreflect.ServiceDescriptor, files map[string][]byte) error {
	if f.force {
		return nil
	}
	var there []string
	check := func(name string) {
		if _, err := os.Lstat(filepath.Join(f.out, name)); err == nil {
			there = append(there, filepath.Join(f.out, name))
		}
	}
	for name := range files {
		check(name)
	}
	for _, service := range services {
		check(scaffold.Name(service))
	}
	if len(there) == 0 {
		return nil
	}
	slices.Sort(there)
	return usage("already there: "+strings.Join(there, ", "), "name another folder with --out, or write over them with --force")
}

// try calls the methods of a service that may be called.
func (f *initFlags) try(ctx context.Context, t *target, known *schema.Schema, service protoreflect.ServiceDescriptor) (map[protoreflect.Name]scaffold.Outcome, error) {
	text := scaffold.File(service, nil)
	file, err := scenario.Parse(scaffold.Name(service), text)
	if err != nil {
		return nil, fmt.Errorf("scaffold of %s: %w", service.FullName(), err)
	}
	program, err := scenario.Compile(file, known, scenario.Options{})
	if err != nil {
		return nil, fmt.Errorf("scaffold of %s: %w", service.FullName(), err)
	}
	vars, err := program.NewVars(os.LookupEnv, 0)
	if err != nil {
		return nil, err
	}
	outcomes := map[protoreflect.Name]scaffold.Outcome{}
	for _, step := range program.Steps {
		if !f.mayCall(t, step.Method) {
			continue
		}
		messages, err := step.Requests(vars)
		if err != nil {
			return nil, err
		}
		if outcomes[step.Method.Name()], err = probe(ctx, t.Conn, step.Method, messages); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// mayCall reports whether a method may be called to see what it answers.
func (f *initFlags) mayCall(t *target, md protoreflect.MethodDescriptor) bool {
	if f.probed {
		return f.probe
	}
	options, _ := md.Options().(*descriptorpb.MethodOptions)
	return t.Embedded || isLocal(t.Address) || options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}

// isLocal reports whether an address is on this machine, by its form alone: a
// name could point anywhere.
func isLocal(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	address = strings.TrimPrefix(address, "dns:///")
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// write writes the files and names them.
func (f *initFlags) write(e *env, files map[string][]byte) error {
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return withCode(exitFailed, err)
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		path := filepath.Join(f.out, name)
		if err := render.Replace(path, files[name]); err != nil {
			return withCode(exitFailed, fmt.Errorf("write %s: %w", path, err))
		}
		fmt.Fprintln(printableText{e.stdout}, path)
	}
	return nil
}

// explain says what was tried and what comes next.
func (f *initFlags) explain(e *env, tried, untried int) {
	fmt.Fprintf(e.stderr, "%d methods were called once, to see what they answer\n", tried)
	if untried > 0 {
		fmt.Fprintf(e.stderr, "%d were not, since the target is not on this machine: their steps are skipped\n"+
			"hint: fill in their messages, or call them as they are with --probe --force\n", untried)
	}
	words := append([]string{"loadgen", "run", f.out}, loadgenWords(f.target.words())...)
	fmt.Fprintf(e.stderr, "next: %s\n", shellLine(words))
}
