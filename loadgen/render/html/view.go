package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"touchstone/loadgen/report"
)

// view is what the template shows.
type view struct {
	*report.Report
	assets
	Took       time.Duration
	Verdict    string
	Meaning    string // of the exit code
	Live       bool   // the run goes on: nothing is judged yet
	Counts     []tally
	Broken     []scenario // for links from the banner
	Limits     []threshold
	Shown      []load
	Waterfalls []waterfall
	Folders    []folder
	CutTests   int
	Checks     []check
	Shell      string
	Data       pageData
}

// pageData is the JSON block: what draw() of the page's script takes.
type pageData struct {
	Loads    []chartData   `json:"loads"`
	Capacity *capacityData `json:"capacity"`
}

// check is a retry check with the timeline of a call that shows its verdict.
type check struct {
	report.Retry
	Timeline *waterfall
}

func newView(r *report.Report) *view {
	v := &view{Report: r, assets: newAssets(""), Shell: shell(withSeed(r.Command, r.Seed))}
	v.Took = time.Duration(r.DurationMS * float64(time.Millisecond)).Round(time.Millisecond)
	v.Verdict, v.Meaning = verdict(r)
	v.Counts = tallies(r)
	for _, t := range r.Thresholds {
		v.Limits = append(v.Limits, newThreshold(t))
	}
	v.Data = pageData{Loads: []chartData{}, Capacity: newCapacity(r.Capacity)}
	limit := min(maxPoints, max(allPoints/max(len(r.Loads), 1), fewPoints))
	for i := range r.Loads {
		l := newLoad(i, &r.Loads[i], limit)
		v.Shown = append(v.Shown, l)
		v.Data.Loads = append(v.Data.Loads, l.Chart)
	}
	v.Folders = folders(r.Scenarios[:min(len(r.Scenarios), maxScenarios)])
	v.CutTests = max(len(r.Scenarios)-maxScenarios, 0)
	for _, f := range v.Folders {
		for _, s := range f.Scenarios {
			if s.Open {
				v.Broken = append(v.Broken, s)
			}
		}
	}
	v.Waterfalls = stepWaterfalls(r.Scenarios)
	v.Checks = checks(r.Retry)
	return v
}

// verdict returns the first word on a run, and what its exit code means.
func verdict(r *report.Report) (word, meaning string) {
	if r.Passed {
		return "Passed", "all passed"
	}
	switch r.ExitCode {
	case 1:
		if r.Diff != nil && r.Diff.Different > 0 {
			return "Failed", "answers differ from the fixture"
		}
		return "Failed", "a check failed"
	case 4:
		return "Failed", "a threshold failed"
	case 5:
		return "Failed", "the target is unreachable or has no schema"
	case 6:
		return "Not valid", "the generator was the bottleneck"
	case 130, 143:
		return "Interrupted", "ended by a signal"
	}
	return "Failed", ""
}

// checks puts those that did not pass first.
func checks(all []report.Retry) []check {
	var out []check
	for _, c := range all {
		out = append(out, check{c, retryWaterfall(c.Attempts)})
	}
	rank := map[string]int{"fail": 0, "inconclusive": 1, "deviation": 2, "pass": 3, "skipped": 4}
	slices.SortStableFunc(out, func(a, b check) int { return cmp.Compare(rank[a.Verdict], rank[b.Verdict]) })
	return out
}

// HasCalls reports whether there is a waterfall to show.
func (v *view) HasCalls() bool {
	return len(v.Waterfalls) > 0 || slices.ContainsFunc(v.Shown, func(l load) bool { return len(l.Calls) > 0 })
}

// tally counts one kind of check. What was skipped, is known to fail or has no
// clear verdict is neither good nor bad.
type tally struct {
	What             string
	Total, Good, Bad int
}

func tallies(r *report.Report) []tally {
	out := []tally{{What: "thresholds", Total: len(r.Thresholds)}, {What: "scenarios", Total: len(r.Scenarios)}, {What: "retry checks", Total: len(r.Retry)}}
	for _, t := range r.Thresholds {
		out[0].add(t.Passed, !t.Passed)
	}
	for _, s := range r.Scenarios {
		out[1].add(s.Status == report.Passed, s.Status == report.Failed || s.Status == report.Error)
	}
	for _, c := range r.Retry {
		out[2].add(c.Verdict == "pass", c.Verdict == "fail")
	}
	if d := r.Diff; d != nil {
		out = append(out, tally{"replayed calls", d.Calls, d.Calls - d.Different, d.Different})
	}
	return slices.DeleteFunc(out, func(t tally) bool { return t.Total == 0 })
}

func (t *tally) add(good, bad bool) {
	if good {
		t.Good++
	}
	if bad {
		t.Bad++
	}
}

// Rest is what is neither good nor bad.
func (t tally) Rest() int { return t.Total - t.Good - t.Bad }

// withSeed adds the seed that a run chose by itself, so that the command does
// the same again.
func withSeed(command []string, seed uint64) []string {
	if seed == 0 { // nothing in it is random
		return command
	}
	own := slices.ContainsFunc(command, func(w string) bool { return w == "--seed" || strings.HasPrefix(w, "--seed=") })
	if own || len(command) == 0 {
		return command
	}
	at := slices.Index(command, "--") // a client's command follows
	if at < 0 {
		at = len(command)
	}
	return slices.Insert(slices.Clone(command), at, fmt.Sprintf("--seed=%d", seed))
}

// shell joins a command so that a shell splits it the same way.
func shell(command []string) string {
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = w
		if w == "" || strings.ContainsFunc(w, special) {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

func special(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r))
}

// Machine is the environment as name and value, as far as it is known.
func (v *view) Machine() [][2]string {
	t := v.Tool
	all := [][2]string{
		{"loadgen", strings.TrimSpace(t.Version + " " + t.Revision)}, {"Go", t.Go}, {"grpc-go", t.GRPC},
		{"system", t.OS}, {"kernel", t.Kernel}, {"CPU", t.CPUModel}, {"CPUs", known(t.CPUs, "")},
		{"GOMAXPROCS", known(t.MaxProcs, "")}, {"memory", known(int(t.MemoryMB), " MiB")},
	}
	return slices.DeleteFunc(all, func(row [2]string) bool { return row[1] == "" })
}

// known is a number with its unit, "" for 0.
func known(n int, unit string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d%s", n, unit)
}
