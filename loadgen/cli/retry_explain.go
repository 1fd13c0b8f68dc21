package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"touchstone/loadgen/retry"
	"touchstone/server/source"
)

// newRetryExplainCommand makes `loadgen retry explain`.
func newRetryExplainCommand(e *env) *cobra.Command {
	var question retry.Question
	var method string
	var strict bool
	c := &cobra.Command{
		Use:   "explain FILE",
		Short: "Say what a service config really does",
		Long: `explain reads a service config, in JSON or YAML, and says what its retry
policies make clients do: how many attempts, when they start, what a deadline
leaves of them, and when throttling stops them.

It exits with 3 when gRFC A6 has clients reject the config, and with --strict
also with 1 for what is valid and yet switches retries off in some client.`,
		Example: `  loadgen retry explain service-config.json
  loadgen retry explain service-config.json --method Detect/detect --deadline 500ms
  loadgen retry explain - --request-bytes 1000000 --strict < service-config.json`,
		Args: oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			var found bool
			if question.Service, question.Method, found = strings.Cut(method, "/"); method != "" && (!found || question.Service == "") {
				return usage(fmt.Sprintf("--method %q is not Service/Method", method), "write it as in pkg.Service/Method")
			}
			return explainFile(e, args[0], question, strict)
		},
	}
	c.Flags().StringVar(&method, "method", "", "explain what applies to this `Service/Method` (default: every entry)")
	c.Flags().DurationVar(&question.Deadline, "deadline", 0, "the application's deadline, such as 500ms (default: none)")
	c.Flags().IntVar(&question.RequestBytes, "request-bytes", 0, "the size of requests in bytes (default: small)")
	c.Flags().BoolVar(&strict, "strict", false, "exit with 1 when there are warnings")
	return c
}

// oneFile is the check of a command's arguments: one file, or - for stdin.
func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(fmt.Sprintf("want one file, got %d arguments", len(args)), "- reads stdin")
	}
	return nil
}

func explainFile(e *env, name string, q retry.Question, strict bool) error {
	_, text, err := readInput(e, "@"+name)
	if err != nil {
		return withCode(exitFile, err)
	}
	config, err := retry.Parse(name, text)
	if err != nil {
		return err
	}
	for _, x := range config.Explain(q) {
		printExplanation(e.stdout, x)
	}
	if t := config.Throttling; t != nil {
		printThrottling(e.stdout, t)
	}
	warnings := config.Warnings(source.NewFile(name, string(text)), q)
	for _, warning := range warnings {
		fmt.Fprintf(e.stdout, "warning: %v\n", warning)
	}
	if strict && len(warnings) > 0 {
		return withCode(exitFailed, fmt.Errorf("%d warnings, and --strict", len(warnings)))
	}
	return nil
}

// printExplanation prints what one entry does.
func printExplanation(w io.Writer, x retry.Explanation) {
	where := "no entry applies"
	if x.Line > 0 {
		where = fmt.Sprintf("line %d", x.Line)
	}
	fmt.Fprintf(w, "%s (%s)\n", x.Name, where)
	p := x.Policy
	if p == nil {
		fmt.Fprintf(w, "  one attempt: there is no retryPolicy\n\n")
		return
	}
	capped := ""
	if p.MaxAttempts > retry.AttemptCap {
		capped = fmt.Sprintf(" (maxAttempts %d, and the cap of clients is %d)", p.MaxAttempts, retry.AttemptCap)
	}
	var names []string
	for _, code := range p.Codes {
		names = append(names, retry.CodeName(code))
	}
	fmt.Fprintf(w, "  retried on %s\n", strings.Join(names, ", "))
	fmt.Fprintf(w, "  %d attempts at most%s\n\n", p.Attempts(), capped)
	printSchedule(w, p)
	total := p.Total()
	fmt.Fprintf(w, "  when every attempt fails at once, the call takes %v to %v\n", total.Min, total.Max)
	if x.Deadline > 0 {
		fmt.Fprintf(w, "  a deadline of %v leaves %s\n", x.Deadline, attemptsLeft(x.Least, x.Most))
	}
	fmt.Fprintf(w, "  in an outage the service gets %d times the calls\n\n", p.Attempts())
}

// printThrottling says what a bucket of tokens does to retries.
func printThrottling(w io.Writer, t *retry.Throttling) {
	fmt.Fprintf(w, "throttling, of all methods together (line %d)\n", t.Pos.Line)
	if successes, ok := t.SuccessesToResume(); ok {
		fmt.Fprintf(w, "  after %d failed attempts in a row retries stop, until %d calls have succeeded\n\n", t.FailuresToStop(), successes)
		return
	}
	fmt.Fprintf(w, "  nothing is ever retried: the first failure leaves no more than half of the tokens\n\n")
}

// attemptsLeft says a range of attempts in words.
func attemptsLeft(least, most int) string {
	if least == most {
		return fmt.Sprintf("%d of them", most)
	}
	return fmt.Sprintf("%d to %d of them", least, most)
}

// printSchedule prints when each attempt starts.
func printSchedule(w io.Writer, p *retry.Policy) {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "  attempt\tbackoff before it\tstarts after\n")
	fmt.Fprintf(table, "  1\t-\t0s\n")
	var at retry.Interval
	for n := 1; n < p.Attempts(); n++ {
		b := p.Backoff(n)
		at.Min, at.Max = at.Min+b.Min, at.Max+b.Max
		fmt.Fprintf(table, "  %d\t%v to %v\t%v to %v\n", n+1, round(b.Min), round(b.Max), round(at.Min), round(at.Max))
	}
	table.Flush()
	fmt.Fprintln(w)
}

// round cuts a duration to microseconds, which is finer than any timer.
func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
