package detect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"touchstone/server/detect/verdict"
)

// Summary sums up the answers to many requests. It is not safe for concurrent
// use.
type Summary struct {
	detector *Detector
	worst    verdict.Verdict
	data     summaryData
}

// summaryData is the data of a summary.
type summaryData struct {
	Requests int       `json:"requests"`
	standing           // the worst
	Counts   counts    `json:"counts"` // of requests
	Results  []outcome `json:"results"`
}

// counts tells how often each suggestion was made.
type counts struct {
	Pass   int `json:"pass"`
	Review int `json:"review"`
	Block  int `json:"block"`
}

// outcome is what a summary tells of one request.
type outcome struct {
	head
	standing
}

// NewSummary returns a summary of nothing, which passes.
func (d *Detector) NewSummary() *Summary {
	s := &Summary{detector: d, worst: verdict.Normal()}
	s.data.Results = []outcome{}
	return s
}

// Add answers one more request and adds the outcome. Each one takes some
// memory, so the caller bounds their number. Errors are those of
// [Detector.Detect]; violations tell which request they are about. After an
// error the summary is as it was.
func (s *Summary) Add(ctx context.Context, content string) error {
	a, err := s.detector.answer(ctx, content)
	if err == nil && s.detector.cfg.Upstream != nil {
		a.standing, err = standingIn(a.data)
	}
	if err != nil {
		return s.locate(err)
	}
	switch a.Suggestion {
	case verdict.Block:
		s.data.Counts.Block++
	case verdict.Review:
		s.data.Counts.Review++
	default:
		s.data.Counts.Pass++
	}
	s.worst = verdict.Worst(s.worst, verdict.Verdict{Suggestion: a.Suggestion, Label: a.Label, Score: a.Score})
	s.data.Requests++
	s.data.Results = append(s.data.Results, outcome{a.head, a.standing})
	return nil
}

// locate adds the number of the request to violations.
func (s *Summary) locate(err error) error {
	bad, ok := errors.AsType[*Invalid](err)
	if !ok {
		return err
	}
	out := &Invalid{}
	for _, v := range bad.Violations {
		v.Description = fmt.Sprintf("%s (in request %d)", v.Description, s.data.Requests+1)
		out.Violations = append(out.Violations, v)
	}
	return out
}

// Data returns the summary as JSON text.
func (s *Summary) Data() string {
	s.data.standing = standingOf(s.worst)
	data, err := encode(s.data)
	if err != nil {
		panic(err) // strings and finite numbers always encode
	}
	return data
}

// standingIn reads the verdict out of an answer of the upstream, of whose data
// nothing else is known.
func standingIn(answer string) (standing, error) {
	var a struct{ Data standing }
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		return standing{}, &Unavailable{fmt.Errorf("answer of the upstream: %w", err)}
	}
	switch a.Data.Suggestion {
	case verdict.Pass, verdict.Review, verdict.Block:
		return a.Data, nil
	}
	return standing{}, &Unavailable{fmt.Errorf("answer of the upstream: suggestion %q, want pass, review or block", a.Data.Suggestion)}
}
