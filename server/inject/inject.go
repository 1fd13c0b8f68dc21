// Package inject carries out fault decisions within a gRPC server, as
// interceptors.
//
// An interceptor stands behind the HTTP/2 layer, so it can end a call with a
// status and can hold it up, and no more; a plan that asks for more is refused
// by [New]. Whatever a client may retry goes out as Trailers-Only: no header is
// set or sent before, unless the plan says with_headers.
package inject

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"touchstone/server/fault"
)

// Metadata keys of gRPC's retry design (gRFC A6).
const (
	attemptsKey = "grpc-previous-rpc-attempts"
	pushbackKey = "grpc-retry-pushback-ms"
)

// Config says which faults to inject. The zero Config injects none.
type Config struct {
	// Plan may be nil. It is refused when it asks for what an interceptor
	// cannot do, or names methods that none of Services has.
	Plan *fault.Plan

	// Seed of the plan's random choices.
	Seed uint64

	// ByMetadata lets callers ask for faults on calls that the plan leaves
	// alone, with the metadata rpc-behavior as the gRPC xDS interop server
	// understands it, or with Envoy's x-envoy-fault-abort-grpc-request
	// (a status code) and x-envoy-fault-delay-request (milliseconds).
	ByMetadata bool

	// Hostname is the name that the prefix "hostname=NAME " of rpc-behavior
	// is held against.
	Hostname string

	// Services are those of the server; none: methods are not checked.
	Services []*grpc.ServiceDesc
}

// Injector carries out faults. It is safe for concurrent use.
type Injector struct {
	decider  *fault.Decider
	statuses map[*fault.Status]ending
	byMeta   bool
	hostname string
}

// ending is a status of the plan, ready to be sent.
type ending struct {
	err     error
	trailer metadata.MD
}

// order is what is to be done to one attempt.
type order struct {
	delay    time.Duration
	keepOpen bool          // never answer
	action   *fault.Action // its points in the stream and headers; nil: go on as usual
	end      ending
}

// New returns an injector, or a [source.Errors] with all that speaks against
// the plan.
func New(cfg Config) (*Injector, error) {
	if err := check(cfg); err != nil {
		return nil, err
	}
	in := &Injector{
		decider:  fault.NewDecider(cfg.Plan, cfg.Seed),
		statuses: map[*fault.Status]ending{},
		byMeta:   cfg.ByMetadata,
		hostname: cfg.Hostname,
	}
	if cfg.Plan == nil {
		return in, nil
	}
	for i := range cfg.Plan.Rules {
		s := cfg.Plan.Rules[i].Action.Status
		if s == nil {
			continue
		}
		end, err := prepare(s)
		if err != nil {
			return nil, fmt.Errorf("fault rule %d: %w", i+1, err)
		}
		in.statuses[s] = end
	}
	return in, nil
}

// prepare turns a planned status into what is sent.
func prepare(s *fault.Status) (ending, error) {
	var details []*anypb.Any
	for _, d := range s.Details {
		packed, err := d.Any()
		if err != nil {
			return ending{}, err
		}
		details = append(details, packed)
	}
	end := ending{err: grpcstatus.ErrorProto(&status.Status{Code: int32(s.Code), Message: s.Message, Details: details})}
	if len(s.Pushback) > 0 {
		end.trailer = metadata.MD{pushbackKey: s.Pushback}
	}
	return end, nil
}

// Hits returns how many attempts each rule of the plan has decided.
func (in *Injector) Hits() []int { return in.decider.Hits() }

// Unary is a [grpc.UnaryServerInterceptor].
func (in *Injector) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	o, err := in.order(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	if err := o.wait(ctx); err != nil {
		return nil, err
	}
	if o.action == nil {
		return handler(ctx, req)
	}
	if o.action.WithHeaders {
		if err := grpc.SendHeader(ctx, metadata.New(o.action.Headers)); err != nil {
			return nil, err
		}
	}
	if err := grpc.SetTrailer(ctx, o.end.trailer); err != nil {
		return nil, err
	}
	return nil, o.end.err
}

// Stream is a [grpc.StreamServerInterceptor].
func (in *Injector) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	o, err := in.order(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if err := o.wait(ss.Context()); err != nil {
		return err
	}
	if o.action == nil {
		return handler(srv, ss)
	}
	if o.action.WithHeaders {
		if err := ss.SendHeader(metadata.New(o.action.Headers)); err != nil {
			return err
		}
	}
	if !info.IsClientStream && o.action.AfterRequests == fault.AllRequests {
		o.action.AfterRequests = 1 // there is one, and its handler does not read on
	}
	if err := in.untilPoint(srv, ss, o, handler); err != o.end.err {
		return err
	}
	ss.SetTrailer(o.end.trailer)
	return o.end.err
}

// order decides about an attempt. The error is that of a caller who asks for a
// fault in a form that cannot be understood.
func (in *Injector) order(ctx context.Context, fullMethod string) (order, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	previous := previousAttempts(md)
	call := fault.Call{Method: strings.TrimPrefix(fullMethod, "/"), Attempt: previous + 1, Metadata: md}
	action, ok := in.decider.Decide(call)
	switch {
	case ok && action.Status != nil:
		return order{delay: action.Delay.Fixed, action: &action, end: in.statuses[action.Status]}, nil
	case ok:
		return order{delay: action.Delay.Fixed}, nil
	case in.byMeta:
		return asked(md, previous, in.hostname)
	}
	return order{}, nil
}

// previousAttempts reads the header that retries carry. A client that sends
// nonsense makes a first attempt.
func previousAttempts(md metadata.MD) int {
	values := md[attemptsKey]
	if len(values) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(values[0], 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// wait holds the call up. The error is the status of a call that ended
// meanwhile.
func (o order) wait(ctx context.Context) error {
	if o.delay > 0 {
		timer := time.NewTimer(o.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return grpcstatus.FromContextError(ctx.Err()).Err()
		}
	}
	if o.keepOpen {
		<-ctx.Done()
		return grpcstatus.FromContextError(ctx.Err()).Err()
	}
	return nil
}
