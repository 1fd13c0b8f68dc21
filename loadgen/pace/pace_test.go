package pace_test

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"touchstone/loadgen/pace"
)

func Example() {
	for offset := range pace.For(pace.Constant(4), time.Second) {
		fmt.Println(offset)
	}
	// Output:
	// 0s
	// 250ms
	// 500ms
	// 750ms
}

func TestConstant(t *testing.T) {
	tests := []struct {
		name string
		rate float64
		d    time.Duration
		want int
	}{
		{"a call every 2 ms for 20 s", 500, 20 * time.Second, 10_000},
		{"a rate that divides nothing evenly", 3, 10 * time.Second, 30},
		{"a rate of 1/hour still makes the first call", 1. / 3600, time.Second, 1},
		{"more calls than nanoseconds", 2e9, time.Microsecond, 2001}, // the last rounds down to 1 µs - 1 ns, so both fit
		{"no rate, no calls", 0, time.Hour, 0},
		{"a rate below zero, no calls", -1, time.Hour, 0},
		{"no number, no calls", math.NaN(), time.Hour, 0},
		{"no time, no calls", 500, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := len(slices.Collect(pace.For(pace.Constant(tt.rate), tt.d)))
			if diff := got - tt.want; diff < -1 || diff > 1 || diff != 0 && tt.rate < 1e9 {
				t.Errorf("%d calls, want %d", got, tt.want)
			}
		})
	}
}

// TestConstantDoesNotDrift compares with exact fractions after a day.
func TestConstantDoesNotDrift(t *testing.T) {
	const rate, n = 7, 7 * 3600 * 24
	i := 0
	for offset := range pace.Take(pace.Constant(rate), n+1) {
		// i/7 s in whole nanoseconds, rounded half up.
		if want := time.Duration((int64(i)*2e9 + rate) / (2 * rate)); offset != want && i == n {
			t.Errorf("call %d is due at %v, want %v", i, offset, want)
		}
		i++
	}
	if i != n+1 {
		t.Errorf("%d offsets, want %d", i, n+1)
	}
}

// slowPoisson is the definition: sum up gaps of -ln(1-u)/rate.
func slowPoisson(rate float64, seed uint64, n int) []time.Duration {
	source := rand.NewPCG(seed, 0x706f6973736f6e)
	var out []time.Duration
	sum := 0.0
	for range n {
		u := float64(source.Uint64()/2048) / math.Exp2(53)
		sum += -math.Log(1-u) / rate
		out = append(out, time.Duration(sum*1e9))
	}
	return out
}

func TestPoissonSlowTwin(t *testing.T) {
	for seed := range uint64(40) {
		got := slices.Collect(pace.Take(pace.Poisson(300, seed), 1000))
		for i, want := range slowPoisson(300, seed, 1000) {
			if diff := got[i] - want; diff < -10 || diff > 10 { // ln(1-u) against log1p(-u)
				t.Fatalf("seed %d, call %d: due at %v, want %v", seed, i, got[i], want)
			}
		}
	}
}

// TestPoissonIsExponential checks mean and spread of the gaps, which are equal
// for exponential ones, to four standard errors; and that gaps do not depend
// on the one before.
func TestPoissonIsExponential(t *testing.T) {
	const rate, n = 1000.0, 200_000
	var sum, squares, products float64
	last, lastGap := time.Duration(0), 0.0
	for offset := range pace.Take(pace.Poisson(rate, 1), n) {
		gap := (offset - last).Seconds() * rate // in mean gaps
		sum, squares, products = sum+gap, squares+gap*gap, products+(gap-1)*(lastGap-1)
		last, lastGap = offset, gap
	}
	mean := sum / n
	sd := math.Sqrt(squares/n - mean*mean)
	tolerance := 4 / math.Sqrt(n)
	if math.Abs(mean-1) > tolerance || math.Abs(sd-1) > 2*tolerance || math.Abs(products/n) > tolerance {
		t.Errorf("mean %.4f, standard deviation %.4f, covariance %.4f; want 1, 1, 0", mean, sd, products/n)
	}
}

func TestSchedulesAreRepeatableAndOrdered(t *testing.T) {
	schedules := map[string]iter.Seq[time.Duration]{
		"constant": pace.Constant(333), "poisson": pace.Poisson(333, 9),
		"bounded by time": pace.For(pace.Poisson(333, 9), time.Second), "bounded by number": pace.Take(pace.Poisson(333, 9), 77),
	}
	for name, s := range schedules {
		a, b := slices.Collect(pace.Take(s, 1000)), slices.Collect(pace.Take(s, 1000))
		if !slices.Equal(a, b) {
			t.Errorf("%s: ranging twice yields different offsets", name)
		}
		if !slices.IsSorted(a) || a[0] < 0 {
			t.Errorf("%s: the offsets are not in order", name)
		}
	}
	if slices.Equal(slices.Collect(pace.Take(pace.Poisson(1, 1), 5)), slices.Collect(pace.Take(pace.Poisson(1, 2), 5))) {
		t.Error("two seeds yield the same offsets")
	}
}

func TestTakeDrawsNoMoreThanItYields(t *testing.T) {
	drawn := 0
	source := func(yield func(time.Duration) bool) {
		for drawn++; yield(0); drawn++ {
		}
	}
	if n := len(slices.Collect(pace.Take(source, 3))); n != 3 || drawn != 3 {
		t.Errorf("%d taken, %d drawn; want 3, 3", n, drawn)
	}
	if n := len(slices.Collect(pace.Take(source, 0))); n != 0 || drawn != 3 {
		t.Errorf("%d taken, %d drawn; want none more", n, drawn)
	}
}

// TestOffsetsEndWhereDurationsDo: there is no offset past 292 years, and no
// endless loop either.
func TestOffsetsEndWhereDurationsDo(t *testing.T) {
	for name, s := range map[string]iter.Seq[time.Duration]{"constant": pace.Constant(1e-9), "poisson": pace.Poisson(1e-9, 1)} {
		if got := slices.Collect(s); len(got) > 40 || !slices.IsSorted(got) {
			t.Errorf("%s: %d offsets, the last %v", name, len(got), got[len(got)-1])
		}
	}
}

func TestOffsetsAllocateNothing(t *testing.T) {
	for name, s := range map[string]iter.Seq[time.Duration]{"constant": pace.Constant(100), "poisson": pace.Poisson(100, 1)} {
		const offsets = 10_000
		n := testing.AllocsPerRun(10, func() {
			for range pace.Take(s, offsets) {
			}
		})
		if n > 10 { // a few for the loops, none for an offset
			t.Errorf("%s: %v allocations for %d offsets", name, n, offsets)
		}
	}
}

func BenchmarkPoisson(b *testing.B) {
	b.ReportAllocs()
	i := 0
	for range pace.Poisson(1e6, 1) {
		if i++; i >= b.N {
			break
		}
	}
}

func TestThen(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name          string
		first, second iter.Seq[time.Duration]
		want          []time.Duration
	}{
		{"a warm-up, and a shape that starts after it", pace.Constant(10), pace.Trace([]time.Duration{0, 50 * ms}),
			[]time.Duration{0, 100 * ms, 200 * ms, 250 * ms, 300 * ms}},
		{"nothing before: the second still starts late", pace.Constant(0), pace.Trace([]time.Duration{0}), []time.Duration{250 * ms}},
		{"nothing after", pace.Constant(10), pace.Trace(nil), []time.Duration{0, 100 * ms, 200 * ms}},
		{"an offset beyond what a duration holds ends it", pace.Constant(0), pace.Trace([]time.Duration{0, math.MaxInt64}), []time.Duration{250 * ms}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := slices.Collect(pace.Then(tt.first, 250*ms, tt.second)); !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	if got := slices.Collect(pace.Take(pace.Then(pace.Constant(10), 250*ms, pace.Constant(10)), 4)); got[3] != 250*ms {
		t.Errorf("%v: stopped in the second schedule, want it to be there", got)
	}
}
