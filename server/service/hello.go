package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"touchstone/proto/hello"
)

// repliesKey is the request metadata by which a client of LotsOfReplies picks
// the number of replies.
const repliesKey = "hello-replies"

// Limits of HelloService.
const (
	defaultReplies = 10
	maxReplies     = 100_000
	maxNamed       = 4096 // bytes of greetings that LotsOfGreetings repeats
)

// greeter serves HelloService. Its replies to the greeting "Ada" are:
//
//	SayHello         Hello, Ada!
//	LotsOfReplies    Hello, Ada! (1 of 10) and so on: 10 replies, or as many
//	                 as the metadata hello-replies says, from 0 to 100000
//	LotsOfGreetings  Hello, Ada, Bob! for two greetings, Hello! for none;
//	                 from 4 KiB on the rest is counted: Hello, Ada, 7 more!
//	BidiHello        Hello, Ada! to each greeting as it comes
type greeter struct {
	hello.UnimplementedHelloServiceServer
}

func greet(greeting string) string { return "Hello, " + greeting + "!" }

// SayHello answers one greeting.
func (greeter) SayHello(_ context.Context, in *hello.HelloRequest) (*hello.HelloResponse, error) {
	return &hello.HelloResponse{Reply: greet(in.GetGreeting())}, nil
}

// LotsOfReplies answers one greeting several times.
func (greeter) LotsOfReplies(in *hello.HelloRequest, out grpc.ServerStreamingServer[hello.HelloResponse]) error {
	n, err := replyCount(out.Context())
	if err != nil {
		return err
	}
	for i := range n {
		reply := fmt.Sprintf("%s (%d of %d)", greet(in.GetGreeting()), i+1, n)
		if err := out.Send(&hello.HelloResponse{Reply: reply}); err != nil {
			return err
		}
	}
	return nil
}

// replyCount reads hello-replies.
func replyCount(ctx context.Context) (int, error) {
	values := metadata.ValueFromIncomingContext(ctx, repliesKey)
	if len(values) == 0 {
		return defaultReplies, nil
	}
	text := values[len(values)-1]
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n > maxReplies {
		return 0, badMetadata(repliesKey, text, fmt.Sprintf("a number up to %d", maxReplies))
	}
	return int(n), nil
}

// LotsOfGreetings answers all greetings with one reply.
func (greeter) LotsOfGreetings(in grpc.ClientStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	var named strings.Builder
	more := 0
	for {
		request, err := in.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if more > 0 || named.Len()+len(request.GetGreeting()) > maxNamed {
			more++
			continue
		}
		named.WriteString(", " + request.GetGreeting())
	}
	if more > 0 {
		fmt.Fprintf(&named, ", %d more", more)
	}
	return in.SendAndClose(&hello.HelloResponse{Reply: "Hello" + named.String() + "!"})
}

// BidiHello answers each greeting as it comes.
func (greeter) BidiHello(s grpc.BidiStreamingServer[hello.HelloRequest, hello.HelloResponse]) error {
	for {
		request, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&hello.HelloResponse{Reply: greet(request.GetGreeting())}); err != nil {
			return err
		}
	}
}
