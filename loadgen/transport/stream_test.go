package transport_test

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/transport"
)

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		channel := transport.NewChannel(dial(t, &server{}))
		s := channel.Open(t.Context(), &transport.Request{Method: "/HelloService/BidiHello", Kind: transport.BidiStream})
		for _, m := range encode(t, "a", "b") {
			if err := s.Send(m); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Recv(); err != nil || !slices.Equal(got, m) { // a reply has the greeting's field
				t.Fatalf("received %q, %v; want %q", got, err, m)
			}
		}
		if s.Status() != nil || len(s.Header()["content-type"]) != 1 {
			t.Errorf("under way: status %v, header %v; want none, and the target's", s.Status(), s.Header())
		}
		if err := s.Send(encode(t, "abort")[0]); err != nil {
			t.Fatal(err)
		}
		s.CloseSend()
		if _, err := s.Recv(); err != io.EOF || s.Status().Code() != codes.Aborted || s.Status().Message() != "as asked" {
			t.Errorf("the end: %v, %v; want EOF, Aborted", err, s.Status())
		}
		if err := s.Send(nil); err != io.EOF {
			t.Errorf("a message after the end: %v, want EOF", err)
		}
	})
}

// The other ends of a stream: one response, a cancellation, a deadline, a
// method that is not there.
func TestStreamEnds(t *testing.T) {
	tests := []struct {
		name, method string
		kind         transport.Kind
		greeting     string
		cancel       bool
		received     int
		want         codes.Code
	}{
		{"unary", "SayHello", transport.Unary, "hi", false, 1, codes.OK},
		{"unary that fails", "SayHello", transport.Unary, "abort", false, 0, codes.Aborted},
		{"all responses", "LotsOfReplies", transport.ServerStream, "hi", false, 3, codes.OK},
		{"Cancel", "LotsOfReplies", transport.ServerStream, "hi", true, 0, codes.Canceled},
		{"a deadline", "SayHello", transport.Unary, "late", false, 0, codes.DeadlineExceeded},
		{"no such method", "Nothing", transport.Unary, "hi", false, 0, codes.Unimplemented},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				channel := transport.NewChannel(dial(t, &server{say: func(ctx context.Context, greeting string) (string, error) {
					switch greeting {
					case "abort":
						return "", status.Error(codes.Aborted, "as asked")
					case "late":
						<-ctx.Done()
					}
					return greeting, nil
				}}))
				s := channel.Open(t.Context(), &transport.Request{Method: "/HelloService/" + tt.method, Kind: tt.kind, Timeout: time.Second})
				_ = s.Send(encode(t, tt.greeting)[0])
				s.CloseSend()
				if tt.cancel {
					s.Cancel()
				}
				n := 0
				for _, err := s.Recv(); err == nil; _, err = s.Recv() {
					n++
				}
				if n != tt.received || s.Status().Code() != tt.want {
					t.Errorf("%d messages, %v; want %d, %v", n, s.Status(), tt.received, tt.want)
				}
				time.Sleep(time.Second) // the target sleeps on for a moment
			})
		})
	}
}

// What a result tells besides status, counts and times.
func TestResultOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		channel := transport.NewChannel(dial(t, &server{}, watched()), dial(t, &server{}, watched()))
		var got []string
		res := transport.Result{Each: func(m []byte) { got = append(got, string(m)) }}
		req := &transport.Request{Method: "/HelloService/LotsOfReplies", Kind: transport.ServerStream, Messages: encode(t, "hi"), Compression: "gzip"}
		for _, connection := range []int{1, 2, 1} {
			got = nil
			channel.Do(t.Context(), req, &res)
			if want := slices.Repeat([]string{"\x0a\x02hi"}, 3); !slices.Equal(got, want) {
				t.Errorf("messages %q, want %q", got, want)
			}
			if after := res.Headers.Sub(res.Start); after != 10*time.Millisecond || res.Connection != connection {
				t.Errorf("headers after %v on connection %d, want 10ms, %d", after, res.Connection, connection)
			}
		}
	})
}

// A status that gRPC does not have is UNKNOWN, as gRPC's list of codes says.
func TestStatusThatDoesNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		channel := transport.NewChannel(dial(t, &server{say: func(context.Context, string) (string, error) {
			return "", status.Error(99, "odd")
		}}))
		var res transport.Result
		channel.Do(t.Context(), &transport.Request{Method: "/HelloService/SayHello", Messages: encode(t, "hi")}, &res)
		if res.Status != codes.Unknown || res.Message != "odd" {
			t.Errorf("%v %q, want Unknown, with the target's message", res.Status, res.Message)
		}
	})
}
