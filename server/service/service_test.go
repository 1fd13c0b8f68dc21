package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/proto/detect"
	"touchstone/proto/hello"
	"touchstone/server/service"
)

// wantViolation checks for INVALID_ARGUMENT with one violation of a field.
func wantViolation(t *testing.T, err error, field string) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != codes.InvalidArgument || len(s.Details()) != 1 {
		t.Fatalf("status %v with %d details, want INVALID_ARGUMENT with one", err, len(s.Details()))
	}
	bad, ok := s.Details()[0].(*errdetails.BadRequest)
	if !ok || len(bad.FieldViolations) != 1 || bad.FieldViolations[0].Field != field {
		t.Errorf("details %v, want a violation of %s", s.Details(), field)
	}
}

func TestErrorsBecomeStatuses(t *testing.T) {
	tests := []struct {
		name, content string
		code          codes.Code
	}{
		{"a good request", "a", codes.OK},
		{"invalid content", "bad", codes.InvalidArgument},
		{"an upstream that fails", "down", codes.Unavailable},
		{"an error of no known kind", "odd", codes.Internal},
		{"the caller's deadline", "sleep 1h", codes.DeadlineExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start(t, func(t *testing.T, w *world) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := w.detect.Detect(ctx, &detect.DetectRequest{Content: test.content})
				if got := status.Code(err); got != test.code {
					t.Errorf("unary: status %s (%v), want %s", got, err, test.code)
				}
				if got := eachStatus(ctx, w, test.content); got != test.code {
					t.Errorf("server streaming: status %s, want %s", got, test.code)
				}
				if got := allStatus(ctx, w, test.content); got != test.code {
					t.Errorf("client streaming: status %s, want %s", got, test.code)
				}
			})
		})
	}
}

func eachStatus(ctx context.Context, w *world, content string) codes.Code {
	stream, err := w.detect.DetectEach(ctx, &detect.DetectRequest{Content: content})
	for err == nil {
		_, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) {
		return codes.OK
	}
	return status.Code(err)
}

func allStatus(ctx context.Context, w *world, content string) codes.Code {
	stream, err := w.detect.DetectAll(ctx)
	if err != nil {
		return status.Code(err)
	}
	_ = stream.Send(&detect.DetectRequest{Content: content})
	_, err = stream.CloseAndRecv()
	return status.Code(err)
}

// TestFirstErrorsAreTrailersOnly: clients retry a call only if no response
// headers came before the failure.
func TestFirstErrorsAreTrailersOnly(t *testing.T) {
	kinds := map[string]func(context.Context, *world) codes.Code{
		"unary": func(ctx context.Context, w *world) codes.Code {
			_, err := w.detect.Detect(ctx, &detect.DetectRequest{Content: "down"})
			return status.Code(err)
		},
		"server streaming": func(ctx context.Context, w *world) codes.Code { return eachStatus(ctx, w, "down") },
		"client streaming": func(ctx context.Context, w *world) codes.Code { return allStatus(ctx, w, "down") },
		"bidi streaming": func(ctx context.Context, w *world) codes.Code {
			stream, err := w.detect.DetectLive(ctx)
			if err != nil {
				return status.Code(err)
			}
			_ = stream.Send(&detect.DetectRequest{Content: "down"})
			_, err = rest(stream)
			return status.Code(err)
		},
	}
	for name, call := range kinds {
		t.Run(name, func(t *testing.T) {
			start(t, func(t *testing.T, w *world) {
				if got := call(t.Context(), w); got != codes.Unavailable {
					t.Errorf("status %s, want UNAVAILABLE", got)
				}
				if got := w.fake.started.Load(); got != 5 {
					t.Errorf("%d attempts, want 5", got)
				}
			})
		})
	}
}

func TestUnexpectedErrorsAreLoggedAndNotTold(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		_, err := w.detect.Detect(t.Context(), &detect.DetectRequest{Content: "odd"})
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the client is told: %v", err)
		}
		if !strings.Contains(w.log.String(), "the secret of the server") {
			t.Errorf("the log says nothing: %s", w.log)
		}
	})
}

func TestEachSendsItemsAsTheyAreReady(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		begin := time.Now()
		stream, err := w.detect.DetectEach(t.Context(), &detect.DetectRequest{Content: "a,sleep 1s,bad"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []time.Duration{0, time.Second} {
			if _, err := stream.Recv(); err != nil || time.Since(begin) != want {
				t.Errorf("an item after %s, %v, want %s", time.Since(begin), err, want)
			}
		}
		_, err = stream.Recv()
		wantViolation(t, err, "content")
	})
}

func TestAllSumsUp(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		for _, contents := range [][]string{nil, {"a"}, {"a", "b", "c"}} {
			stream, err := w.detect.DetectAll(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, content := range contents {
				if err := stream.Send(&detect.DetectRequest{Content: content}); err != nil {
					t.Fatal(err)
				}
			}
			got, err := stream.CloseAndRecv()
			if want := fmt.Sprint(len(contents), contents); err != nil || got.Data != want {
				t.Errorf("summary %v, %v, want %q", got, err, want)
			}
		}
	})
}

func TestHelloReplies(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		got, err := w.hello.SayHello(t.Context(), &hello.HelloRequest{Greeting: "Ada"})
		if err != nil || got.Reply != "Hello, Ada!" {
			t.Errorf("SayHello: %v, %v", got, err)
		}
		bidi, err := w.hello.BidiHello(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Ada", "Grace"} {
			_ = bidi.Send(&hello.HelloRequest{Greeting: name})
			if got, err := bidi.Recv(); err != nil || got.Reply != "Hello, "+name+"!" {
				t.Errorf("BidiHello: %v, %v", got, err)
			}
		}
		_ = bidi.CloseSend()
		if _, err := bidi.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("BidiHello ends with %v", err)
		}
	})
}

func TestLotsOfReplies(t *testing.T) {
	tests := []struct {
		name, count string // "": no metadata
		want        int    // -1: refused
	}{
		{"ten by default", "", 10}, {"as many as asked", "3", 3}, {"none", "0", 0}, {"the most", "100000", 100000},
		{"more than the most", "100001", -1}, {"a word", "many", -1}, {"a negative number", "-1", -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start(t, func(t *testing.T, w *world) {
				ctx := t.Context()
				if test.count != "" {
					ctx = metadata.AppendToOutgoingContext(ctx, "hello-replies", test.count)
				}
				stream, err := w.hello.LotsOfReplies(ctx, &hello.HelloRequest{Greeting: "Ada"})
				last, n := "", 0
				for err == nil {
					var got *hello.HelloResponse
					if got, err = stream.Recv(); err == nil {
						n, last = n+1, got.Reply
					}
				}
				if test.want < 0 {
					wantViolation(t, err, "hello-replies")
					return
				}
				if !errors.Is(err, io.EOF) || n != test.want {
					t.Errorf("%d replies, then %v, want %d", n, err, test.want)
				}
				if want := fmt.Sprintf("Hello, Ada! (%d of %d)", n, n); n > 0 && last != want {
					t.Errorf("the last reply is %q, want %q", last, want)
				}
			})
		})
	}
}

func TestLotsOfGreetings(t *testing.T) {
	tests := []struct {
		name      string
		greetings []string
		want      string
	}{
		{"nobody", nil, "Hello!"},
		{"two", []string{"Ada", "Grace"}, "Hello, Ada, Grace!"},
		{"one that is too long to repeat", []string{"Ada", strings.Repeat("x", 5000), "Grace"}, "Hello, Ada, 2 more!"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start(t, func(t *testing.T, w *world) {
				stream, err := w.hello.LotsOfGreetings(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, greeting := range test.greetings {
					_ = stream.Send(&hello.HelloRequest{Greeting: greeting})
				}
				if got, err := stream.CloseAndRecv(); err != nil || got.Reply != test.want {
					t.Errorf("reply %v, %v, want %q", got, err, test.want)
				}
			})
		})
	}
}

func TestDescsNameTheServices(t *testing.T) {
	var names []string
	for _, d := range service.Descs() {
		names = append(names, d.ServiceName)
	}
	if !slices.Equal(names, []string{"Detect", "HelloService"}) {
		t.Errorf("services %q", names)
	}
}
