package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
)

// adapter makes the calls that the suite asks for.
type adapter struct {
	types schema.Types
	open  opener
}

// answer makes the call of one ClientCompatRequest and returns its
// ClientCompatResponse.
func (a *adapter) answer(ctx context.Context, req message) message {
	res := a.message("ClientCompatResponse")
	res.set("test_name", req.get("test_name").String())
	if err := a.call(ctx, req, res); err != nil {
		res.mutable("error").set("message", err.Error())
	}
	return res
}

// call makes the call. The error says that there was none.
func (a *adapter) call(ctx context.Context, req, res message) error {
	method, kind, err := methodOf(req)
	if err != nil {
		return err
	}
	via, closing, err := a.open(req)
	if err != nil {
		return err
	}
	defer closing()
	c := &call{kind: kind, full: req.enum("stream_type") == "STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM"}
	c.plan(req)
	request := &transport.Request{Method: method, Kind: kind, Metadata: metadataOf(req.all("request_headers"))}
	if req.has("timeout_ms") {
		request.Timeout = milliseconds(req.get("timeout_ms"))
	}
	if req.enum("compression") == "COMPRESSION_GZIP" {
		request.Compression = "gzip"
	}
	c.stream = via.Open(ctx, request)
	c.run()
	a.report(c, req.get("method").String(), res.mutable("response"))
	return nil
}

// methodOf returns the method of a request and its kind.
func methodOf(req message) (string, transport.Kind, error) {
	kinds := map[string]transport.Kind{
		"Unary": transport.Unary, "Unimplemented": transport.Unary, "ServerStream": transport.ServerStream,
		"ClientStream": transport.ClientStream, "BidiStream": transport.BidiStream,
	}
	service, method := req.get("service").String(), req.get("method").String()
	kind, ok := kinds[method]
	if service != suite+"ConformanceService" || !ok {
		return "", 0, fmt.Errorf("method %s/%s is not known", service, method)
	}
	if n := len(req.all("request_messages")); n != 1 && (kind == transport.Unary || kind == transport.ServerStream) {
		return "", 0, errors.New("the method takes one message")
	}
	return "/" + service + "/" + method, kind, nil
}

func milliseconds(v protoreflect.Value) time.Duration {
	return time.Duration(v.Uint()) * time.Millisecond
}

// call is one call and what it does when.
type call struct {
	stream   transport.Stream
	kind     transport.Kind
	full     bool // take a response after each message sent
	messages [][]byte
	delay    time.Duration // before each message

	cancelUnclosed bool // instead of CloseSend
	cancelLater    bool // after CloseSend and wait
	wait           time.Duration
	cancelAfter    int // responses; 0: not

	received [][]byte
	unsent   int
}

// plan reads what the call is to send, and when it is to be cancelled.
func (c *call) plan(req message) {
	for _, m := range req.all("request_messages") {
		c.messages = append(c.messages, m.get("value").Bytes())
	}
	if c.kind == transport.ClientStream || c.kind == transport.BidiStream {
		c.delay = milliseconds(req.get("request_delay_ms"))
	}
	if !req.has("cancel") {
		return
	}
	cancel := req.sub("cancel")
	switch {
	case cancel.has("before_close_send"):
		c.cancelUnclosed = true
	case cancel.has("after_num_responses"):
		c.cancelAfter = int(cancel.get("after_num_responses").Uint())
	default:
		c.cancelLater, c.wait = true, milliseconds(cancel.get("after_close_send_ms"))
	}
}

// run makes the call and returns when it has ended.
func (c *call) run() {
	for i, m := range c.messages {
		time.Sleep(c.delay)
		if c.stream.Send(m) != nil {
			c.unsent = len(c.messages) - i
			break
		}
		if c.full && !c.receive() {
			c.unsent = len(c.messages) - i - 1
			break
		}
	}
	if c.cancelUnclosed {
		c.stream.Cancel()
	} else {
		c.stream.CloseSend()
	}
	if c.cancelLater {
		time.Sleep(c.wait)
		c.stream.Cancel()
	}
	for c.receive() {
	}
}

// receive takes one response; it is false when the call has ended.
func (c *call) receive() bool {
	m, err := c.stream.Recv()
	if err != nil {
		return false
	}
	c.received = append(c.received, m)
	if len(c.received) == c.cancelAfter {
		c.stream.Cancel()
	}
	return true
}

// report writes the ClientResponseResult of a call that has ended.
func (a *adapter) report(c *call, method string, result message) {
	s := c.stream.Status()
	payloads, err := a.payloads(method, c.received)
	if err != nil { // as a generated client has it
		s = status.New(codes.Internal, err.Error())
	}
	one := c.kind == transport.Unary || c.kind == transport.ClientStream
	if !one || s.Code() == codes.OK { // by the suite's rules
		for _, p := range payloads {
			proto.Merge(result.append("payloads").Interface(), p.Interface())
		}
	}
	setHeaders(result, "response_headers", c.stream.Header())
	setHeaders(result, "response_trailers", c.stream.Trailer())
	result.set("num_unsent_requests", int32(c.unsent))
	if s.Code() != codes.OK {
		setError(result.mutable("error"), s)
	}
}

// payloads decodes responses. The error is that of the first one that is none.
func (a *adapter) payloads(method string, received [][]byte) ([]message, error) {
	var all []message
	for _, data := range received {
		response := a.message(method + "Response")
		if err := proto.Unmarshal(data, response.Interface()); err != nil {
			return all, err
		}
		if method != "Unimplemented" {
			all = append(all, response.sub("payload"))
		}
	}
	return all, nil
}

// setError writes an Error.
func setError(m message, s *status.Status) {
	m.set("code", protoreflect.EnumNumber(s.Code())) // the suite numbers codes as gRPC does
	m.set("message", s.Message())
	for _, detail := range s.Proto().GetDetails() {
		one := m.append("details")
		one.set("type_url", detail.TypeUrl)
		one.set("value", detail.Value)
	}
}

// metadataOf reads Headers. Binary values are in base64 there.
func metadataOf(headers []message) metadata.MD {
	md := metadata.MD{}
	for _, h := range headers {
		name := strings.ToLower(h.get("name").String())
		values := h.get("value").List()
		for i := range values.Len() {
			value := values.Get(i).String()
			if strings.HasSuffix(name, "-bin") {
				if data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "=")); err == nil {
					value = string(data)
				}
			}
			md.Append(name, value)
		}
	}
	return md
}

// setHeaders writes Headers.
func setHeaders(m message, field string, md metadata.MD) {
	for name, values := range md {
		h := m.append(field)
		h.set("name", name)
		list := h.Mutable(h.field("value")).List()
		for _, value := range values {
			if strings.HasSuffix(name, "-bin") {
				value = base64.RawStdEncoding.EncodeToString([]byte(value))
			}
			list.Append(protoreflect.ValueOfString(value))
		}
	}
}
