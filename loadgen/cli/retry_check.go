package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"touchstone/loadgen/render"
	"touchstone/loadgen/render/html"
	"touchstone/loadgen/report"
	"touchstone/loadgen/retry"
	"touchstone/loadgen/retrycheck"
)

// retryCheckFlags are those of `loadgen retry check`.
type retryCheckFlags struct {
	json, junit, html string
	only              []string
	can               []string
	policy            string
	deviations        string
	list              bool
	verbose           bool
	parallel          int
}

// newRetryCheckCommand makes `loadgen retry check`.
func newRetryCheckCommand(e *env) *cobra.Command {
	var flags retryCheckFlags
	c := &cobra.Command{
		Use:   "check [-- COMMAND ARG...]",
		Short: "Check a client's retry policy, in any language",
		Long: `check stands in the path between a client and a target, injects faults, and
judges the attempts that the client makes: how many, after which gaps, with
which headers and messages. Without a command it checks grpc-go, the client
that loadgen is built on.

The command is started once for each check and told by its environment what to
do: TARGET, METHOD, CALLS, PARALLEL, DEADLINE_MS, CANCEL_MS, REQUEST_BYTES and
SERVICE_CONFIG. It prints one line a call: the status code's name or number.
fixtures/clients/README.md has the details, and clients in Go, Python and Node.

It exits with 0 when every check passes, deviates as its register says, is
inconclusive or is skipped, and with 1 when one fails or none could be judged.`,
		Example: `  loadgen retry check
  loadgen retry check --only ATT,BO-1 -- python3 fixtures/clients/python/client.py
  loadgen retry check --deviations deviations.yaml --json retry.json -- ./my-client
  loadgen retry check --policy service-config.json -- ./client-with-its-own-policy`,
		RunE: func(c *cobra.Command, args []string) error {
			checks, err := flags.selected()
			if err != nil {
				return err
			}
			if flags.list {
				return listChecks(e.stdout, checks)
			}
			config, err := flags.config(e, checks, args)
			if err != nil {
				return err
			}
			r := &report.Report{Name: "retry checks", Started: time.Now().UTC(), Tool: thisTool(), Command: commandLine(c, nil)}
			if len(args) > 0 {
				r.Command = slices.Concat(r.Command, []string{"--"}, args)
			}
			return runChecks(c.Context(), e, config, flags, r)
		},
	}
	f := c.Flags()
	f.StringVar(&flags.json, "json", "", "write the results to this `file`, as JSON")
	f.StringVar(&flags.html, "html", "", "write the results to this `file`, as a page with timelines")
	f.StringVar(&flags.junit, "junit", "", "write the results to this `file`, as JUnit XML")
	f.StringSliceVar(&flags.only, "only", nil, "run these checks only: ids, or their beginnings such as ATT (default: all)")
	f.StringSliceVar(&flags.can, "can", nil, "what the client can do, of "+strings.Join(needWords(), ", ")+" (default: all but builtin and hedging)")
	f.StringVar(&flags.policy, "policy", "", "service config `file` that the client has built in, if it does not read SERVICE_CONFIG")
	f.StringVar(&flags.deviations, "deviations", "", "register `file` of the client's known deviations, each with its reason (default: none; for grpc-go its own)")
	f.BoolVar(&flags.list, "list", false, "list the checks and run none")
	f.BoolVarP(&flags.verbose, "verbose", "v", false, "say what was expected and observed of checks that pass, too")
	f.IntVar(&flags.parallel, "parallel", 6, "checks at a time")
	return c
}

// needWords are the words of --can.
func needWords() []string {
	var words []string
	for _, need := range append(slices.Clone(retrycheck.BuiltinCan), retry.NeedHedging) {
		words = append(words, string(need))
	}
	return words
}

// selected returns the checks that --only names.
func (f *retryCheckFlags) selected() ([]retry.Check, error) {
	if len(f.only) == 0 {
		return retry.Checks(), nil
	}
	used := map[string]bool{}
	var out []retry.Check
	for _, c := range retry.Checks() {
		for _, id := range f.only {
			if c.ID == id || strings.HasPrefix(c.ID, id+"-") || strings.HasPrefix(c.ID, id+".") {
				used[id] = true
				out = append(out, c)
				break
			}
		}
	}
	for _, id := range f.only {
		if !used[id] {
			return nil, usage(fmt.Sprintf("--only: there is no check %q", id), "--list lists them")
		}
	}
	return out, nil
}

func listChecks(w io.Writer, checks []retry.Check) error {
	for _, c := range checks {
		skipped := ""
		if c.Skip != "" {
			skipped = " (skipped: " + c.Skip + ")"
		}
		if _, err := fmt.Fprintf(w, "%-8s %s [%s]%s\n", c.ID, c.Title, c.Source, skipped); err != nil {
			return err
		}
	}
	return nil
}

// config puts together what is checked.
func (f *retryCheckFlags) config(e *env, checks []retry.Check, command []string) (retrycheck.Config, error) {
	config := retrycheck.Config{Subject: retrycheck.Builtin{}, Checks: checks, Can: retrycheck.BuiltinCan, Parallel: f.parallel}
	var err error
	if len(command) > 0 {
		config.Subject, config.Can = retrycheck.Program{Command: command}, retrycheck.ProgramCan
	} else if len(f.only) == 0 || f.deviations == "" {
		config.Register, err = retrycheck.BuiltinRegister()
	}
	if err == nil && f.deviations != "" {
		config.Register, err = readRegister(e, f.deviations)
	}
	if err == nil && f.policy != "" {
		config.Policy, err = readPolicy(e, f.policy)
	}
	if len(f.can) > 0 {
		config.Can = nil
		for _, word := range f.can {
			if !slices.Contains(needWords(), word) {
				return config, usage(fmt.Sprintf("--can: %q is not one of %s", word, strings.Join(needWords(), ", ")))
			}
			config.Can = append(config.Can, retry.Need(word))
		}
	}
	return config, err
}

func readRegister(e *env, path string) (*retry.Register, error) {
	_, text, err := readInput(e, "@"+path)
	if err != nil {
		return nil, withCode(exitFile, err)
	}
	return retry.ParseRegister(path, text)
}

// readPolicy returns the text of a service config that is valid.
func readPolicy(e *env, path string) (string, error) {
	_, text, err := readInput(e, "@"+path)
	if err != nil {
		return "", withCode(exitFile, err)
	}
	_, err = retry.Parse(path, text)
	return string(text), err
}

// runChecks runs the checks, writes the results as they come, and puts them
// into r.
func runChecks(ctx context.Context, e *env, config retrycheck.Config, flags retryCheckFlags, r *report.Report) error {
	options := render.TextOptions{Color: e.color(), Width: e.columns()}
	counts := map[retry.Verdict]int{}
	var writing error
	config.Done = func(r retry.Result) {
		counts[r.Verdict]++
		if !flags.verbose && r.Verdict == retry.Skipped {
			return
		}
		writing = errors.Join(writing, render.RetryCheck(e.stdout, r, options))
	}
	results, err := retrycheck.Run(ctx, config)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "\n%d passed, %d failed, %d deviations, %d inconclusive, %d skipped\n",
		counts[retry.Pass], counts[retry.Fail], counts[retry.Deviation], counts[retry.Inconclusive], counts[retry.Skipped])
	r.DurationMS, r.Retry = report.Milliseconds(time.Since(r.Started)), retryEntries(results)
	r.Finish()
	err = errors.Join(writing, writeResults(flags.json, r, report.Write), writeResults(flags.junit, r, render.JUnit), writeResults(flags.html, r, html.Write))
	switch judged := counts[retry.Pass] + counts[retry.Deviation]; {
	case err != nil:
		return err
	case counts[retry.Fail] > 0:
		return withCode(exitFailed, nil)
	case judged == 0:
		return withCode(exitFailed, errors.New("no check could be judged\nhint: does the client call TARGET, and is it told what it can do with --can?"))
	}
	return nil
}

// writeResults writes a view of the results to a file, beside its place first.
func writeResults(path string, r *report.Report, write func(io.Writer, *report.Report) error) error {
	if path == "" {
		return nil
	}
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return render.Replace(path, b.Bytes())
}
