package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/transport"
)

// Limits on the requests of a load that are encoded before it starts: what
// they hold together, and how many there are. A load that is longer goes
// through them again.
const (
	maxRequests     = 10_000
	maxRequestBytes = 64 << 20
)

// alike is how many calls have to be the same as those of the data before them
// for the whole load to be taken as a repetition of it.
const alike = 16

// requests encodes the calls of a load, so that making one costs no more than
// sending it. That is one request when all calls are the same, and one for each
// row when they differ by their row only. Else there are as many as fit, in
// whole rounds of the data where possible.
func (f *fileRun) requests(ctx context.Context, l *scenario.Load, step *scenario.Step) ([]*transport.Request, error) {
	rows := max(f.program.Rows(), 1)
	most := maxRequests
	switch {
	case step.Static():
		most = 1
	case l.Requests > 0 && l.Warmup == 0:
		most = min(l.Requests, maxRequests)
	}
	var out []*transport.Request
	for size := 0; len(out) < most && size < maxRequestBytes; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		req, err := f.request(step, len(out))
		if err != nil {
			return nil, err
		}
		out = append(out, req)
		for _, m := range req.Messages {
			size += len(m)
		}
		if len(out) == rows+alike && rows > 1 && repeats(out, rows) {
			return out[:rows], nil
		}
	}
	if len(out) == most && most < maxRequests {
		return out, nil
	}
	return out[:max(len(out)/rows*rows, min(len(out), rows))], nil
}

// repeats reports whether what follows the first period requests is those
// requests again.
func repeats(requests []*transport.Request, period int) bool {
	for i, req := range requests[period:] {
		first := requests[i%period]
		if !slices.EqualFunc(req.Messages, first.Messages, slices.Equal[[]byte]) ||
			!maps.EqualFunc(req.Metadata, first.Metadata, slices.Equal[[]string]) {
			return false
		}
	}
	return true
}

// request encodes the k-th call of a load.
func (f *fileRun) request(step *scenario.Step, k int) (*transport.Request, error) {
	v := f.program.CallVars(f.vars, k)
	md, err := step.Metadata(v)
	if err != nil {
		return nil, err
	}
	messages, err := step.Requests(v)
	if err != nil {
		return nil, err
	}
	method := step.Method
	req := &transport.Request{
		Method: fullMethod(method), Metadata: md, Timeout: step.Timeout,
		Kind:  transport.KindOf(method.IsStreamingClient(), method.IsStreamingServer()),
		Turns: turns(step.Ops),
	}
	for _, m := range messages {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("message of call %d: %w", k, err)
		}
		req.Messages = append(req.Messages, raw)
	}
	return req, nil
}

// turns reports whether a script waits for a message before it sends another,
// so that its load takes turns with the server.
func turns(ops []scenario.Op) bool {
	for i, op := range ops {
		switch op := op.(type) {
		case *scenario.Recv, *scenario.RecvUntil:
			return slices.ContainsFunc(ops[:i], isSend) && slices.ContainsFunc(ops[i+1:], isSend)
		case *scenario.Repeat:
			if slices.ContainsFunc(op.Do, isSend) && slices.ContainsFunc(op.Do, isRecv) {
				return true
			}
		}
	}
	return false
}

func isSend(op scenario.Op) bool {
	_, ok := op.(*scenario.Send)
	return ok
}

func isRecv(op scenario.Op) bool {
	switch op.(type) {
	case *scenario.Recv, *scenario.RecvUntil:
		return true
	}
	return false
}

// pair returns what finds the answers of a part's messages, nil when nobody
// asks. A message that cannot be decoded, or of which the expression fails, has
// no counterpart.
func (f *fileRun) pair(part scenario.Part) func([]byte, int, bool) string {
	switch {
	case part.RoundTrip == nil:
		return nil
	case part.RoundTrip.InOrder:
		return engine.InOrder
	}
	method, types := part.Step.Method, f.target.Schema.Types()
	vars := f.vars.Fork(0, nil)
	return func(raw []byte, _ int, sent bool) string {
		md := method.Output()
		if sent {
			md = method.Input()
		}
		msg := dynamicpb.NewMessage(md)
		if err := (proto.UnmarshalOptions{Resolver: types, AllowPartial: true}).Unmarshal(raw, msg); err != nil {
			return ""
		}
		key, err := part.RoundTrip.Key(vars, msg, sent)
		if err != nil {
			return ""
		}
		return key
	}
}
