package replay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/proto/hello"
)

// echoServer answers each greeting with a number that it never gives twice. Its
// trailer is the word.
type echoServer struct {
	hello.UnimplementedHelloServiceServer
	word string
	next *atomic.Int64
}

// numbers are those of all echo servers.
var numbers atomic.Int64

// echo starts an echo server.
func echo(t testing.TB, word string) *grpc.ClientConn {
	t.Helper()
	s := grpc.NewServer()
	hello.RegisterHelloServiceServer(s, &echoServer{word: word, next: &numbers})
	dial, stop := serve(plain{s})
	t.Cleanup(stop)
	conn := connect(t, dial)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// BidiHello answers each message.
func (e *echoServer) BidiHello(stream hello.HelloService_BidiHelloServer) error {
	stream.SetTrailer(metadata.Pairs("x-word", e.word))
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&hello.HelloResponse{Reply: fmt.Sprint(in.Greeting, " ", e.next.Add(1))}); err != nil {
			return err
		}
	}
}

// wordy says its word in the header, the trailer and the details of an error.
type wordy struct {
	hello.UnimplementedHelloServiceServer
	word string
}

// SayHello repeats the greeting, and fails when that asks for it.
func (w wordy) SayHello(ctx context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	if err := grpc.SetTrailer(ctx, metadata.Pairs("x-tail-bin", w.word)); err != nil {
		return nil, err
	}
	if in.Greeting == "fail" {
		s, err := status.New(codes.FailedPrecondition, w.word).WithDetails(&hello.HelloRequest{Greeting: w.word})
		if err != nil {
			return nil, err
		}
		return nil, s.Err()
	}
	return &hello.HelloResponse{Reply: in.Greeting}, grpc.SetHeader(ctx, metadata.Pairs("x-head", w.word))
}
