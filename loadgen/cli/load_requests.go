package cli

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/patch"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
	"touchstone/server/source"
)

// calls are those of one method: fixed ones, made in turn, or, when the messages
// have expressions in them, some that are made anew each time.
type calls struct {
	fixed   []*transport.Request
	patched []*patch.Program
	one     transport.Request // of patched: all but the messages
}

// callsOf encodes the messages of the i-th method: all of them make one call of
// a stream of requests, and each makes one of any other method.
func (f *loadFlags) callsOf(e *env, s *schema.Schema, method protoreflect.MethodDescriptor, i int) (*calls, error) {
	kind := transport.KindOf(method.IsStreamingClient(), method.IsStreamingServer())
	name, text, err := readInput(e, f.dataOf(i))
	if err != nil {
		return nil, withCode(exitFile, fmt.Errorf("-d: %w", err))
	}
	md, err := f.metadata()
	if err != nil {
		return nil, err
	}
	one := transport.Request{Method: "/" + schema.MethodName(method), Kind: kind, Timeout: f.timeout, Turns: f.turns && kind == transport.BidiStream, Interval: f.interval, Metadata: md}
	r := &source.Reporter{File: source.NewFile(name, string(text))}
	nodes := parseNodes(r, text)
	if err := r.Err(); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(nodes, patch.Dynamic) {
		programs, err := f.programs(r, method.Input(), nodes, s.Types())
		return &calls{patched: programs, one: one}, err
	}
	fixed, err := encode(r, method.Input(), nodes, s.Types(), one)
	return &calls{fixed: fixed}, err
}

// programs compiles messages with expressions in them.
func (f *loadFlags) programs(r *source.Reporter, md protoreflect.MessageDescriptor, nodes []*source.Node, types schema.Types) ([]*patch.Program, error) {
	cfg := patch.Config{Types: types, Seed: f.results.seed}
	if f.dataRows != "" {
		rows, err := scenario.ReadRows(f.dataRows)
		if err != nil {
			return nil, withCode(exitFile, fmt.Errorf("--data-rows: %w", err))
		}
		cfg.Rows = rows
	}
	var programs []*patch.Program
	for _, n := range nodes {
		programs = append(programs, patch.Compile(r, md, n, cfg))
		cfg.Seed++ // each message has random values of its own
	}
	return programs, r.Err()
}

// encode encodes messages, once, into calls.
func encode(r *source.Reporter, md protoreflect.MessageDescriptor, nodes []*source.Node, types schema.Types, one transport.Request) ([]*transport.Request, error) {
	encoded := make([][]byte, len(nodes))
	for i, n := range nodes {
		raw, err := proto.Marshal(dynamic.Build(r, md, n, types))
		if err != nil && r.Err() == nil {
			return nil, withCode(exitFile, fmt.Errorf("-d: message %d: %w", i+1, err))
		}
		encoded[i] = raw
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if one.Kind == transport.ClientStream || one.Kind == transport.BidiStream {
		one.Messages = encoded
		return []*transport.Request{&one}, nil
	}
	if len(encoded) == 0 {
		encoded = [][]byte{nil} // the empty message
	}
	var requests []*transport.Request
	for i := range encoded {
		request := one
		request.Messages = encoded[i : i+1]
		requests = append(requests, &request)
	}
	return requests, nil
}

// make fills in the k-th call, in the memory that req has.
func (c *calls) make(k int, req *transport.Request) {
	messages := req.Messages
	*req = c.one
	programs := c.patched
	if req.Kind == transport.Unary || req.Kind == transport.ServerStream {
		programs = programs[k%len(programs) : k%len(programs)+1]
	}
	for len(messages) < len(programs) {
		messages = append(messages, nil)
	}
	req.Messages = messages[:len(programs)]
	call := patch.Call{K: k, Now: time.Now()}
	for i, program := range programs {
		req.Messages[i] = program.Append(req.Messages[i][:0], call)
	}
}
