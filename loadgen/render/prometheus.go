package render

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// prometheus writes the figures of a report in Prometheus' text format 0.0.4.
func prometheus(w io.Writer, r *report.Report) error { return writeFamilies(w, r, false) }

// openMetrics writes the figures of a report in OpenMetrics 1.0.
func openMetrics(w io.Writer, r *report.Report) error { return writeFamilies(w, r, true) }

func writeFamilies(w io.Writer, r *report.Report, open bool) error {
	x := &exposition{open: open}
	x.run(r)
	x.loads(r.Loads)
	x.checks(r)
	if open {
		x.WriteString("# EOF\n")
	}
	_, err := io.WriteString(w, x.String())
	return err
}

// exposition collects metric families. Names end in their unit; times are
// seconds and sizes bytes, as Prometheus has them.
type exposition struct {
	strings.Builder
	open bool
}

// labels are names and values in turn.
type labels []string

// String writes labels between braces. Values are shown as every view shows
// foreign text; what is left to escape is the format's own.
func (l labels) String() string {
	if len(l) == 0 {
		return ""
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var parts []string
	for i := 0; i < len(l); i += 2 {
		parts = append(parts, l[i]+`="`+escape.Replace(visible(l[i+1]))+`"`)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// sample is one value of a family.
type sample struct {
	labels labels
	value  float64
}

// family writes a family of counters or gauges, unless it has no sample.
// Counters are named without the _total that their samples have.
func (x *exposition) family(name, kind, help string, samples []sample) {
	if len(samples) == 0 {
		return
	}
	full := name
	if kind == "counter" {
		full += "_total"
	}
	x.head(name, full, kind, help)
	for _, s := range samples {
		fmt.Fprintf(x, "%s%s %s\n", full, s.labels, formatFloat(s.value))
	}
}

// head writes what a family is. The text format names a counter as its samples
// are named, OpenMetrics without the ending.
func (x *exposition) head(name, full, kind, help string) {
	if !x.open {
		name = full
	}
	fmt.Fprintf(x, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	for _, unit := range []string{"seconds", "bytes"} {
		if x.open && strings.HasSuffix(name, "_"+unit) {
			fmt.Fprintf(x, "# UNIT %s %s\n", name, unit)
		}
	}
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// boolean is 1 for true.
func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// run writes what is known of the run as a whole.
func (x *exposition) run(r *report.Report) {
	own := labels{"name", r.Name}
	x.family("touchstone_run_start_timestamp_seconds", "gauge", "When the run started, as Unix time.", []sample{{own, float64(r.Started.UnixMilli()) / 1000}})
	x.family("touchstone_run_duration_seconds", "gauge", "How long the run took.", []sample{{own, r.DurationMS / 1000}})
	x.family("touchstone_run_passed", "gauge", "Whether the run passed.", []sample{{own, boolean(r.Passed)}})
	x.family("touchstone_run_valid", "gauge", "Whether the figures are the target's own.", []sample{{own, boolean(r.Validity.Valid)}})
}

// loads writes the figures of each load.
func (x *exposition) loads(loads []report.Load) {
	of := func(name, kind, help string, value func(*report.Load) float64) {
		var samples []sample
		for i := range loads {
			samples = append(samples, sample{loadLabels(&loads[i]), value(&loads[i])})
		}
		x.family(name, kind, help, samples)
	}
	of("touchstone_load_offered_rate", "gauge", "Calls a second that the schedule asked for; 0 in a closed loop.", func(l *report.Load) float64 { return l.OfferedRPS })
	of("touchstone_load_achieved_rate", "gauge", "Calls a second that ended.", func(l *report.Load) float64 { return l.AchievedRPS })
	of("touchstone_load_scheduled", "counter", "Calls that were due.", func(l *report.Load) float64 { return float64(l.Scheduled) })
	of("touchstone_load_sent", "counter", "Calls that left.", func(l *report.Load) float64 { return float64(l.Sent) })
	of("touchstone_load_dropped", "counter", "Calls that were due beyond the in-flight cap, and never made.", func(l *report.Load) float64 { return float64(l.Dropped) })
	of("touchstone_load_cancelled", "counter", "Calls that were cut when the run ended.", func(l *report.Load) float64 { return float64(l.Cancelled) })
	of("touchstone_load_client_max_memory_bytes", "gauge", "Largest memory of the client.", func(l *report.Load) float64 { return l.MaxRSSMB * (1 << 20) })
	var completed, cpu []sample
	for i := range loads {
		l := &loads[i]
		for _, code := range slices.Sorted(maps.Keys(l.Statuses)) {
			completed = append(completed, sample{append(loadLabels(l), "status", code), float64(l.Statuses[code])})
		}
		cpu = append(cpu, sample{append(loadLabels(l), "mode", "user"), l.CPU.UserS}, sample{append(loadLabels(l), "mode", "system"), l.CPU.SystemS})
	}
	x.family("touchstone_load_completed", "counter", "Calls that ended, by status.", completed)
	x.family("touchstone_load_client_cpu_seconds", "counter", "CPU time of the client.", cpu)
	x.histograms(loads)
}

func loadLabels(l *report.Load) labels {
	return labels{"load", l.Name, "method", strings.TrimPrefix(l.Method, "/"), "kind", l.Kind, "transport", l.Transport}
}

// histograms writes the distributions of each load.
func (x *exposition) histograms(loads []report.Load) {
	for _, one := range report.Distributions() {
		first := true
		for i := range loads {
			l := one.Of(&loads[i])
			if l == nil || l.Count == 0 {
				continue
			}
			h, err := hist.Decode(l.HDR)
			if err != nil {
				continue // a report of another tool may have figures only
			}
			name := "touchstone_load_" + one.Name + "_seconds"
			if first {
				x.head(name, name, "histogram", one.Help)
				first = false
			}
			x.histogram(name, loadLabels(&loads[i]), l, h)
		}
	}
}

// histogram writes one distribution, with its buckets added up.
func (x *exposition) histogram(name string, own labels, l *report.Latency, h *hist.Histogram) {
	counts := cumulative(h)
	for i, bound := range bounds {
		fmt.Fprintf(x, "%s_bucket%s %d\n", name, append(slices.Clone(own), "le", formatFloat(bound.Seconds())), counts[i])
	}
	fmt.Fprintf(x, "%s_bucket%s %d\n", name, append(slices.Clone(own), "le", "+Inf"), l.Count)
	fmt.Fprintf(x, "%s_sum%s %s\n", name, own, formatFloat(l.Mean*float64(l.Count)/1000))
	fmt.Fprintf(x, "%s_count%s %d\n", name, own, l.Count)
}

// bounds are those of all histograms, so that those of different runs add up:
// the preferred numbers R10, from 10 µs to 100 s.
var bounds = func() []time.Duration {
	var out []time.Duration
	for decade := time.Microsecond; decade < 10*time.Second; decade *= 10 {
		for _, preferred := range []time.Duration{1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000} {
			out = append(out, decade*preferred/100)
		}
	}
	return append(out, 100*time.Second)
}()

// cumulative returns how many recordings do not exceed each bound, by the
// bucket that they are in: within 0.1 % of the bound.
func cumulative(h *hist.Histogram) []int64 {
	counts := make([]int64, len(bounds))
	i, sum := 0, int64(0)
	for bar := range h.Bars() {
		for ; i < len(bounds) && bar.Low > bounds[i]; i++ {
			counts[i] = sum
		}
		sum += bar.Count
	}
	for ; i < len(bounds); i++ {
		counts[i] = sum
	}
	return counts
}

// checks writes how thresholds, scenarios and retry checks ended.
func (x *exposition) checks(r *report.Report) {
	var thresholds []sample
	for _, t := range r.Thresholds {
		thresholds = append(thresholds, sample{labels{"load", t.Load, "expression", t.Expression}, boolean(t.Passed)})
	}
	x.family("touchstone_threshold_passed", "gauge", "Whether a threshold held.", unique(thresholds))
	tally := func(name, help, label string, values []string) {
		counts := map[string]int{}
		for _, v := range values {
			counts[v]++
		}
		var samples []sample
		for _, v := range slices.Sorted(maps.Keys(counts)) {
			samples = append(samples, sample{labels{label, v}, float64(counts[v])})
		}
		x.family(name, "gauge", help, samples)
	}
	var scenarios, retry []string
	for _, s := range r.Scenarios {
		scenarios = append(scenarios, string(s.Status))
	}
	for _, c := range r.Retry {
		retry = append(retry, c.Verdict)
	}
	tally("touchstone_scenarios", "Scenarios by outcome.", "status", scenarios)
	tally("touchstone_retry_checks", "Retry checks by verdict.", "verdict", retry)
}

// unique leaves out samples whose labels have been seen: readers refuse a
// family that has them twice.
func unique(samples []sample) []sample {
	seen := map[string]bool{}
	return slices.DeleteFunc(samples, func(s sample) bool {
		text := s.labels.String()
		defer func() { seen[text] = true }()
		return seen[text]
	})
}
