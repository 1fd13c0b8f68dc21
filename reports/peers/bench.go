//go:build unix

package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"touchstone/loadgen/transport"
)

// bench makes the runs.
type bench struct {
	cfg    config
	server *server
	peers  []peer
	folder string // for the files of runs
	runs   int
}

func newBench(ctx context.Context, cfg config, s *server) (*bench, error) {
	folder, err := filepath.Abs(filepath.Join(cfg.raw, "runs"))
	if err != nil {
		return nil, err
	}
	if cfg.quick {
		cfg.rounds = 1
	}
	return &bench{cfg: cfg, server: s, peers: peers(cfg.bin), folder: folder}, os.RemoveAll(folder)
}

// results is all that was measured.
type results struct {
	Started  time.Time         `json:"started"`
	Machine  map[string]string `json:"machine"`
	Versions map[string]string `json:"versions"`
	Rounds   int               `json:"rounds"`
	Works    []section         `json:"works"`
	Freeze   freeze            `json:"freeze"`
	OneCall  section           `json:"one_call"`
}

// section is one kind of work, done by all peers.
type section struct {
	Work  work    `json:"work"`
	Lines []*line `json:"lines"`
}

// freeze is a load whose server stands still for a time.
type freeze struct {
	Duration time.Duration `json:"duration_ns"`
	Lasting  time.Duration `json:"lasting_ns"`
	Rate     float64       `json:"rate"`
	Lines    []*line       `json:"lines"`
}

// line is what one peer did of one kind of work.
type line struct {
	Peer    string     `json:"peer"`
	Note    string     `json:"note,omitempty"`
	Missing string     `json:"missing,omitempty"` // why there are no runs
	Runs    []measured `json:"runs,omitempty"`
}

// measured is one run.
type measured struct {
	figures
	CPU   time.Duration `json:"cpu_ns"` // of the client process, all of it
	Net   float64       `json:"cpu_us_per_call"`
	RSSMB float64       `json:"rss_mb"`
	Wall  time.Duration `json:"wall_ns"`
	Err   string        `json:"error,omitempty"`
}

// budget is the time after which no further round is begun: on a slow machine
// fewer are made, and the table says how many.
const budget = 4 * time.Minute

// measureAll makes all runs.
func (b *bench) measureAll(ctx context.Context) *results {
	r := &results{Started: time.Now(), Machine: machine(), Versions: b.versions(ctx)}
	for _, w := range works {
		r.Works = append(r.Works, section{Work: w, Lines: b.lines(func(p *peer) bool { return slices.Contains(p.kinds, w.Kind) })})
	}
	for r.Rounds < b.cfg.rounds && time.Since(r.Started) < budget {
		for _, s := range r.Works {
			b.round(ctx, s, r.Rounds)
		}
		r.Rounds++
	}
	r.Freeze = b.freeze(ctx)
	r.OneCall = b.oneCall(ctx)
	return r
}

// lines returns a line for each peer, those that cannot do the work with the
// reason.
func (b *bench) lines(can func(*peer) bool) []*line {
	var lines []*line
	for i := range b.peers {
		p := &b.peers[i]
		l := &line{Peer: p.name, Note: p.note}
		switch {
		case p.path == "":
			l.Missing = "not installed"
		case !can(p):
			l.Missing = "cannot do this"
		}
		lines = append(lines, l)
	}
	return lines
}

// round lets each peer do the work once, in an order that turns.
func (b *bench) round(ctx context.Context, s section, round int) {
	for i := range s.Lines {
		i = (i + round) % len(s.Lines)
		l, p := s.Lines[i], &b.peers[i]
		if l.Missing != "" || ctx.Err() != nil {
			continue
		}
		calls := s.Work.Calls / p.share
		if b.cfg.quick {
			calls /= 10
		}
		base := b.run(ctx, p, closed(s.Work, baseCalls, b.server.address))
		m := b.run(ctx, p, closed(s.Work, calls, b.server.address))
		if m.Err == "" {
			m.Err = base.Err
		}
		m.Net = float64(m.CPU-base.CPU) / float64(time.Microsecond) / float64(calls-baseCalls)
		m.check(calls)
		l.Runs = append(l.Runs, m)
		fmt.Fprintf(os.Stderr, "round %d, %s, %s: %s\n", round+1, s.Work.Name, p.name, &m)
	}
}

// check compares how many calls ended well with how many were asked for. A few
// may be missing, which the table says; without most of them the other figures
// are of other work.
func (m *measured) check(calls int) {
	if m.Err != "" || m.Calls == calls {
		return
	}
	m.Note = fmt.Sprintf("%d of %d calls ended well", m.Calls, calls)
	if float64(m.Calls) < 0.99*float64(calls) {
		m.Err = m.Note
	}
}

// String is a run on one line, for those who wait.
func (m *measured) String() string {
	if m.Err != "" {
		return m.Err
	}
	return fmt.Sprintf("%.0f calls/s, %.2f µs CPU a call, %.0f MB", m.RPS, m.Net, m.RSSMB)
}

// freeze lets each peer put on a load, and stops the server in the middle.
func (b *bench) freeze(ctx context.Context) freeze {
	f := freeze{Duration: 20 * time.Second, Lasting: 5 * time.Second, Rate: 500, Lines: b.lines(func(p *peer) bool { return p.rates })}
	if b.cfg.quick {
		f.Duration, f.Lasting = 8*time.Second, 2*time.Second
	}
	for i, l := range f.Lines {
		if l.Missing != "" || ctx.Err() != nil {
			continue
		}
		var frozen sync.WaitGroup
		frozen.Go(func() { b.server.freeze(ctx, f.Duration/3, f.Lasting) })
		m := b.run(ctx, &b.peers[i], freezeJob(b.server.address, f))
		frozen.Wait()
		l.Runs = append(l.Runs, m)
		fmt.Fprintf(os.Stderr, "freeze, %s: %d calls %s\n", l.Peer, m.Calls, m.Err)
		transport.Pause(ctx, time.Second)
	}
	return f
}

// freezeJob is the load whose server is stopped.
func freezeJob(address string, f freeze) job {
	return job{work: works[0], connections: 10, rate: f.Rate, duration: f.Duration, address: address}
}

// oneCall compares what a single call costs: starting the program, reading the
// schema, and making it.
func (b *bench) oneCall(ctx context.Context) section {
	data := fmt.Sprintf(`{"greeting": %q}`, greeting)
	s := section{Work: work{Name: "one call, with the schema by reflection", Method: works[0].Method, Calls: 1}}
	grpcurl, err := find(b.cfg.bin, "grpcurl")
	lines := []struct {
		name, path string
		args       []string
	}{
		{"loadgen call", "bin/loadgen", []string{"call", works[0].Method, "--target", b.server.address, "--plaintext", "-d", data}},
		{"grpcurl", grpcurl, []string{"-plaintext", "-d", data, b.server.address, works[0].Method}},
	}
	for _, one := range lines {
		l := &line{Peer: one.name}
		if one.path == "" || one.name == "grpcurl" && err != nil {
			l.Missing = "not installed"
		}
		s.Lines = append(s.Lines, l)
	}
	for range max(2*b.cfg.rounds, 3) {
		for i, one := range lines {
			if s.Lines[i].Missing != "" || ctx.Err() != nil {
				continue
			}
			m, _ := b.execute(ctx, one.path, one.args)
			m.Net = float64(m.CPU) / float64(time.Microsecond)
			s.Lines[i].Runs = append(s.Lines[i].Runs, m)
		}
	}
	return s
}

// run makes one run.
func (b *bench) run(ctx context.Context, p *peer, j job) measured {
	b.runs++
	j.folder = filepath.Join(b.folder, fmt.Sprintf("%03d-%s", b.runs, p.tool))
	if err := os.MkdirAll(j.folder, 0o755); err != nil {
		return measured{Err: err.Error()}
	}
	args, err := p.command(j)
	if err != nil {
		return measured{Err: err.Error()}
	}
	m, out := b.execute(ctx, p.path, args)
	if err := os.WriteFile(filepath.Join(j.folder, "output"), out, 0o644); err != nil {
		m.Err = err.Error()
	}
	// A program may end with an error since it does not like its own figures;
	// it has reported them all the same.
	f, err := p.parse(out, j)
	if err != nil {
		m.Err = strings.TrimSpace(m.Err + " " + err.Error())
		return m
	}
	m.figures, m.Err = f, ""
	return m
}

// execute runs a program to its end, or to the limit.
func (b *bench) execute(ctx context.Context, path string, args []string) (measured, []byte) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out bytes.Buffer
	c := exec.CommandContext(ctx, path, args...)
	c.Stdout, c.Stderr = &out, &out
	c.WaitDelay = time.Second
	start := time.Now()
	err := c.Run()
	m := measured{Wall: time.Since(start)}
	if err != nil {
		m.Err = fmt.Sprintf("%s: %v", filepath.Base(path), err)
	}
	if c.ProcessState == nil {
		return m, out.Bytes()
	}
	m.CPU = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.RSSMB = float64(usage.Maxrss) / 1024
		if runtime.GOOS == "darwin" { // where it is in bytes
			m.RSSMB /= 1024
		}
	}
	return m, out.Bytes()
}

// machine describes where it all ran.
func machine() map[string]string {
	m := map[string]string{"cpus": fmt.Sprint(runtime.NumCPU()), "os": runtime.GOOS + "/" + runtime.GOARCH, "go": runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m["cpu"] = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m["kernel"] = strings.TrimSpace(string(text))
	}
	return m
}

// versions returns the version of each peer: as Go's tools have noted it in the
// program, or else as it says itself.
func (b *bench) versions(ctx context.Context) map[string]string {
	out := map[string]string{}
	for _, p := range b.peers {
		if p.path == "" || out[p.tool] != "" {
			continue
		}
		if info, err := buildinfo.ReadFile(p.path); err == nil && info.Main.Version != "(devel)" {
			out[p.tool] = info.Main.Version
		} else if _, text := b.execute(ctx, p.path, []string{"--version"}); len(text) > 0 {
			first, _, _ := strings.Cut(string(text), "\n")
			out[p.tool] = strings.TrimSpace(first)
		}
	}
	return out
}

// errNoRuns says that a line has no run that went well.
var errNoRuns = errors.New("no run went well")

// median returns the median of a figure over the runs that went well.
func (l *line) median(figure func(*measured) *float64) (float64, error) {
	var all []float64
	for i := range l.Runs {
		if v := figure(&l.Runs[i]); v != nil && l.Runs[i].Err == "" {
			all = append(all, *v)
		}
	}
	if len(all) == 0 {
		return 0, errNoRuns
	}
	slices.Sort(all)
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2, nil
	}
	return all[len(all)/2], nil
}
