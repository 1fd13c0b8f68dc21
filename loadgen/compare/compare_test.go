package compare_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"touchstone/loadgen/compare"
	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// group returns runs whose medians are the given ones, in milliseconds, all
// else being equal, an hour apart from those that begin at another hour.
func group(hour int, medians ...float64) []*report.Report {
	var out []*report.Report
	for i, p50 := range medians {
		r := &report.Report{Started: time.Date(2026, 1, 2, hour, i, 0, 0, time.UTC), Loads: []report.Load{{
			Name: "hello", Method: "HelloService/SayHello", Sent: 1000, Completed: 1000, Statuses: map[string]int64{"OK": 1000},
			AchievedRPS: 100, Response: report.Latency{P50: &p50},
		}}}
		r.Validity.Valid = true
		out = append(out, r)
	}
	return out
}

func Example() {
	old := group(1, 10, 10.1, 10.2, 9.9, 10.3, 9.8)
	now := group(1, 10.9, 11.1, 11, 10.8, 11.2, 11.3)
	budget, err := compare.ParseBudget("p50 +5%")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := compare.Compare(old, now, compare.Config{Budgets: []compare.Budget{budget}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p50 := r.Loads[0].Changes[0]
	fmt.Printf("%s %s: %+.1f %%, between %+.1f %% and %+.1f %%\n", p50.Metric, p50.Verdict, 100*p50.Effect.Estimate, 100*p50.Effect.Low, 100*p50.Effect.High)
	fmt.Printf("%s: %s\n", r.Budgets[0].Budget, r.Budgets[0].State)
	// Output:
	// p50 worse: +10.0 %, between +6.9 % and +13.1 %
	// p50 +5%: broken
}

// change returns the change of a figure of the first load.
func change(t *testing.T, r *compare.Result, m compare.Metric) compare.Change {
	t.Helper()
	for _, c := range r.Loads[0].Changes {
		if c.Metric == m {
			return c
		}
	}
	t.Fatalf("no %s among %+v", m, r.Loads[0].Changes)
	return compare.Change{}
}

func compareGroups(t *testing.T, old, now []*report.Report, budgets ...string) *compare.Result {
	t.Helper()
	var cfg compare.Config
	for _, text := range budgets {
		b, err := compare.ParseBudget(text)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Budgets = append(cfg.Budgets, b)
	}
	r, err := compare.Compare(old, now, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Errorf("the result cannot be written: %v", err)
	}
	return r
}

// spread returns n medians around mid, 1 % from one to the next.
func spread(mid float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = mid * (1 + 0.01*(float64(i)-float64(n-1)/2))
	}
	return out
}

// TestFewRunsGiveNoVerdict: five runs a side, or fewer on one, are too few
// whatever they show.
func TestFewRunsGiveNoVerdict(t *testing.T) {
	for _, tt := range []struct {
		old, now int
		want     compare.Verdict
	}{{1, 1, compare.Undecided}, {5, 5, compare.Undecided}, {6, 5, compare.Undecided}, {5, 12, compare.Undecided}, {6, 6, compare.Worse}} {
		got := compareGroups(t, group(1, spread(10, tt.old)...), group(1, spread(20, tt.now)...), "p50 +1%")
		c := change(t, got, compare.P50)
		if c.Verdict != tt.want || (c.Reason != "") != (tt.want == compare.Undecided) {
			t.Errorf("%d and %d runs: %s, %q; want %s", tt.old, tt.now, c.Verdict, c.Reason, tt.want)
		}
		if tt.old*tt.now > 1 && (c.Effect == nil || c.Effect.Low > 1 || c.Effect.High < 1 || (c.Basis == compare.OfRuns) != (tt.want == compare.Worse)) {
			t.Errorf("%d and %d runs: %+v of %s", tt.old, tt.now, c.Effect, c.Basis)
		}
		if state := got.Budgets[0].State; (state == compare.Broken) != (tt.want == compare.Worse) {
			t.Errorf("%d and %d runs: the budget is %s", tt.old, tt.now, state)
		}
	}
}

// TestNeededRuns against the probability of the most extreme order, 1/C(2n,n)
// at either end.
func TestNeededRuns(t *testing.T) {
	for _, figures := range []int{1, 6, 23, 24, 100, 500} {
		want := 6
		for {
			orders, _ := math.Lgamma(float64(2*want + 1))
			half, _ := math.Lgamma(float64(want + 1))
			if 2/math.Exp(orders-2*half) <= 0.05/float64(figures) {
				break
			}
			want++
		}
		if got := compare.NeededRuns(figures); got != want {
			t.Errorf("%d figures need %d runs, want %d", figures, got, want)
		}
	}
}

// TestEffectIsTheMedianOfRatios against all pairs.
func TestEffectIsTheMedianOfRatios(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		old, now := make([]float64, 6+random.IntN(6)), make([]float64, 6+random.IntN(20))
		for _, values := range [][]float64{old, now} {
			for i := range values {
				values[i] = 1 + random.Float64()
			}
		}
		var ratios []float64
		for _, a := range old {
			for _, b := range now {
				ratios = append(ratios, b/a)
			}
		}
		slices.Sort(ratios)
		n := len(ratios)
		want := math.Sqrt(ratios[(n-1)/2]*ratios[n/2]) - 1
		got := change(t, compareGroups(t, group(1, old...), group(1, now...)), compare.P50).Effect
		if math.Abs(got.Estimate-want) > 1e-9 || got.Low > got.Estimate || got.High < got.Estimate {
			t.Errorf("%+v, want %v", got, want)
		}
		if low := ratios[0] - 1; got.Low < low-1e-9 {
			t.Errorf("the interval begins at %v, below all ratios", got.Low)
		}
	}
}

func TestVerdicts(t *testing.T) {
	same := group(1, spread(10, 8)...)
	slower, negligible := group(1, spread(12, 8)...), group(1, spread(10, 8)...)
	for i, r := range negligible {
		r.Loads[0].Response.P50 = new(spread(10, 8)[i] * 1.0001)
	}
	errs := group(1, spread(10, 8)...)
	for i, r := range errs {
		r.Loads[0].Statuses["OK"] -= int64(20 + i)
	}
	slow := group(1, spread(10, 8)...)
	for i, r := range slow {
		r.Loads[0].AchievedRPS = 80 - float64(i)/10
	}
	for _, tt := range []struct {
		name     string
		old, now []*report.Report
		metric   compare.Metric
		want     compare.Verdict
	}{
		{"the same", same, same, compare.P50, compare.Unchanged},
		{"slower", same, slower, compare.P50, compare.Worse},
		{"faster", slower, same, compare.P50, compare.Better},
		{"a ten-thousandth slower", same, negligible, compare.P50, compare.Unchanged},
		{"errors where there were none", same, errs, compare.Errors, compare.Worse},
		{"no errors any more", errs, same, compare.Errors, compare.Better},
		{"less throughput", same, slow, compare.Throughput, compare.Worse},
	} {
		got := compareGroups(t, tt.old, tt.now)
		if c := change(t, got, tt.metric); c.Verdict != tt.want || got.Verdict != tt.want {
			t.Errorf("%s: %s is %s, all is %s, want %s", tt.name, tt.metric, c.Verdict, got.Verdict, tt.want)
		}
	}
}

// TestBudgetsGateOnTheInterval: the same estimate of 10 % breaks a budget,
// keeps one, or proves nothing.
func TestBudgetsGateOnTheInterval(t *testing.T) {
	old, now := group(1, spread(10, 8)...), group(1, spread(11, 8)...)
	for text, want := range map[string]compare.State{
		"p50 +2%": compare.Broken, "p50 +9%": compare.NotProven, "p50 +11%": compare.NotProven, "p50 +25%": compare.Kept,
		"throughput -1%": compare.Kept, "errors +0.1%": compare.Kept, "p99 +5%": compare.NotProven, "cpu +5%": compare.NotProven,
	} {
		got := compareGroups(t, old, now, text)
		if o := got.Budgets[0]; o.State != want || o.Message == "" || o.Budget != text {
			t.Errorf("%s: %+v, want %s", text, o, want)
		}
		if got.Broken() != (want == compare.Broken) || got.Proven() != (want == compare.Kept) {
			t.Errorf("%s: broken %v, proven %v", text, got.Broken(), got.Proven())
		}
	}
	fewer := group(1, spread(10, 8)...)
	for i, r := range fewer {
		r.Loads[0].AchievedRPS = 80 - float64(i)/10
	}
	if got := compareGroups(t, old, fewer, "throughput -10%", "throughput -30%"); got.Budgets[0].State != compare.Broken || got.Budgets[1].State != compare.Kept {
		t.Errorf("throughput of 80 %%: %+v", got.Budgets)
	}
}

func TestBudgetMistakes(t *testing.T) {
	for text, want := range map[string][2]string{
		"p9 +5%":         {`1:1: unknown figure "p9"`, `did you mean "p90"?`},
		"latency +5%":    {`unknown figure "latency"`, "figures are p50, p90, p99, throughput, errors, cpu"},
		"p99 5%":         {`1:5: want a change with its sign, got "5%"`, "write p99 +5%"},
		"p99 -5%":        {"1:5: a budget is for the worse, and p99 gets worse with +", "write p99 +5%"},
		"throughput +5%": {"throughput gets worse with -", "write throughput -5%"},
		"p99 +x%":        {`1:6: want a number, got "x%"`, "write p99 +5%"},
		"p99 +5ms":       {`1:7: want %, got "ms"`, "write p99 +5%"},
		"p99 +5":         {`want %, got ""`, ""},
		"p99 +5%\nx":     {"want METRIC CHANGE on one line", ""},
		"":               {`unknown figure ""`, ""},
	} {
		_, err := compare.ParseBudget(text)
		if err == nil {
			t.Errorf("%q was taken", text)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %v, want %q in it", text, err, part)
			}
		}
	}
}

func FuzzParseBudget(f *testing.F) {
	for _, text := range []string{"p99 +5%", "throughput -3%", "errors +0.1%", "p50 +1e9%", " cpu  + 2 %", "\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := compare.ParseBudget(text)
		if err != nil {
			return
		}
		again, err := compare.ParseBudget(b.String())
		if err != nil || again.String() != b.String() {
			t.Errorf("%q is printed as %q, which is read as %q, %v", text, b, again, err)
		}
	})
}

func TestEnvironment(t *testing.T) {
	old, now := group(1, spread(10, 6)...), group(1, spread(10, 6)...)
	for i := range old {
		old[i].Target, now[i].Target = report.Target{Address: fmt.Sprint("127.0.0.1:", i), Embedded: true}, report.Target{Address: "staging:443"}
		old[i].Tool = report.Tool{CPUModel: "A", Go: "go1.26", CPUs: 2, MemoryMB: 15990}
		now[i].Tool = report.Tool{CPUModel: "A", Go: "go1.26", CPUs: 2, MemoryMB: 16001}
	}
	got := compareGroups(t, old, now)
	if len(got.Environment) != 1 || got.Environment[0].What != "target" || !got.SameEnvironment() {
		t.Errorf("only the target differs: %+v", got.Environment)
	}
	now[0].Tool.CPUModel, now[3].Tool.CPUModel = "B", ""
	for _, r := range now {
		r.Loads[0].Transport = "wire"
	}
	for _, r := range old {
		r.Loads[0].Transport = "channel"
	}
	got = compareGroups(t, old, now)
	var names []string
	for _, d := range got.Environment {
		names = append(names, d.What)
	}
	if want := []string{"CPU model", "target", "transport of hello"}; !slices.Equal(names, want) || got.SameEnvironment() {
		t.Errorf("differences %q, want %q", names, want)
	}
	if d := got.Environment[0]; !slices.Equal(d.Old, []string{"A"}) || !slices.Equal(d.New, []string{"A", "B"}) {
		t.Errorf("%+v", d)
	}
}

// TestRunsThatDoNotCount: figures of an invalid run, or of one that was
// stopped, are nobody's.
func TestRunsThatDoNotCount(t *testing.T) {
	old, now := group(1, spread(10, 7)...), group(1, spread(10, 7)...)
	old[0].Validity = report.Validity{Reasons: []string{"the generator was late"}}
	now[0].ExitCode = 130
	now[1].Loads = nil
	got := compareGroups(t, old, now)
	if got.Old.Runs != 6 || got.New.Runs != 5 || got.Verdict != compare.Undecided {
		t.Errorf("%d and %d runs count, %s", got.Old.Runs, got.New.Runs, got.Verdict)
	}
	for _, want := range []string{"old run 1 is not valid: the generator was late", "new run 1 was stopped by a signal; and 1 more of that side"} {
		if !slices.ContainsFunc(got.Cautions, func(c string) bool { return strings.Contains(c, want) }) {
			t.Errorf("no caution says %q: %q", want, got.Cautions)
		}
	}
	if _, err := compare.Compare(old[:1], now, compare.Config{}); err == nil || !strings.Contains(err.Error(), "no run that counts") {
		t.Errorf("a side without runs: %v", err)
	}
	now[2].Loads[0].Name = "other"
	if _, err := compare.Compare(old, now[2:3], compare.Config{}); err == nil || !strings.Contains(err.Error(), "no load in common") {
		t.Errorf("sides without a common load: %v", err)
	}
}

func TestCautionsAboutTheOrderOfRuns(t *testing.T) {
	const sentence = "the runs of one side were all before"
	for _, tt := range []struct {
		hour int
		want bool
	}{{1, false}, {2, true}, {0, true}} {
		got := compareGroups(t, group(1, spread(10, 6)...), group(tt.hour, spread(10, 6)...))
		said := slices.ContainsFunc(got.Cautions, func(c string) bool { return strings.Contains(c, sentence) })
		if said != tt.want {
			t.Errorf("new runs at %d o'clock, old at 1: said %v", tt.hour, said)
		}
	}
}

// TestSingleRunsAreIndicative: one run a side shows what its calls show, and
// gives no verdict.
func TestSingleRunsAreIndicative(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	one := func(factor float64) []*report.Report {
		h := hist.New()
		for range 4000 {
			h.Record(time.Duration(factor * math.Exp(random.NormFloat64()/4) * float64(time.Millisecond)))
		}
		r := group(1, 1)
		r[0].Loads[0].Response = report.Latencies(h)
		return r
	}
	got := compareGroups(t, one(1), one(1.2), "p50 +5%")
	for _, m := range []compare.Metric{compare.P50, compare.P90, compare.P99} {
		c := change(t, got, m)
		if c.Verdict != compare.Undecided || c.Basis != compare.OfCalls || c.Effect.Low > 0.2 || c.Effect.High < 0.2 || c.Effect.High-c.Effect.Low > 0.3 {
			t.Errorf("%s: %s, of %s, %+v; want about +20 %%", m, c.Verdict, c.Basis, c.Effect)
		}
	}
	if c := change(t, got, compare.Errors); c.Basis != compare.OfCalls || c.Effect.Estimate != 0 || c.Effect.High < 0.001 || c.Effect.High > 0.02 {
		t.Errorf("no errors of 1,000: %+v", c.Effect)
	}
	if got.Budgets[0].State != compare.NotProven || got.Verdict != compare.Undecided {
		t.Errorf("budget %s, verdict %s", got.Budgets[0].State, got.Verdict)
	}
	if got.Loads[0].Old.Count != 4000 {
		t.Errorf("the curve has %d calls", got.Loads[0].Old.Count)
	}
}

// TestReadmeDescribesEveryField walks the result and looks for each field's
// JSON name in its description.
func TestReadmeDescribesEveryField(t *testing.T) {
	readme, err := os.ReadFile("../../reports/comparison.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{reflect.TypeFor[report.Latency](): true} // that is the report's
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for field := range typ.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(string(readme), "`"+name+"`") {
				t.Errorf("reports/comparison.md does not describe %s.%s, %q", typ.Name(), field.Name, name)
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[compare.Result]())
	if len(seen) < 7 {
		t.Errorf("only %d types seen", len(seen))
	}
}
