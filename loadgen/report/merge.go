package report

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Merge returns the report that one run would have written whose calls were
// made by several processes at the same time, each of which wrote one of the
// shards. The shards stay as they are.
//
// Counts are added, histograms merged bucket by bucket, windows aligned to the
// second by when the shards started, and thresholds judged again. What cannot
// be merged exactly is left out or kept apart, and Warnings says so.
//
// It is an error when the shards did not run at the same time, since the rates
// of runs one after the other do not add up, and when loads of one name are
// not parts of one load.
func Merge(shards []*Report) (*Report, error) {
	if len(shards) == 0 {
		return nil, errors.New("merge reports: there are none")
	}
	if err := together(shards); err != nil {
		return nil, fmt.Errorf("merge reports: %w", err)
	}
	first := slices.MinFunc(shards, func(a, b *Report) int { return a.Started.Compare(b.Started) })
	m := &merger{shards: shards, start: first.Started}
	out := &Report{
		Schema: Schema, Name: first.Name, Started: first.Started, DurationMS: m.duration(),
		Seed: first.Seed, Tool: first.Tool, Target: first.Target, Command: first.Command,
	}
	m.differences(first)
	for _, s := range shards {
		out.Warnings = appendNew(out.Warnings, s.Warnings...)
		out.Scenarios = append(out.Scenarios, s.Scenarios...)
		out.Retry = append(out.Retry, s.Retry...)
	}
	var err error
	if out.Loads, err = m.loads(); err != nil {
		return nil, fmt.Errorf("merge reports: %w", err)
	}
	out.Thresholds = m.thresholds(out.Loads)
	m.single(out)
	out.Warnings = appendNew(out.Warnings, m.warnings...)
	out.Finish()
	m.endings(out)
	return out, nil
}

// merger collects what is to be said of a merge.
type merger struct {
	shards   []*Report
	start    time.Time // of the first
	warnings []string
}

// warn adds a warning, once.
func (m *merger) warn(format string, args ...any) {
	m.warnings = appendNew(m.warnings, fmt.Sprintf(format, args...))
}

// appendNew appends what is not in all already.
func appendNew(all []string, more ...string) []string {
	for _, one := range more {
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}

// end returns when a run ended.
func (r *Report) end() time.Time {
	return r.Started.Add(time.Duration(r.DurationMS * float64(time.Millisecond)))
}

// together returns an error unless all runs were under way at one moment.
func together(shards []*Report) error {
	last := slices.MaxFunc(shards, func(a, b *Report) int { return a.Started.Compare(b.Started) })
	for _, s := range shards {
		if s != last && !s.end().After(last.Started) {
			return fmt.Errorf("%q started at %s, after %q had ended: shards of one run run at the same time",
				last.Name, last.Started.Format(time.TimeOnly), s.Name)
		}
	}
	return nil
}

// duration returns the time from the first start to the last end.
func (m *merger) duration() float64 {
	last := slices.MaxFunc(m.shards, func(a, b *Report) int { return a.end().Compare(b.end()) })
	return Milliseconds(last.end().Sub(m.start))
}

// differences warns of what the merged report tells of the first shard only.
func (m *merger) differences(first *Report) {
	if len(m.shards) > 1 {
		m.warn("merged from %d reports", len(m.shards))
	}
	for _, s := range m.shards {
		if s.Seed != first.Seed {
			m.warn("the shards had different seeds: the one shown is that of the first")
		}
		if s.Target != first.Target {
			m.warn("the shards had different targets: %s, %s", first.Target.Address, s.Target.Address)
		}
		if s.Tool != first.Tool {
			m.warn("the shards ran on different machines or versions: those shown are the first's")
		}
	}
	scenarios, retry := 0, 0
	for _, s := range m.shards {
		scenarios += min(len(s.Scenarios), 1)
		retry += min(len(s.Retry), 1)
	}
	if scenarios > 1 {
		m.warn("scenarios are not merged: those of every shard stand one after the other")
	}
	if retry > 1 {
		m.warn("retry checks are not merged: those of every shard stand one after the other")
	}
}

// single takes over what only one shard can have.
func (m *merger) single(out *Report) {
	for _, s := range m.shards {
		switch {
		case s.Capacity == nil:
		case out.Capacity != nil:
			m.warn("capacity searches cannot be merged: the one shown is that of the first shard")
		default:
			out.Capacity = s.Capacity
		}
		switch {
		case s.Diff == nil:
		case out.Diff != nil:
			m.warn("differences of replays cannot be merged: those shown are of the first shard")
		default:
			out.Diff = s.Diff
		}
	}
}

// thresholds judges each threshold of the shards again, on the merged loads.
func (m *merger) thresholds(loads []Load) []Threshold {
	var out []Threshold
	for _, s := range m.shards {
		for _, t := range s.Thresholds {
			again := m.judge(t, loads)
			if !slices.ContainsFunc(out, func(o Threshold) bool { return o.Expression == again.Expression && o.Load == again.Load }) {
				out = append(out, again)
			}
		}
	}
	return out
}

// judge judges one threshold again. One that cannot be judged stays as it is.
func (m *merger) judge(t Threshold, loads []Load) Threshold {
	condition, err := ParseThreshold(t.Expression)
	at := slices.IndexFunc(loads, func(l Load) bool { return l.Name == t.Load })
	if err != nil || at < 0 {
		m.warn("threshold %q of load %q is a shard's own: it could not be judged again", t.Expression, t.Load)
		return t
	}
	return condition.Evaluate(&loads[at])
}

// endings keeps the exit code of a shard that ended for a reason outside of
// its report, such as a signal.
func (m *merger) endings(out *Report) {
	for _, s := range m.shards {
		alone := *s
		if alone.Finish(); s.ExitCode != 0 && s.ExitCode != alone.ExitCode {
			out.ExitCode, out.Passed = s.ExitCode, false
			m.warn("a shard ended with exit code %d", s.ExitCode)
			out.Warnings = appendNew(out.Warnings, m.warnings...)
		}
	}
}
