package cli

import (
	"github.com/spf13/cobra"

	"touchstone/loadgen/report"
)

// newLoadCommand makes `loadgen load`.
func newLoadCommand(e *env) *cobra.Command {
	var flags loadFlags
	c := &cobra.Command{
		Use:   "load METHOD[=WEIGHT]...",
		Short: "Put load on methods, and measure",
		Long: `load makes calls of a method and reports how long they took. With --rate the
calls are due on a schedule that a slow target does not slow down, and response
times count from the moment a call was due. With --closed N, each of N callers
makes its next call when the one before it has ended; such a loop cannot see
the target stall.

A stream is one call: -d holds all its messages. A method that takes one
message takes those of -d in turn. Strings in them may hold ${expressions}, whose
values are patched into the encoded message for each call: ${i}, ${row.name} of
--data-rows, ${uuid()}, ${random(n)}, ${random.int(a, b)}, ${bytes(n)}, ${now()},
${now.unix_ms} and the like; $${ stands for ${ itself. Several methods make a
mix: METHOD=WEIGHT says how many of the calls are whose, and each method has its
own -d. With --scenario a call is a session: all steps of a file, with their
captures and expectations.

--arrival gives the schedule a shape, as an arrival of a scenario file does:
  constant, poisson                                        at --rate
  ramp: {from: 10/s, to: 500/s, over: 30s}
  steps: [{rate: 100/s, for: 10s}, {rate: 200/s, for: 10s}]
  spike: {base: 100/s, peak: 1000/s, at: 10s, lasts: 2s}
  sine: {mean: 300/s, swing: 200/s, period: 60s}
  trace: FILE                                              one offset a line

With --find-max the highest rate is looked for at which conditions hold: runs of
--duration at rates that double until they do not, then between the last two.
What counts as a condition is what --threshold takes; that the target keeps up
with the rate is one always. A run in which this process was the bottleneck
says nothing about the target, and is marked invalid.

Exit codes: 1 not one call ended OK, 4 a threshold failed, --abort-on ended the
run or no rate was found, 5 the target is not there, 6 the generator was too
slow for the figures to mean anything.`,
		Example: `  loadgen load HelloService/SayHello --rate 500 --duration 20s -d '{"greeting": "hello"}'
  loadgen load Detect/detect --rate 200 --arrival poisson --requests 5000 -d @requests.jsonl \
      --threshold 'response.p99 < 50ms' --threshold 'error_rate < 0.1%'
  loadgen load Detect/detect --rate 200 --duration 10s --data-rows users.csv \
      -d '{"content": "{\"request_type\": \"TEXT\", \"request_id\": \"${uuid()}\", \"content\": \"${row.text}\"}"}'
  loadgen load HelloService/BidiHello --closed 10 --duration 10s -d '{"greeting": "a"} {"greeting": "b"}'
  loadgen load HelloService/SayHello --closed 100 --connections 2 --transport wire --duration 10s
  loadgen load HelloService/SayHello=9 Detect/detect=1 -d '{"greeting": "hello"}' -d @requests.jsonl \
      --rate 300 --duration 20s
  loadgen load HelloService/SayHello --arrival 'spike: {base: 100/s, peak: 2000/s, at: 10s, lasts: 2s}' \
      --duration 20s --abort-on 'error_rate > 50% for 3s'
  loadgen load --scenario greet.yaml --rate 10 --arrival poisson --duration 20s
  loadgen load --ghz-config ghz.json --engine ghz --duration 10s
  loadgen load HelloService/SayHello --duration 10s --find-max 'response.p99 < 50ms, error_rate < 0.1%'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return flags.run(c, e, args) },
	}
	c.ValidArgsFunction = flags.target.completeMethods
	flags.target.register(c.Flags())
	flags.target.guard(c.Flags())
	flags.results.register(c.Flags())
	flags.register(c.Flags())
	registerLive(c.Flags(), &flags.live)
	return c
}

// run puts on the load and writes the report.
func (f *loadFlags) run(c *cobra.Command, e *env, args []string) error {
	args, err := f.ghz.apply(e, c, args)
	if err != nil {
		return err
	}
	if err := f.checkSession(args); err != nil {
		return err
	}
	if err := f.target.safety.permits(c.Context(), f.target.address, f.rate); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	if err := f.results.check(e); err != nil {
		return err
	}
	f.results.choose(c) // messages that are made for each call depend on it
	switch {
	case f.printOnly:
		return f.printSchedule(e)
	case f.find.wanted() && f.live != "":
		return usage("--live shows one load, --find-max makes many", "leave one out")
	case f.find.wanted():
		return f.runFind(c, e, args)
	case f.session != "":
		return f.runSessions(c, e)
	case f.repeat.wanted():
		return f.runRepeated(c, e, args)
	}
	ctx := c.Context()
	job, err := f.prepare(ctx, e, args)
	if err != nil {
		return err
	}
	defer job.Close()
	if err := f.allowGhz(ctx); err != nil {
		return err
	}
	r := f.results.start(e, c, "load "+job.name, args)
	r.Target = report.Target{Address: job.target.Address, Embedded: job.target.Embedded}
	f.results.stream.RunStart(r)
	line := newProgressLine(e, f.expected())
	defer line.end()
	line.load(job.name, f.arrivalText(f.arriving()), f.whole())
	if err := line.serve(ctx, f.live, r); err != nil {
		return err
	}
	load, err := f.measure(ctx, job, line.show)
	line.end()
	if err != nil {
		return err
	}
	r.Loads = []report.Load{load}
	f.judgeLoad(r, &load)
	var differences []string
	if f.ghz.engine == "ghz" && ctx.Err() == nil {
		if differences, err = f.crossCheck(ctx, e, job, r, args); err != nil {
			return err
		}
	}
	return f.finishLoad(ctx, e, r, differences)
}
