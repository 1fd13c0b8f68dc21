//go:build unix

// Command peers measures loadgen beside other load generators, against one
// server process, and writes a table.
//
//	make bench-peers                 # or: go run ./reports/peers [--quick]
//
// Every peer does the same work in every round, one after the other, in an
// order that turns from round to round; the figures are medians. CPU time is
// that of the client process, from the operating system, less what the process
// takes for hardly any calls: reading a schema or starting a script engine is
// no cost of a call. The freeze stops the server for some seconds in the middle
// of a load at a constant rate, and compares what each peer reports with what
// follows from the schedule.
//
// A peer that is not there, or cannot do a kind of work, has a line that says
// so. Everything is bounded: no run takes longer than a minute.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// config is what the command line says.
type config struct {
	quick   bool
	install bool
	rounds  int
	bin     string // folder of the peers that are installed for this
	out     string // the table
	raw     string // folder of the raw figures
}

func main() {
	var cfg config
	flag.BoolVar(&cfg.quick, "quick", false, "a tenth of the calls, one round and a short freeze: does it work?")
	flag.BoolVar(&cfg.install, "install", false, "install the peers that are missing, and end")
	flag.IntVar(&cfg.rounds, "rounds", 5, "rounds, of which the median counts; none is begun after four minutes")
	flag.StringVar(&cfg.bin, "bin", ".tmp/bin", "folder of the peers")
	flag.StringVar(&cfg.out, "out", "reports/peers.md", "file of the table")
	flag.StringVar(&cfg.raw, "raw", "reports/out/peers", "folder of the raw figures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run installs or measures.
func run(ctx context.Context, cfg config) error {
	if cfg.install {
		install(ctx, cfg.bin)
		return nil
	}
	if err := os.MkdirAll(cfg.raw, 0o755); err != nil {
		return err
	}
	s, err := startServer(ctx, "bin/detect-server")
	if err != nil {
		return err
	}
	defer s.stop()
	b, err := newBench(ctx, cfg, s)
	if err != nil {
		return err
	}
	results := b.measureAll(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return write(cfg, results)
}

// write writes the table and the raw figures.
func write(cfg config, r *results) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	name := r.Started.Format("20060102-150405") + ".json"
	if err := os.WriteFile(filepath.Join(cfg.raw, name), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	text := r.markdown()
	fmt.Print(text)
	if cfg.quick {
		fmt.Fprintln(os.Stderr, "a quick run: the table is not written to "+cfg.out)
		return nil
	}
	return os.WriteFile(cfg.out, []byte(text), 0o644)
}

// limit bounds one run of a peer.
const limit = time.Minute
