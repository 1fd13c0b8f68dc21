//lint:file-ignore SA1019 grpcurl's exported API speaks the types of protoreflect v1

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fullstorydev/grpcurl"
	"github.com/jhump/protoreflect/desc"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
)

// callFlags are the flags of `loadgen call`, besides those of the target.
type callFlags struct {
	target       targetFlags
	data         string
	timeout      time.Duration
	verbose      bool
	emitDefaults bool
}

// newCallCommand makes `loadgen call`.
func newCallCommand(e *env) *cobra.Command {
	var flags callFlags
	c := &cobra.Command{
		Use:   "call METHOD",
		Short: "Make one call of any kind",
		Long: `call makes one call and prints the responses as JSON. The requests are JSON
values one after the other; a stream takes any number of them. A status other
than OK goes to stderr, and makes the exit code 1.`,
		Example: `  loadgen call HelloService/SayHello -d '{"greeting": "hello"}'
  loadgen call HelloService/BidiHello -d '{"greeting": "a"} {"greeting": "b"}'
  loadgen call HelloService/SayHello -d @request.json --target staging.example:443 -H 'authorization: Bearer x'`,
		Args: takes(1, 1, "one METHOD"),
		RunE: func(c *cobra.Command, args []string) error { return flags.run(c.Context(), e, args[0]) },
	}
	c.ValidArgsFunction = flags.target.completeMethods
	flags.target.register(c.Flags())
	c.Flags().StringVarP(&flags.data, "data", "d", "", "requests as JSON, @FILE, or @- for stdin (default: one empty message, or none to a stream)")
	c.Flags().DurationVar(&flags.timeout, "timeout", 0, "deadline of the call (default: none)")
	c.Flags().BoolVarP(&flags.verbose, "verbose", "v", false, "print metadata and counts to stderr")
	c.Flags().BoolVar(&flags.emitDefaults, "emit-defaults", false, "print fields that have their default value, too")
	return c
}

// run makes the call.
func (f *callFlags) run(ctx context.Context, e *env, name string) error {
	t, err := f.target.open(ctx, e)
	if err != nil {
		return err
	}
	defer t.Close()
	s, err := t.schema(ctx)
	if err != nil {
		return err
	}
	method, err := s.Method(name)
	if err != nil {
		return err
	}
	requests, err := f.requests(e, s, method)
	if err != nil {
		return err
	}
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	events := &callEvents{
		env: e, verbose: f.verbose, method: method,
		printer: dynamic.Printer{Types: s.Types(), EmitDefaults: f.emitDefaults, Indent: "  "},
	}
	sent := 0
	supply := func(into protoadapt.MessageV1) error {
		if sent == len(requests) {
			return io.EOF
		}
		sent++
		return proto.Unmarshal(requests[sent-1], protoadapt.MessageV2Of(into))
	}
	conn := &watchedConn{StreamsOnly: transport.StreamsOnly{ClientConn: t.Conn}}
	if err := grpcurl.InvokeRPC(ctx, symbols{s}, conn, schema.MethodName(method), nil, events, supply); err != nil {
		return err
	}
	if events.status == nil { // grpcurl says nothing of a stream that could not be opened
		events.status = status.Convert(conn.err)
	}
	return events.finish(sent)
}

// watchedConn keeps the error of the last stream that could not be opened.
type watchedConn struct {
	transport.StreamsOnly
	err error
}

// NewStream opens a stream.
func (c *watchedConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := c.ClientConn.NewStream(ctx, desc, method, opts...)
	c.err = err
	return stream, err
}

// requests reads and encodes the messages to send.
func (f *callFlags) requests(e *env, s *schema.Schema, method protoreflect.MethodDescriptor) ([][]byte, error) {
	name, text, err := readInput(e, f.data)
	if err != nil {
		return nil, withCode(exitFile, fmt.Errorf("-d: %w", err))
	}
	messages, err := parseMessages(name, text, method.Input(), s.Types())
	if err != nil {
		return nil, err
	}
	if len(messages) > 1 && !method.IsStreamingClient() {
		return nil, usage(fmt.Sprintf("%s takes one request, -d holds %d", schema.MethodName(method), len(messages)))
	}
	encoded := make([][]byte, len(messages))
	for i, m := range messages {
		if encoded[i], err = proto.Marshal(m); err != nil {
			return nil, fmt.Errorf("request %d: %w", i+1, err)
		}
	}
	return encoded, nil
}

// callEvents prints what happens on a call. grpcurl calls its methods from one
// goroutine.
type callEvents struct {
	env      *env
	verbose  bool
	method   protoreflect.MethodDescriptor
	printer  dynamic.Printer
	status   *status.Status
	received int
	broken   error // a response that could not be read
}

// OnResolveMethod is called with the method.
func (c *callEvents) OnResolveMethod(*desc.MethodDescriptor) {}

// OnSendHeaders is called with the metadata of the call itself; -H adds more
// below it.
func (c *callEvents) OnSendHeaders(metadata.MD) {}

// OnReceiveHeaders prints the metadata before the responses.
func (c *callEvents) OnReceiveHeaders(md metadata.MD) { c.metadata("headers", md) }

// OnReceiveResponse prints a response by the target's own descriptors. What
// grpcurl hands over is of an older kind, so the message is decoded again.
func (c *callEvents) OnReceiveResponse(m protoadapt.MessageV1) {
	c.received++
	data, err := proto.MarshalOptions{AllowPartial: true}.Marshal(protoadapt.MessageV2Of(m))
	into := dynamicpb.NewMessage(c.method.Output())
	if err == nil {
		err = proto.UnmarshalOptions{AllowPartial: true, Resolver: c.printer.Types}.Unmarshal(data, into)
	}
	if err != nil {
		c.broken = errors.Join(c.broken, fmt.Errorf("response %d: %w", c.received, err))
		return
	}
	fmt.Fprintln(printableJSON{c.env.stdout}, c.printer.JSON(into))
}

// detail prints a detail of the status.
func (c *callEvents) detail(m protoadapt.MessageV1) (string, error) {
	return c.printer.JSON(protoadapt.MessageV2Of(m)), nil
}

// OnReceiveTrailers keeps the status.
func (c *callEvents) OnReceiveTrailers(s *status.Status, md metadata.MD) {
	c.status = s
	c.metadata("trailers", md)
}

func (c *callEvents) metadata(what string, md metadata.MD) {
	if c.verbose {
		fmt.Fprintf(c.env.stderr, "response %s:\n%s\n", what, grpcurl.MetadataToString(md))
	}
}

// finish reports how the call ended.
func (c *callEvents) finish(sent int) error {
	if c.verbose {
		fmt.Fprintf(c.env.stderr, "sent %d, received %d messages\n", sent, c.received)
	}
	if c.status.Code() != codes.OK {
		grpcurl.PrintStatus(c.env.stderr, c.status, c.detail)
		return withCode(exitFailed, nil)
	}
	return c.broken
}
