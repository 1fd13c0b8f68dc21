package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"touchstone/loadgen/doctor"
)

// fit is a machine that nothing is wrong with.
func fit() doctor.Facts {
	busy := 0.1
	return doctor.Facts{
		Now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), ClockStep: 40 * time.Nanosecond,
		LateP50: 60 * time.Microsecond, LateP99: 1100 * time.Microsecond, CPUs: 8, MaxProcs: 8, Busy: &busy,
		OpenFiles: 1024, OpenFilesMost: 4096, Ports: 28232,
	}
}

func Example() {
	facts := fit()
	facts.OpenFiles = 256
	for _, f := range doctor.Judge(facts, 500) {
		fmt.Println(f.Level, f.What, f.Said)
		if f.Hint != "" {
			fmt.Println("  hint:", f.Hint)
		}
	}
	// Output:
	// ok clock 2026-11-25 12:00 UTC, steps of 40ns
	// ok timers late by 60µs (p50), 1.1ms (p99)
	// ok cpu 8 CPUs, GOMAXPROCS 8, 10 % busy with other work
	// fail files 256 may be open, 500 connections take 564
	//   hint: ulimit -n 564
	// ok ports 28232 local ports for connections
	// ok loopback a port can be opened
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name        string
		change      func(*doctor.Facts)
		connections int
		want        string // the findings that are not ok
	}{
		{"nothing is wrong", func(*doctor.Facts) {}, 100, ""},
		{"nothing is known", func(f *doctor.Facts) { *f = doctor.Facts{Now: f.Now, CPUs: 2, MaxProcs: 2} }, 100, ""},
		{"a clock that was never set", func(f *doctor.Facts) { f.Now = time.Unix(0, 0) }, 1, "fail clock"},
		{"a coarse clock", func(f *doctor.Facts) { f.ClockStep = 15 * time.Millisecond }, 1, "warn clock"},
		{"late timers", func(f *doctor.Facts) { f.LateP99 = 6 * time.Millisecond }, 1, "warn timers"},
		{"a busy machine", func(f *doctor.Facts) { *f.Busy = 0.9 }, 1, "warn cpu"},
		{"one CPU", func(f *doctor.Facts) { f.MaxProcs = 1 }, 1, "warn cpu"},
		{"just enough files", func(*doctor.Facts) {}, 1024 - 64, ""},
		{"one file too few", func(*doctor.Facts) {}, 1024 - 63, "fail files"},
		{"more than the hard limit", func(*doctor.Facts) {}, 5000, "fail files"},
		{"too few ports", func(f *doctor.Facts) { f.Ports = 50 }, 51, "fail ports"},
		{"a sandbox", func(f *doctor.Facts) { f.ListenErr = errors.New("listen: operation not permitted") }, 1, "fail loopback"},
	} {
		facts := fit()
		test.change(&facts)
		got := ""
		for _, f := range doctor.Judge(facts, test.connections) {
			if f.Level != doctor.OK {
				got += string(f.Level) + " " + f.What
			}
			if (f.Hint == "") != (f.Level == doctor.OK) {
				t.Errorf("%s: %s is %s with hint %q", test.name, f.What, f.Level, f.Hint)
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// What is gathered of this machine is plausible; what it is worth is not for a
// test to say.
func TestMachine(t *testing.T) {
	f := doctor.Machine(t.Context())
	if f.CPUs < 1 || f.MaxProcs < 1 || f.ClockStep <= 0 || f.LateP99 < f.LateP50 || f.ListenErr != nil {
		t.Errorf("facts: %+v", f)
	}
	if f.Busy != nil && (*f.Busy < 0 || *f.Busy > 1) {
		t.Errorf("busy %v", *f.Busy)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if f := doctor.Machine(stopped); slices.Max([]time.Duration{f.LateP50, f.LateP99}) != 0 {
		t.Errorf("timers were looked at after the end: %+v", f)
	}
}
