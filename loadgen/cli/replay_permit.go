package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/replay"
	"touchstone/loadgen/safety"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
)

// permitted refuses what must not be sent before anything connects to a
// target, and lists what would be sent for a dry run. It returns the target
// whose caps hold: the strictest of all.
func (f *replayFlags) permitted(ctx context.Context, e *env, name string) (safety.Target, *replayPlan, error) {
	strictest := safety.Target{Local: true}
	var refusal error
	for _, address := range f.addresses() {
		t, err := f.safety.judge(ctx, address)
		f.judged = append(f.judged, t)
		if err != nil && refusal == nil {
			refusal = err
		}
		if !t.Local {
			strictest = t
		}
	}
	if refusal != nil && !f.dryRun {
		return strictest, nil, refusal
	}
	plan, err := f.survey(name, !strictest.Local || f.dryRun)
	if err != nil {
		return strictest, nil, err
	}
	var refused []string
	for _, m := range plan.methods {
		if !f.safety.file.Policy.MayCall(strictest, m.name, m.pure) {
			refused = append(refused, m.name)
			m.refused = true
		}
	}
	if f.dryRun {
		return strictest, nil, f.printPlan(e.stdout, strictest, plan, refusal)
	}
	if len(refused) > 0 {
		return strictest, nil, withCode(exitUsage, safety.RefusedMethods(strictest, refused))
	}
	return strictest, plan, nil
}

// expected returns how long a replay takes if nothing goes wrong, 0 when that
// is not known, such as when the recording has not been read to its end.
func (f *replayFlags) expected(plan *replayPlan) time.Duration {
	d := time.Duration(float64(f.loops) * float64(plan.length) / f.pace.Speed)
	switch {
	case f.asap || f.dropThink || f.calls > 0:
		return 0
	case f.rate > 0:
		d = time.Duration(float64(f.loops*plan.calls) / f.rate * float64(time.Second))
	}
	if f.duration > 0 {
		return min(d, f.duration)
	}
	return d
}

// replayPlan is what a replay would send.
type replayPlan struct {
	header  fixture.Header
	length  time.Duration // recorded
	calls   int
	methods []*plannedMethod // by name
	cut     *fixture.Cut
}

type plannedMethod struct {
	name, kind             string
	calls, messages, bytes int
	pure                   bool // marked NO_SIDE_EFFECTS
	refused                bool
}

// survey opens the recording, which finds out whether it can be replayed at
// all, and reads all of it when it is asked to. A compressed one is read in any
// case: how much is missing from a truncated stream nobody knows.
func (f *replayFlags) survey(name string, all bool) (*replayPlan, error) {
	file, err := fixture.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	plan := &replayPlan{header: file.Header()}
	if !all && !file.Compressed() {
		return plan, nil
	}
	methods := map[string]*plannedMethod{}
	kept := map[uint64]bool{}
	for ev, err := range file.Events() {
		if err != nil {
			return nil, err
		}
		plan.length = max(plan.length, ev.T)
		if ev.Kind == fixture.Start {
			kept[ev.Call] = f.keep(ev.Method) && (replay.Sample{Share: f.share, Key: strings.ToLower(f.sampleBy)}).Keeps(&ev)
		}
		if !kept[ev.Call] {
			continue
		}
		m := methods[ev.Method]
		if m == nil {
			m = planMethod(ev.Method, file.Schema)
			methods[ev.Method] = m
			plan.methods = append(plan.methods, m)
		}
		switch ev.Kind {
		case fixture.Start:
			m.calls++
			plan.calls++
		case fixture.Send:
			m.messages++
			m.bytes += max(len(ev.Bytes), len(ev.JSON))
		case fixture.End:
			delete(kept, ev.Call)
		}
	}
	if plan.cut = file.Cut(); plan.cut != nil && plan.cut.Zstd && !f.partial {
		return nil, withCode(exitFile, fmt.Errorf("%w\nhint: a copy may have been cut short; --partial replays the calls that are there", plan.cut))
	}
	slices.SortFunc(plan.methods, func(a, b *plannedMethod) int { return strings.Compare(a.name, b.name) })
	return plan, nil
}

// planMethod describes a method by the recording's descriptors. One that is
// not among them counts as having effects.
func planMethod(name string, known *schema.Schema) *plannedMethod {
	m := &plannedMethod{name: name, kind: "unknown"}
	if known == nil {
		return m
	}
	md, err := known.Method(name)
	if err != nil {
		return m
	}
	m.kind = transport.KindOf(md.IsStreamingClient(), md.IsStreamingServer()).String()
	m.pure = noSideEffects(md)
	return m
}

// noSideEffects reports whether a method is marked so.
func noSideEffects(md protoreflect.MethodDescriptor) bool {
	options, ok := md.Options().(*descriptorpb.MethodOptions)
	return ok && options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}

// printPlan says what would be sent, and what would be refused.
func (f *replayFlags) printPlan(w io.Writer, t safety.Target, plan *replayPlan, refusal error) error {
	fmt.Fprintf(w, "dry run: nothing is sent\n\nrecorded   %s, %v long, of %s\n", plan.header.Started.Format(time.RFC3339), plan.length.Round(time.Millisecond), plan.header.Target)
	for _, address := range slices.Compact(f.addresses()) {
		if address == "" {
			address = "a reference server of its own"
		}
		fmt.Fprintf(w, "target     %s\n", address)
	}
	rate, inFlight := f.safety.file.Policy.Caps(t)
	fmt.Fprintf(w, "pace       %s; at most %s, %s\ncalls      %d in each of %d loops, to %d targets each\n\n",
		f.pace, capText(rate, "calls a second"), capText(float64(inFlight), "at a time"), plan.calls, f.loops, len(f.addresses()))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "calls\tmessages\tbytes\tkind\tmethod\t")
	for _, m := range plan.methods {
		note := ""
		switch {
		case m.refused:
			note = "REFUSED: not marked NO_SIDE_EFFECTS, and not named by --allow-method"
		case m.pure:
			note = "no side effects"
		}
		fmt.Fprintf(table, "%d\t%d\t%d\t%s\t%s\t%s\n", m.calls, m.messages, m.bytes, m.kind, m.name, note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if plan.cut != nil {
		fmt.Fprintf(w, "\n%s\n", plan.cut.Error())
	}
	if refusal != nil {
		return refusal
	}
	if slices.ContainsFunc(plan.methods, func(m *plannedMethod) bool { return m.refused }) {
		return withCode(exitUsage, nil)
	}
	return nil
}

// capText writes a cap.
func capText(n float64, unit string) string {
	if n == 0 {
		return "any number of calls " + strings.TrimPrefix(unit, "calls ")
	}
	return fmt.Sprintf("%v %s", n, unit)
}
