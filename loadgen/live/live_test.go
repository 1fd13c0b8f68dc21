package live_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/live"
	"touchstone/loadgen/report"
)

// NB: if a golden test fails, run `go test ./loadgen/live -update` and read
// the diff. Only commit the changes if you understand what caused them and if
// they are desired.
var update = flag.Bool("update", false, "write the golden files anew")

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func Example() {
	s := live.State{Scenarios: live.Scenarios{Total: 4}}
	s.Start("greet.yaml", began)
	s.End(report.Scenario{File: "greet.yaml", Status: report.Passed})
	s.Start("talk.yaml", began)
	for _, line := range s.Lines(began.Add(2*time.Second), live.Screen{Width: 40, Height: 24}) {
		fmt.Println(line)
	}
	// Output:
	// scenarios  1 of 4
	//            █████░░░░░░░░░░░░░░░░░░  25 %
	// running    talk.yaml, 2s
}

// evil is text that tries to act on a terminal.
const evil = "\x1b[2J\u009b31m\u202Eright to left\r\n"

// loaded is a load of so many seconds, whose p99 climbs and falls.
func loaded(seconds int, code string) *live.State {
	s := &live.State{}
	s.StartLoad(live.Load{Name: "HelloService/SayHello", Arrival: "constant 500/s", Began: began, Expected: 30 * time.Second})
	for i := range seconds {
		p50, p99 := 0.4, 1+float64(i*i%37)
		w := report.Window{T: float64(i), Due: 500, Sent: 500, Completed: 498, P50: &p50, P99: &p99, Max: p99 + 2.5, InFlight: 3,
			Statuses: map[string]int64{"OK": 490}}
		if i%4 == 3 {
			w.P99 = nil // too few calls
			w.Statuses[code], w.Statuses["DEADLINE_EXCEEDED"] = 12, 1
		}
		s.Window(w)
	}
	return s
}

// states are runs at a moment, so long after they began.
var states = []struct {
	name  string
	after time.Duration
	state func() *live.State
}{
	{"nothing", 0, func() *live.State { return &live.State{} }},
	{"warm-up", 1500 * time.Millisecond, func() *live.State { return loaded(0, "UNAVAILABLE") }},
	{"load", 12 * time.Second, func() *live.State { return loaded(12, "UNAVAILABLE") }},
	{"draining", 33 * time.Second, func() *live.State { return loaded(30, "UNAVAILABLE") }},
	{"slow", 5 * time.Second, func() *live.State {
		s := &live.State{}
		s.StartLoad(live.Load{Name: "Detect/detectEach", Arrival: "closed 2", Began: began})
		s.Window(report.Window{Sent: 2, Completed: 2, Max: 1234.5, InFlight: 2, Dropped: 7})
		s.Window(report.Window{Sent: 1, Completed: 1, Max: 600, InFlight: 2})
		return s
	}},
	{"scenarios", 3 * time.Second, func() *live.State {
		s := &live.State{Scenarios: live.Scenarios{Total: 80}}
		for i := range 20 {
			file := fmt.Sprintf("scenarios/text/number_%d.yaml", i)
			s.Start(file, began)
			status := report.Passed
			if i%3 == 0 {
				status = report.Failed
			}
			s.End(report.Scenario{File: file, Status: status})
		}
		s.Start("scenarios/load/four_kinds.yaml", began)
		s.StartLoad(live.Load{Name: "unary", Arrival: "poisson 200/s", Began: began, Expected: 5 * time.Second})
		s.Window(report.Window{Due: 201, Sent: 201, Completed: 201, Max: 3})
		return s
	}},
	{"hostile", time.Second, func() *live.State {
		s := loaded(5, evil)
		s.Scenarios.Total = 2
		s.End(report.Scenario{File: evil, Status: report.Error})
		file := strings.Repeat("很长", 60) + evil
		s.Start(file, began)
		s.StartLoad(live.Load{Name: evil, Arrival: evil, Began: began})
		s.Window(report.Window{Statuses: map[string]int64{evil: 1}})
		return s
	}},
}

// transcript is a state on every kind of screen.
func transcript(s *live.State, after time.Duration) string {
	var b strings.Builder
	now := began.Add(after)
	for _, screen := range []live.Screen{{Width: 80, Height: 24}, {Width: 200, Height: 50}, {Width: 30, Height: 4}, {Width: 80, Height: 24, Color: true}} {
		fmt.Fprintf(&b, "-- %dx%d, colour %v --\n", screen.Width, screen.Height, screen.Color)
		for _, line := range s.Lines(now, screen) {
			fmt.Fprintln(&b, strings.ReplaceAll(line, "\x1b", "ESC"))
		}
	}
	fmt.Fprintf(&b, "-- in a pipe --\n%s\n", s.Line(now))
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, test := range states {
		path := filepath.Join("testdata", test.name+".txt")
		got := transcript(test.state(), test.after)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// No line is wider than the screen, and nothing that acts on a terminal passes.
func TestLinesFit(t *testing.T) {
	for _, test := range states {
		for width := 1; width < 220; width += 3 {
			lines := test.state().Lines(began.Add(test.after), live.Screen{Width: width, Height: 24})
			if len(lines) > 23 {
				t.Errorf("%s: %d lines on a screen of 24", test.name, len(lines))
			}
			for _, line := range lines {
				columns := 0
				for _, r := range line {
					if columns++; unicode.Is(unicode.Han, r) {
						columns++
					}
					if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
						t.Errorf("%s: %q holds %U", test.name, line, r)
					}
				}
				if columns > max(width, 12) { // less is no screen
					t.Errorf("%s: %d columns of %d: %q", test.name, columns, width, line)
				}
			}
		}
	}
}

// A run of any length keeps a bounded number of seconds, and all of its sums.
func TestLongRunIsBounded(t *testing.T) {
	s := loaded(10_000, "UNAVAILABLE")
	if n := len(s.Load.Windows); n != 7200 {
		t.Errorf("%d windows are kept, want 7200", n)
	}
	if s.Load.Sent != 5_000_000 || s.Load.Statuses["UNAVAILABLE"] != 30_000 || s.Load.Windows[7199].T != 9999 {
		t.Errorf("sent %d, statuses %v, last window %v", s.Load.Sent, s.Load.Statuses, s.Load.Windows[7199].T)
	}
}

// The report so far has what has ended, what runs, and a distribution that is
// the sum of the windows'.
func TestReportSoFar(t *testing.T) {
	s := &live.State{}
	s.Start("a.yaml", began)
	s.End(report.Scenario{File: "a.yaml", Status: report.Failed})
	s.Start("b.yaml", began)
	s.StartLoad(live.Load{Name: "first"})
	s.Window(report.Window{Sent: 4, Completed: 3, Due: 5, Dropped: 1})
	s.StartLoad(live.Load{Name: "second", Arrival: "constant 2/s"})
	for i := range 3 {
		h := hist.New()
		h.Record(time.Duration(i+1) * time.Millisecond)
		encoded, err := h.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s.Window(report.Window{T: float64(i), Due: 2, Sent: 2, Completed: 1, HDR: encoded, Statuses: map[string]int64{"OK": 1}})
	}
	r := s.Report(report.Report{Name: "so far"})
	if len(r.Scenarios) != 1 || len(r.Loads) != 2 || r.Name != "so far" {
		t.Fatalf("report: %+v", r)
	}
	if l := r.Loads[0]; l.Scheduled != 4 || l.Sent != 3 || l.Dropped != 1 {
		t.Errorf("the load that has ended: %+v", l)
	}
	l := r.Loads[1]
	if l.Response.Count != 3 || l.Response.Min < 0.99 || l.Response.Max < 2.99 || l.OfferedRPS != 2 || l.AchievedRPS != 1 || len(l.Windows) != 3 {
		t.Errorf("the load that runs: %+v", l)
	}
	before := len(l.Windows)
	s.Window(report.Window{T: 3, Statuses: map[string]int64{"OK": 1}})
	if len(l.Windows) != before || l.Statuses["OK"] != 3 {
		t.Errorf("the report changes with the run: %+v", l)
	}
}
