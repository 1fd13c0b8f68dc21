//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the peers print, shortened.
const (
	h2loadOutput = `progress: 100% done

finished in 4.67ms, 42854.08 req/s, 3.90MB/s
requests: 200 total, 200 started, 200 done, 200 succeeded, 0 failed, 0 errored, 0 timeout
time for request:      253us      1.90ms      1.23ms       482us    79.50%
`
	ghzOutput = `
Summary:
  Count:	200
  Total:	82.92 ms
  Slowest:	1.20 s
  Requests/sec:	2412.09

Latency distribution:
  10 % in 2.42 ms 
  50 % in 310.80 us 
  99 % in 67.32 ms 

Status code distribution:
  [OK]   198 responses   
  [Unavailable]   2 responses   
`
	fortioOutput = `{"ActualQPS": 14751.5, "RetCodes": {"SERVING": 200}, "DurationHistogram": {"Max": 0.0125,
 "Percentiles": [{"Percentile": 50, "Value": 0.004}, {"Percentile": 99, "Value": 0.0115}]}}`
	k6Output = `{"metrics": {"ok": {"values": {"count": 200, "rate": 301.5}}, "grpc_req_duration": {"values": {"med": 160.25, "p(99)": 350.5, "max": 351}},
 "iteration_duration": {"values": {"med": 1, "p(99)": 2, "max": 3}}, "dropped_iterations": {"values": {"count": 7}}}}`
	loadgenOutput = `{"loads": [{"achieved_rps": 500, "statuses": {"OK": 198, "UNAVAILABLE": 2}, "dropped": 3, "response": {"count": 200, "p50": 1.5, "p99": 9, "max": 10}}]}`
)

func TestParse(t *testing.T) {
	unary, stream := job{work: works[0]}, job{work: works[1]}
	for _, row := range []struct {
		name   string
		parse  func([]byte, job) (figures, error)
		job    job
		output string
		files  map[string]string
		want   figures
	}{
		{"h2load", parseH2load, unary, h2loadOutput, nil, figures{Calls: 200, RPS: 42854.08, Max: new(1.9)}},
		{"h2load at a rate has a log", parseH2load, unary, h2loadOutput, map[string]string{"log": "1\t200\t4000\n2\t200\t1000\n3\t200\t2000\n"},
			figures{Calls: 200, RPS: 42854.08, P50: new(2.0), P99: new(4.0), Max: new(1.9)}},
		{"ghz", parseGhz, unary, ghzOutput, nil, figures{Calls: 198, RPS: 2412.09, P50: new(0.3108), P99: new(67.32), Max: new(1200.0)}},
		{"fortio", parseFortio, unary, "", map[string]string{"fortio.json": fortioOutput}, figures{Calls: 200, RPS: 14751.5, P50: new(4.0), P99: new(11.5), Max: new(12.5)}},
		{"k6", parseK6, unary, "", map[string]string{"k6.json": k6Output}, figures{Calls: 200, RPS: 301.5, P50: new(160.25), P99: new(350.5), Max: new(351.0), Note: "7 dropped"}},
		{"k6's streams", parseK6, stream, "", map[string]string{"k6.json": k6Output}, figures{Calls: 200, RPS: 301.5, P50: new(1.0), P99: new(2.0), Max: new(3.0), Note: "7 dropped"}},
		{"loadgen", parseLoadgen, unary, "", map[string]string{"report.json": loadgenOutput}, figures{Calls: 198, RPS: 500, P50: new(1.5), P99: new(9.0), Max: new(10.0), Note: "3 dropped"}},
	} {
		row.job.folder = t.TempDir()
		for name, text := range row.files {
			if err := os.WriteFile(filepath.Join(row.job.folder, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := row.parse([]byte(row.output), row.job)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// TestParseRefuses what a peer that failed leaves behind.
func TestParseRefuses(t *testing.T) {
	for name, parse := range map[string]func([]byte, job) (figures, error){
		"h2load": parseH2load, "ghz": parseGhz, "fortio": parseFortio, "k6": parseK6, "loadgen": parseLoadgen,
	} {
		if f, err := parse([]byte("connection refused"), job{folder: t.TempDir()}); err == nil {
			t.Errorf("%s: got %+v of nothing", name, f)
		}
	}
}

// TestCommandsDoTheSameWork: each command names the method, the address, and as
// many calls as the job has.
func TestCommandsDoTheSameWork(t *testing.T) {
	for _, p := range peers(t.TempDir()) {
		for _, w := range works {
			j := closed(w, 12345, "127.0.0.1:9")
			j.folder = t.TempDir()
			args, err := p.command(j)
			if err != nil {
				t.Errorf("%s: %v", p.name, err)
			}
			text := strings.Join(args, " ")
			if script, err := os.ReadFile(filepath.Join(j.folder, "script.js")); err == nil {
				text += string(script)
			}
			wanted := []string{"12345", "127.0.0.1:9"}
			if p.tool != "fortio" {
				wanted = append(wanted, w.Method)
			}
			for _, want := range wanted {
				if !strings.Contains(text, want) {
					t.Errorf("%s, %s: no %s in %s", p.name, w.Name, want, text)
				}
			}
		}
		j := freezeJob("127.0.0.1:9", freeze{Rate: 500, Duration: 20 * time.Second})
		j.folder = t.TempDir()
		if args, err := p.command(j); err != nil || len(args) == 0 {
			t.Errorf("%s at a rate: %v", p.name, err)
		}
	}
}

// TestTruth compares the formula with the waits of single calls.
func TestTruth(t *testing.T) {
	const rate, duration, lasting = 500, 20.0, 5.0
	slow, limit := 0, truth(20*time.Second, 5*time.Second).Seconds()
	for i := range int(rate * duration) {
		due := float64(i) / rate
		if wait := 6 + lasting - due; due >= 6 && wait > limit {
			slow++
		}
	}
	if share := float64(slow) / (rate * duration); share < 0.0099 || share > 0.0101 {
		t.Errorf("%.2f %% of the calls wait longer than %v s, want 1 %%", 100*share, limit)
	}
}

func TestMarkdown(t *testing.T) {
	run := func(cpu, p99 float64, err string) measured {
		return measured{figures: figures{Calls: 10_000, RPS: 1000, P50: new(1.0), P99: &p99, Max: new(p99 * 2)}, Net: cpu, RSSMB: 40, Err: err}
	}
	lines := []*line{
		{Peer: "ours", Note: "a note", Runs: []measured{run(3, 4800, ""), run(1, 4800, ""), run(2, 4700, ""), run(99, 1, "broke")}},
		{Peer: "theirs", Runs: []measured{run(8, 1.2, ""), run(4, 1.2, "")}},
		{Peer: "none", Missing: "not installed"},
		{Peer: "broken", Runs: []measured{run(1, 1, "exit status 1\nmore")}},
	}
	r := &results{
		Started: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC), Machine: map[string]string{"cpus": "2", "cpu": "EPYC", "kernel": "6", "go": "go1.26", "os": "linux/amd64"},
		Versions: map[string]string{"ghz": "v0.121.0"}, Rounds: 3, Works: []section{{Work: works[0], Lines: lines}},
		Freeze:  freeze{Duration: 20 * time.Second, Lasting: 5 * time.Second, Rate: 500, Lines: lines},
		OneCall: section{Work: work{Name: "one call"}, Lines: []*line{{Peer: "grpcurl", Runs: []measured{{Net: 14_000, RSSMB: 27, Wall: 15 * time.Millisecond}}}}},
	}
	text := r.markdown()
	for _, want := range []string{
		"Measured on 2026-11-25", "2 CPUs (EPYC), Linux 6, go1.26 linux/amd64", "Medians of 3 rounds", "- ghz: v0.121.0",
		"| ours | 2.00 | 1.00 | 1000 | 40 | 1 | 4.8e+03 | a note |",
		"| theirs | 6.00 | 3.00 | 1000 | 40 | 1 | 1.2 |  |",
		"| none |  |  |  |  |  |  | not installed |",
		"| broken |  |  |  |  |  |  | failed: exit status 1 |",
		"a p99 of 4800 ms, and 10000 calls",
		"| ours | 1 | 4800 | 100 % | 9600 | 10000 |  |",
		"| theirs | 1 | 1.2 | 0.025 % | 2.4 | 10000 |  |",
		"| grpcurl | 15 | 14 | 27 |  |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
}

// TestMissingCalls: a few are remarked upon, many spoil the run.
func TestMissingCalls(t *testing.T) {
	for _, row := range []struct {
		calls     int
		note, err string
	}{{1000, "", ""}, {999, "999 of 1000 calls ended well", ""}, {500, "500 of 1000 calls ended well", "500 of 1000 calls ended well"}} {
		m := measured{figures: figures{Calls: row.calls}}
		if m.check(1000); m.Note != row.note || m.Err != row.err {
			t.Errorf("%d calls: note %q, error %q", row.calls, m.Note, m.Err)
		}
	}
	l := &line{Note: "a", Runs: []measured{{figures: figures{Note: "b"}}, {figures: figures{Note: "b"}}}}
	if got := l.remarks(); got != "a; b" {
		t.Errorf("remarks %q", got)
	}
}

// TestExecute runs real programs: one that fails, and one that is not there.
func TestExecute(t *testing.T) {
	b := &bench{}
	m, out := b.execute(t.Context(), "/bin/sh", []string{"-c", "echo out; echo err >&2; exit 3"})
	if string(out) != "out\nerr\n" || !strings.Contains(m.Err, "exit status 3") || m.RSSMB <= 0 {
		t.Errorf("got %q, %+v", out, m)
	}
	if m, _ := b.execute(t.Context(), "/nowhere/at/all", nil); m.Err == "" {
		t.Error("a program that is not there has no error")
	}
}

func Example_truth() {
	fmt.Println(truth(20*time.Second, 5*time.Second))
	// Output: 4.8s
}
