package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"touchstone/loadgen/report"
)

// csvLoads writes a line for each load, and for each method of a mix.
func csvLoads(w io.Writer, r *report.Report) error {
	head := []string{"run", "started", "load", "method", "kind", "transport", "arrival", "offered_rps", "achieved_rps",
		"scheduled", "sent", "completed", "ok", "cancelled", "dropped", "attempts_per_call", "cpu_us_per_call"}
	for _, name := range []string{"response", "service", "lag"} {
		for _, stat := range []string{"count", "min", "mean", "p50", "p75", "p90", "p95", "p99", "p99_9", "max"} {
			head = append(head, name+"_"+stat)
		}
	}
	rows := [][]string{head}
	for _, l := range r.Loads {
		row := []string{cell(r.Name), r.Started.UTC().Format(time.RFC3339), cell(l.Name), cell(l.Method), cell(l.Kind), cell(l.Transport), cell(l.Arrival),
			decimal(l.OfferedRPS), decimal(l.AchievedRPS), whole(l.Scheduled), whole(l.Sent), whole(l.Completed), whole(l.Statuses["OK"]),
			whole(l.Cancelled), whole(l.Dropped), decimal(l.AttemptsPerCall), decimal(l.CPU.USPerCall)}
		rows = append(rows, append(row, latencyCells(l.Response, l.Service, l.Lag)...))
		for _, m := range l.Methods {
			row := []string{cell(r.Name), r.Started.UTC().Format(time.RFC3339), cell(l.Name), cell(m.Method), cell(m.Kind), cell(l.Transport), cell(l.Arrival),
				"", "", "", whole(m.Sent), whole(m.Completed), whole(m.Statuses["OK"]), whole(m.Cancelled), whole(m.Dropped), "", ""}
			rows = append(rows, append(row, latencyCells(m.Response, m.Service, m.Lag)...))
		}
	}
	return writeRows(w, rows)
}

// csvWindows writes a line for each second of each load.
func csvWindows(w io.Writer, r *report.Report) error {
	rows := [][]string{{"run", "load", "t_s", "due", "sent", "completed", "ok", "dropped", "in_flight", "p50", "p99", "max", "lag_p99"}}
	for _, l := range r.Loads {
		for _, x := range l.Windows {
			rows = append(rows, []string{cell(r.Name), cell(l.Name), decimal(x.T), whole(x.Due), whole(x.Sent), whole(x.Completed), whole(x.Statuses["OK"]),
				whole(x.Dropped), whole(x.InFlight), optional(x.P50), optional(x.P99), decimal(x.Max), optional(x.LagP99)})
		}
	}
	return writeRows(w, rows)
}

func writeRows(w io.Writer, rows [][]string) error {
	out := csv.NewWriter(w)
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// cell returns foreign text that a spreadsheet shows: it takes what starts
// with one of = + - @ for a formula.
func cell(text string) string {
	if text = visible(text); strings.ContainsAny(text[:min(len(text), 1)], "=+-@") {
		return "'" + text
	}
	return text
}

func latencyCells(all ...report.Latency) []string {
	var out []string
	for _, l := range all {
		out = append(out, whole(l.Count), decimal(l.Min), decimal(l.Mean), optional(l.P50), optional(l.P75), optional(l.P90), optional(l.P95),
			optional(l.P99), optional(l.P999), decimal(l.Max))
	}
	return out
}

func whole(n int64) string     { return strconv.FormatInt(n, 10) }
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// optional writes nothing for a quantile that the sample does not support.
func optional(v *float64) string {
	if v == nil {
		return ""
	}
	return decimal(*v)
}
