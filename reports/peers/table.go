//go:build unix

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// markdown returns the tables.
func (r *results) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# loadgen beside its peers\n\nMeasured on %s by `make bench-peers`: %s. Medians of %d rounds, all peers one after the other in each, "+
		"against the same process of the reference server.\n\n", r.Started.Format(time.DateOnly), describe(r.Machine), r.Rounds)
	for _, tool := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(&b, "- %s: %s\n", tool, r.Versions[tool])
	}
	b.WriteString("\nCPU is the client process's time for a call, user and system, less what it takes to start; " +
		"the ratio is to that of loadgen's wire transport. Percentiles are those that the peer itself reports.\n")
	for _, s := range r.Works {
		fmt.Fprintf(&b, "\n## %s\n\n`%s`, messages of 50 bytes, a closed loop of 100 callers over 2 connections.\n\n", title(s.Work.Name), s.Work.Method)
		rows := [][]string{{"client", "CPU µs a call", "ratio", "calls/s", "memory MB", "p50 ms", "p99 ms", ""}}
		for _, l := range s.Lines {
			rows = append(rows, l.row(s.Lines[0]))
		}
		writeTable(&b, rows)
	}
	r.Freeze.markdown(&b)
	r.OneCall.oneCall(&b)
	return b.String()
}

// title begins a name with a capital.
func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// describe puts a machine on one line.
func describe(m map[string]string) string {
	return fmt.Sprintf("%s CPUs (%s), Linux %s, %s %s", m["cpus"], m["cpu"], m["kernel"], m["go"], m["os"])
}

// The figures of the tables.
func netCPU(m *measured) *float64   { return &m.Net }
func rps(m *measured) *float64      { return &m.RPS }
func memory(m *measured) *float64   { return &m.RSSMB }
func p50(m *measured) *float64      { return m.P50 }
func p99(m *measured) *float64      { return m.P99 }
func slowest(m *measured) *float64  { return m.Max }
func wallTime(m *measured) *float64 { return milliseconds(m.Wall) }

// row is a peer's line of a table.
func (l *line) row(first *line) []string {
	if why := l.why(); why != "" {
		return []string{l.Peer, "", "", "", "", "", "", why}
	}
	return []string{l.Peer, l.cell("%.2f", netCPU), l.ratio(first, netCPU), l.cell("%.0f", rps), l.cell("%.0f", memory),
		l.cell("%.3g", p50), l.cell("%.3g", p99), l.remarks()}
}

// remarks joins what a reader should know of a peer, and of its runs.
func (l *line) remarks() string {
	all := []string{l.Note}
	for i := range l.Runs {
		if note := l.Runs[i].Note; note != "" && !slices.Contains(all, note) {
			all = append(all, note)
		}
	}
	return strings.TrimPrefix(strings.Join(all, "; "), "; ")
}

// why says why a line has no figures, "" when it has.
func (l *line) why() string {
	if l.Missing != "" {
		return l.Missing
	}
	for i := range l.Runs {
		if l.Runs[i].Err == "" {
			return ""
		}
	}
	if len(l.Runs) > 0 {
		text, _, _ := strings.Cut(l.Runs[0].Err, "\n")
		return "failed: " + text
	}
	return "not run"
}

// cell writes the median of a figure, "-" when there is none.
func (l *line) cell(format string, figure func(*measured) *float64) string {
	v, err := l.median(figure)
	if err != nil {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

// ratio writes a figure as a multiple of the first line's.
func (l *line) ratio(first *line, figure func(*measured) *float64) string {
	v, err := l.median(figure)
	one, errFirst := first.median(figure)
	if err != nil || errFirst != nil || one <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", v/one)
}

// markdown writes the table of the freeze.
func (f *freeze) markdown(b *strings.Builder) {
	want := truth(f.Duration, f.Lasting)
	fmt.Fprintf(b, "\n## A server that stands still\n\n%.0f calls a second for %v over 10 connections, default settings; the server is stopped for %v in the middle. "+
		"From the schedule follows a p99 of %.0f ms, and %.0f calls.\n\n", f.Rate, f.Duration, f.Lasting, float64(want)/1e6, f.Rate*f.Duration.Seconds())
	rows := [][]string{{"client", "p50 ms", "p99 ms", "of the truth", "max ms", "calls made", ""}}
	for _, l := range f.Lines {
		rows = append(rows, f.row(l, want))
	}
	writeTable(b, rows)
}

// row is a peer's line of the freeze.
func (f *freeze) row(l *line, want time.Duration) []string {
	if why := l.why(); why != "" {
		return []string{l.Peer, "", "", "", "", "", why}
	}
	share := "-"
	if v, err := l.median(p99); err == nil {
		share = fmt.Sprintf("%.3g %%", 100*v*1e6/float64(want))
	}
	return []string{l.Peer, l.cell("%.3g", p50), l.cell("%.4g", p99), share, l.cell("%.4g", slowest),
		fmt.Sprint(l.Runs[0].Calls), l.Runs[0].Note}
}

// oneCall writes the table of single calls.
func (s *section) oneCall(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n", title(s.Work.Name))
	rows := [][]string{{"program", "time ms", "CPU ms", "memory MB", ""}}
	for _, l := range s.Lines {
		if why := l.why(); why != "" {
			rows = append(rows, []string{l.Peer, "", "", "", why})
			continue
		}
		cpu, err := l.median(netCPU)
		if err != nil {
			cpu = 0
		}
		rows = append(rows, []string{l.Peer, l.cell("%.0f", wallTime), fmt.Sprintf("%.0f", cpu/1000), l.cell("%.0f", memory), ""})
	}
	writeTable(b, rows)
}

// writeTable writes rows, the first one a heading.
func writeTable(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(b, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
}
