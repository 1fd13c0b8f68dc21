package pace_test

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"touchstone/loadgen/pace"
)

func ExampleSteps() {
	for offset := range pace.For(pace.Steps(pace.Step{Rate: 2, For: time.Second}, pace.Step{Rate: 4}), 2*time.Second) {
		fmt.Println(offset)
	}
	// Output:
	// 0s
	// 500ms
	// 1s
	// 1.25s
	// 1.5s
	// 1.75s
}

// profiles are schedules with their rates over time, for the slow twin.
var profiles = []struct {
	name     string
	schedule iter.Seq[time.Duration]
	rate     func(t float64) float64
}{
	{"a ramp up", pace.Ramp(10, 100, 4*time.Second), func(t float64) float64 { return 10 + 90*min(t/4, 1) }},
	{"a ramp from nothing", pace.Ramp(0, 100, 4*time.Second), func(t float64) float64 { return 100 * min(t/4, 1) }},
	{"a ramp to nothing", pace.Ramp(100, 0, 4*time.Second), func(t float64) float64 { return 100 * max(1-t/4, 0) }},
	{"a ramp that is flat", pace.Ramp(50, 50, 4*time.Second), func(float64) float64 { return 50 }},
	{"steps with a pause", pace.Steps(pace.Step{30.5, time.Second}, pace.Step{0, time.Second}, pace.Step{70, 0}), func(t float64) float64 {
		return []float64{30.5, 0, 70, 70, 70, 70}[int(t)]
	}},
	{"a spike", pace.Spike(20, 200, 2*time.Second, time.Second), func(t float64) float64 {
		if t >= 2 && t < 3 {
			return 200
		}
		return 20
	}},
	{"a sine", pace.Sine(50, 30, 2*time.Second), func(t float64) float64 { return 50 + 30*math.Sin(math.Pi*t) }},
	{"a sine that touches zero", pace.Sine(50, 50, 3*time.Second), func(t float64) float64 { return 50 + 50*math.Sin(2*math.Pi*t/3) }},
}

// TestProfilesSlowTwin compares with a simulation in steps of 20 µs that adds
// up the rate, and makes a call whenever one more is due.
func TestProfilesSlowTwin(t *testing.T) {
	const step = 20e-6
	for _, p := range profiles {
		got := slices.Collect(pace.For(p.schedule, 5*time.Second))
		var want []float64
		due := 0.0
		for at := 0.0; at < 5; at += step {
			if r := p.rate(at + step/2); due >= float64(len(want)) && r > 0 {
				want = append(want, at)
			}
			due += p.rate(at+step/2) * step
		}
		if diff := len(got) - len(want); diff < -1 || diff > 1 {
			t.Errorf("%s: %d calls, want %d", p.name, len(got), len(want))
		}
		for i := range min(len(got), len(want)) {
			// What the simulation is off by grows where the rate is small.
			tolerance := 3*step + 1e-3/max(p.rate(min(want[i], 4.99)), 0.1)
			if diff := math.Abs(got[i].Seconds() - want[i]); diff > tolerance {
				t.Errorf("%s: call %d is due at %v, want %.4fs", p.name, i, got[i], want[i])
				break
			}
		}
	}
}

func TestProfileCounts(t *testing.T) {
	second := time.Second
	tests := []struct {
		name     string
		schedule iter.Seq[time.Duration]
		d        time.Duration
		want     int
	}{
		{"from nothing: the mean rate is half the last", pace.Ramp(0, 100, 10*second), 10 * second, 500},
		{"to nothing: nothing comes after", pace.Ramp(100, 0, 10*second), time.Hour, 500},
		{"no rate, no calls", pace.Ramp(0, 0, second), time.Hour, 0},
		{"rates below zero are none", pace.Ramp(-5, -1, second), time.Hour, 0},
		{"a ramp of no time is its last rate", pace.Ramp(1, 10, 0), second, 10},
		{"after the ramp its last rate holds", pace.Ramp(0, 100, 10*second), 20 * second, 1500},
		{"no steps, no calls", pace.Steps(), time.Hour, 0},
		{"the last step holds", pace.Steps(pace.Step{10, second}, pace.Step{20, second}), 3 * second, 50},
		{"the last step may be silence", pace.Steps(pace.Step{10, second}, pace.Step{0, 0}), time.Hour, 10},
		{"a spike adds its calls", pace.Spike(10, 110, second, second), 3 * second, 130},
		{"a sine has its mean", pace.Sine(10, 5, second), 60 * second, 600},
		{"a swing beyond the mean is cut", pace.Sine(10, 50, second), 60 * second, 600},
		{"a sine of no period", pace.Sine(10, 5, 0), time.Hour, 0},
		{"a sine of no rate", pace.Sine(0, 5, second), time.Hour, 0},
		{"no number, no calls", pace.Sine(math.NaN(), 5, second), time.Hour, 0},
	}
	for _, tt := range tests {
		if got := len(slices.Collect(pace.For(tt.schedule, tt.d))); got != tt.want {
			t.Errorf("%s: %d calls, want %d", tt.name, got, tt.want)
		}
	}
}

// TestSineIsExactAfterADay: each period repeats the first, to the nanosecond
// that offsets are rounded to and what a float64 of a day holds.
func TestSineIsExactAfterADay(t *testing.T) {
	const mean, day = 10, 86_400
	first := slices.Collect(pace.Take(pace.Sine(mean, 9, time.Minute), 600))
	i := 0
	for offset := range pace.Take(pace.Sine(mean, 9, time.Minute), mean*day+600) {
		if i >= mean*day {
			if diff := offset - day*time.Second - first[i-mean*day]; diff < -50 || diff > 50 {
				t.Fatalf("call %d is off by %v", i, diff)
			}
		}
		i++
	}
}

// TestShardsMergeBack: the parts of every schedule, merged, are the schedule.
func TestShardsMergeBack(t *testing.T) {
	all := map[string]iter.Seq[time.Duration]{
		"poisson": pace.Poisson(500, 3), "more calls than nanoseconds": pace.Constant(3e9),
		"trace": pace.Trace([]time.Duration{0, 0, 5, 5, 9}),
	}
	for _, p := range profiles {
		all[p.name] = p.schedule
	}
	for name, s := range all {
		s = pace.Take(pace.For(s, 5*time.Second), 1001)
		want := slices.Collect(s)
		for _, n := range []int{1, 2, 3, 7} {
			var got []time.Duration
			for i := range n {
				got = slices.AppendSeq(got, pace.Shard(s, i, n))
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s in %d parts: %d offsets, want %d", name, n, len(got), len(want))
			}
		}
		for _, i := range []int{-1, 3} {
			if got := slices.Collect(pace.Shard(s, i, 3)); len(got) != 0 {
				t.Errorf("%s: part %d of 3 has %d offsets, want none", name, i, len(got))
			}
		}
	}
}

func TestProfilesAreRepeatableOrderedAndFree(t *testing.T) {
	for _, p := range profiles {
		const offsets = 1000
		s := pace.Take(pace.For(p.schedule, time.Hour), offsets)
		a := slices.Collect(s)
		if !slices.Equal(a, slices.Collect(s)) {
			t.Errorf("%s: ranging twice yields different offsets", p.name)
		}
		if !slices.IsSorted(a) || a[0] < 0 {
			t.Errorf("%s: the offsets are not in order", p.name)
		}
		n := testing.AllocsPerRun(5, func() {
			for range pace.Shard(s, 0, 2) {
			}
		})
		if n > 20 { // a few for the loops, none for an offset
			t.Errorf("%s: %v allocations for %d offsets", p.name, n, offsets)
		}
	}
}

func TestParseTrace(t *testing.T) {
	got, err := pace.ParseTrace("calls.txt", "# recorded on Monday\n0\n0.25   # seconds\n\n250ms\n1.5s\n")
	want := []time.Duration{0, 250e6, 250e6, 1500e6}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("offsets %v, %v, want %v", got, err, want)
	}
	for text, want := range map[string]string{
		"0\nsoon\n":  `calls.txt:2: want an offset such as 1.25s, got "soon"`,
		"1s\n0.5\n":  "calls.txt:2: 500ms comes after 1s: offsets have to be in order",
		"-1s":        `calls.txt:1: want an offset such as 1.25s, got "-1s"`,
		"NaN":        `calls.txt:1: want an offset such as 1.25s, got "NaN"`,
		"1e300":      `calls.txt:1: want an offset such as 1.25s, got "1e300"`,
		"# nothing!": "calls.txt: a trace without offsets",
	} {
		if got, err := pace.ParseTrace("calls.txt", text); err == nil || err.Error() != want {
			t.Errorf("ParseTrace(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
}

// FuzzParseTrace checks that what is read is in order, and is read again from
// what is printed.
func FuzzParseTrace(f *testing.F) {
	f.Add("0\n0.25 # x\n1h\n")
	f.Add("1e9\n")
	f.Fuzz(func(t *testing.T, text string) {
		offsets, err := pace.ParseTrace("trace", text)
		if err != nil {
			return
		}
		if !slices.IsSorted(offsets) || offsets[0] < 0 {
			t.Fatalf("%q: offsets %v", text, offsets)
		}
		var print strings.Builder
		for _, offset := range offsets {
			fmt.Fprintln(&print, offset)
		}
		if again, err := pace.ParseTrace("trace", print.String()); err != nil || !slices.Equal(again, offsets) {
			t.Fatalf("%v printed and read is %v, %v", offsets, again, err)
		}
	})
}
