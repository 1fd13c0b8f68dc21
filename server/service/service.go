// Package service serves the detectors and the greeter over gRPC.
//
// It is the one place where the errors of the domain become gRPC statuses; see
// [Config]. Nothing here sets or sends a header, so a call that fails before
// its first answer ends with Trailers-Only, which clients can retry.
package service

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchstone/proto/detect"
	"touchstone/proto/hello"
)

// Detector judges the JSON text of requests and answers with JSON text. It is
// called concurrently.
type Detector interface {
	// Detect judges one request.
	Detect(ctx context.Context, content string) (data string, err error)

	// Each judges one request and emits one answer per item, in order. It
	// ends with the error of emit, if that has one.
	Each(ctx context.Context, content string, emit func(data string) error) error
}

// Summary judges requests one after the other and sums them up.
type Summary interface {
	Add(ctx context.Context, content string) error
	Data() string
}

// Config holds what the services work with.
//
// Errors of the detector become statuses: [detect.Invalid] INVALID_ARGUMENT
// with google.rpc.BadRequest, [detect.Unavailable] UNAVAILABLE, the end of the
// call's context CANCELLED or DEADLINE_EXCEEDED, a status itself, and all else
// INTERNAL with the error in the log only. None is UNKNOWN.
type Config struct {
	Detector   Detector
	NewSummary func() Summary // a new one for every stream that is summed up
	Log        *slog.Logger   // nil: discarded
}

// maxRequests bounds the requests of one stream that is summed up or answered
// at its end: what is kept of them is kept in memory.
const maxRequests = 100_000

// Register registers Detect and HelloService.
func Register(r grpc.ServiceRegistrar, cfg Config) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	detect.RegisterDetectServer(r, &detector{Config: cfg})
	hello.RegisterHelloServiceServer(r, greeter{})
}

// Descs lists the services that Register registers.
func Descs() []*grpc.ServiceDesc {
	return []*grpc.ServiceDesc{&detect.Detect_ServiceDesc, &hello.HelloService_ServiceDesc}
}

// detector serves Detect.
type detector struct {
	detect.UnimplementedDetectServer
	Config
}

// Detect judges one request.
func (d *detector) Detect(ctx context.Context, in *detect.DetectRequest) (*detect.DetectResponse, error) {
	data, err := d.Detector.Detect(ctx, in.GetContent())
	if err != nil {
		return nil, d.status(ctx, err)
	}
	return &detect.DetectResponse{Data: data}, nil
}

// DetectEach answers with one response per item.
func (d *detector) DetectEach(in *detect.DetectRequest, out grpc.ServerStreamingServer[detect.DetectResponse]) error {
	ctx := out.Context()
	return d.status(ctx, d.Detector.Each(ctx, in.GetContent(), func(data string) error {
		return out.Send(&detect.DetectResponse{Data: data})
	}))
}

// DetectAll answers with one summary of all requests.
func (d *detector) DetectAll(in grpc.ClientStreamingServer[detect.DetectRequest, detect.DetectResponse]) error {
	ctx := in.Context()
	summary := d.NewSummary()
	for range maxRequests {
		request, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(&detect.DetectResponse{Data: summary.Data()})
		}
		if err == nil {
			err = summary.Add(ctx, request.GetContent())
		}
		if err != nil {
			return d.status(ctx, err)
		}
	}
	return tooMany()
}

// tooMany ends a stream whose requests have to be kept.
func tooMany() error {
	return status.Errorf(codes.ResourceExhausted, "more than %d requests in one stream", maxRequests)
}
