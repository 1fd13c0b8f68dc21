//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"touchstone/loadgen/report"
)

// parseLoadgen reads loadgen's report.
func parseLoadgen(_ []byte, j job) (figures, error) {
	raw, err := os.ReadFile(filepath.Join(j.folder, "report.json"))
	if err != nil {
		return figures{}, err
	}
	var r report.Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return figures{}, err
	}
	if len(r.Loads) != 1 {
		return figures{}, fmt.Errorf("a report of %d loads", len(r.Loads))
	}
	l := &r.Loads[0]
	f := figures{Calls: int(l.Statuses["OK"]), RPS: l.AchievedRPS, P50: l.Response.P50, P99: l.Response.P99, Max: &l.Response.Max}
	if l.Dropped > 0 {
		f.Note = fmt.Sprintf("%d dropped", l.Dropped)
	}
	return f, nil
}

// What h2load prints.
var (
	h2loadRate = regexp.MustCompile(`finished in [^,]+, ([0-9.]+) req/s`)
	h2loadDone = regexp.MustCompile(`([0-9]+) succeeded, ([0-9]+) failed`)
	h2loadMax  = regexp.MustCompile(`time for request:\s+\S+\s+(\S+)`)
)

// parseH2load reads what h2load prints, and its log of requests, which is there
// in a run at a rate only.
func parseH2load(out []byte, j job) (figures, error) {
	rate, done, slowest := h2loadRate.FindSubmatch(out), h2loadDone.FindSubmatch(out), h2loadMax.FindSubmatch(out)
	if rate == nil || done == nil || slowest == nil {
		return figures{}, fmt.Errorf("not what h2load prints: %s", out)
	}
	var f figures
	var err error
	if f.RPS, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		return figures{}, err
	}
	if f.Calls, err = strconv.Atoi(string(done[1])); err != nil {
		return figures{}, err
	}
	if d, err := time.ParseDuration(string(slowest[1])); err == nil {
		f.Max = milliseconds(d)
	}
	log, err := os.ReadFile(filepath.Join(j.folder, "log"))
	if os.IsNotExist(err) {
		return f, nil
	}
	if err != nil {
		return figures{}, err
	}
	f.P50, f.P99, err = logQuantiles(string(log))
	return f, err
}

// logQuantiles reads h2load's log: a start time, a status and microseconds a
// line.
func logQuantiles(log string) (p50, p99 *float64, err error) {
	var all []float64
	for line := range strings.Lines(log) {
		columns := strings.Fields(line)
		if len(columns) < 3 {
			return nil, nil, fmt.Errorf("h2load's log: %q", line)
		}
		us, err := strconv.ParseFloat(columns[2], 64)
		if err != nil {
			return nil, nil, fmt.Errorf("h2load's log: %w", err)
		}
		all = append(all, us/1000)
	}
	if len(all) == 0 {
		return nil, nil, nil
	}
	slices.Sort(all)
	at := func(q float64) *float64 { return &all[min(int(q*float64(len(all))), len(all)-1)] }
	return at(0.5), at(0.99), nil
}

// What ghz prints.
var (
	ghzRate     = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	ghzSlowest  = regexp.MustCompile(`Slowest:\s+([0-9.]+) (\S+)`)
	ghzQuantile = regexp.MustCompile(`(\d+) % in ([0-9.]+) (\S+)`)
	ghzOK       = regexp.MustCompile(`\[OK\]\s+(\d+) responses`)
)

// parseGhz reads ghz's summary.
func parseGhz(out []byte, _ job) (figures, error) {
	text := string(out)
	rate := ghzRate.FindStringSubmatch(text)
	if rate == nil {
		return figures{}, fmt.Errorf("not what ghz prints: %s", out)
	}
	var f figures
	var err error
	if f.RPS, err = strconv.ParseFloat(rate[1], 64); err != nil {
		return figures{}, err
	}
	if ok := ghzOK.FindStringSubmatch(text); ok != nil {
		if f.Calls, err = strconv.Atoi(ok[1]); err != nil {
			return figures{}, err
		}
	}
	if m := ghzSlowest.FindStringSubmatch(text); m != nil {
		f.Max = spaced(m[1], m[2])
	}
	for _, m := range ghzQuantile.FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "50":
			f.P50 = spaced(m[2], m[3])
		case "99":
			f.P99 = spaced(m[2], m[3])
		}
	}
	return f, nil
}

// spaced reads a duration whose unit stands apart, nil when it is none.
func spaced(number, unit string) *float64 {
	d, err := time.ParseDuration(number + unit)
	if err != nil {
		return nil
	}
	return milliseconds(d)
}

// parseFortio reads fortio's JSON; times in it are seconds.
func parseFortio(_ []byte, j job) (figures, error) {
	raw, err := os.ReadFile(filepath.Join(j.folder, "fortio.json"))
	if err != nil {
		return figures{}, err
	}
	var r struct {
		ActualQPS         float64
		RetCodes          map[string]int
		DurationHistogram struct {
			Max         float64
			Percentiles []struct{ Percentile, Value float64 }
		}
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return figures{}, err
	}
	f := figures{Calls: r.RetCodes["SERVING"], RPS: r.ActualQPS, Max: new(r.DurationHistogram.Max * 1000)}
	for _, p := range r.DurationHistogram.Percentiles {
		switch p.Percentile {
		case 50:
			f.P50 = new(p.Value * 1000)
		case 99:
			f.P99 = new(p.Value * 1000)
		}
	}
	return f, nil
}

// parseK6 reads the summary that the script writes. The time of a stream is
// that of its iteration.
func parseK6(_ []byte, j job) (figures, error) {
	raw, err := os.ReadFile(filepath.Join(j.folder, "k6.json"))
	if err != nil {
		return figures{}, err
	}
	var r struct {
		Metrics map[string]struct{ Values map[string]float64 }
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return figures{}, err
	}
	times := "grpc_req_duration"
	if j.work.Kind != "unary" {
		times = "iteration_duration"
	}
	f := figures{Calls: int(r.Metrics["ok"].Values["count"]), RPS: r.Metrics["ok"].Values["rate"]}
	if d := r.Metrics[times].Values; len(d) > 0 {
		f.P50, f.P99, f.Max = new(d["med"]), new(d["p(99)"]), new(d["max"])
	}
	if n := r.Metrics["dropped_iterations"].Values["count"]; n > 0 {
		f.Note = fmt.Sprintf("%.0f dropped", n)
	}
	return f, nil
}
