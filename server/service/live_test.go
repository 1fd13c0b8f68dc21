package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/proto/detect"
)

type liveClient = grpc.BidiStreamingClient[detect.DetectRequest, detect.DetectResponse]

// talk opens a conversation with the given reply order; "" sends none.
func talk(t *testing.T, w *world, order string) liveClient {
	t.Helper()
	ctx := t.Context()
	if order != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "detect-reply", order)
	}
	stream, err := w.detect.DetectLive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func say(t *testing.T, s liveClient, contents ...string) {
	t.Helper()
	for _, content := range contents {
		if err := s.Send(&detect.DetectRequest{Content: content}); err != nil {
			t.Fatalf("send %q: %v", content, err)
		}
	}
}

// rest reads until the stream ends; the end of a good one is nil.
func rest(s liveClient) (got []string, err error) {
	for {
		response, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, response.Data)
	}
}

func TestReplyOrders(t *testing.T) {
	tests := []struct {
		name, order string
		send, want  []string
	}{
		{"no metadata is each", "", []string{"a", "b"}, []string{"ok a", "ok b"}},
		{"each keeps the order of requests that take unequally long", "each", []string{"sleep 3s", "b", "sleep 1s"}, []string{"ok sleep 3s", "ok b", "ok sleep 1s"}},
		{"end", "end", []string{"a", "sleep 1s", "c"}, []string{"ok a", "ok sleep 1s", "ok c"}},
		{"every two, and what is left over", "every=2", []string{"a", "b", "c", "d", "e"}, []string{"2 [a b]", "2 [c d]", "1 [e]"}},
		{"every two that come out even", "every=2", []string{"a", "b"}, []string{"2 [a b]"}},
		{"every one is a summary of one", "every=1", []string{"a"}, []string{"1 [a]"}},
		{"nothing said, each", "each", nil, nil},
		{"nothing said, end", "end", nil, nil},
		{"nothing said, every", "every=3", nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start(t, func(t *testing.T, w *world) {
				s := talk(t, w, test.order)
				say(t, s, test.send...)
				_ = s.CloseSend()
				got, err := rest(s)
				if err != nil || !slices.Equal(got, test.want) {
					t.Errorf("answers %q, %v, want %q", got, err, test.want)
				}
			})
		})
	}
}

func TestBadReplyOrders(t *testing.T) {
	for _, order := range []string{"sometimes", "every=0", "every=x", "every=", "every=10001", "every=-1", "Each", " each"} {
		t.Run(order, func(t *testing.T) {
			start(t, func(t *testing.T, w *world) {
				_, err := rest(talk(t, w, order))
				wantViolation(t, err, "detect-reply")
			})
		})
	}
}

// TestEachAnswersBeforeTheNextRequest is a conversation that would never end
// if the server waited for more.
func TestEachAnswersBeforeTheNextRequest(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		s := talk(t, w, "each")
		for i := range 100 {
			say(t, s, fmt.Sprint(i))
			if got, err := s.Recv(); err != nil || got.Data != fmt.Sprint("ok ", i) {
				t.Fatalf("answer %d: %v, %v", i, got, err)
			}
		}
		_ = s.CloseSend()
		if _, err := rest(s); err != nil {
			t.Error(err)
		}
	})
}

func TestEndAnswersNothingBeforeHalfClose(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		s := talk(t, w, "end")
		say(t, s, "a")
		closed := false
		go func() {
			time.Sleep(time.Minute)
			closed = true
			_ = s.CloseSend()
		}()
		if _, err := s.Recv(); err != nil || !closed {
			t.Errorf("an answer before half-close, or %v", err)
		}
		_, _ = rest(s)
	})
}

// TestReadingGoesOnWhileDetecting checks that requests behind a slow one are
// read and worked on, and that no more than the limit are: the rest waits at
// the client.
func TestReadingGoesOnWhileDetecting(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		s := talk(t, w, "each")
		say(t, s, "sleep 1h")
		for i := range 200 {
			say(t, s, fmt.Sprint(i))
		}
		_ = s.CloseSend()
		synctest.Wait()
		// The handler waits for the first, 16 more wait behind it, and the
		// reader holds one that has no place yet.
		if got := w.fake.started.Load(); got < 16 || got > 18 {
			t.Errorf("%d requests are worked on beside a slow one, want about 16", got)
		}
		begin := time.Now()
		got, err := rest(s)
		if err != nil || len(got) != 201 || got[200] != "ok 199" {
			t.Errorf("%d answers, %v, want 201 in order", len(got), err)
		}
		if took := time.Since(begin); took != time.Hour {
			t.Errorf("the conversation took %s, want exactly 1h", took)
		}
	})
}

func TestAnswersBeforeABadRequestArrive(t *testing.T) {
	for _, order := range []string{"each", "every=1"} {
		t.Run(order, func(t *testing.T) {
			start(t, func(t *testing.T, w *world) {
				s := talk(t, w, order)
				say(t, s, "a", "sleep 1s", "bad") // and no half-close: the server ends the call
				got, err := rest(s)
				if len(got) != 2 {
					t.Errorf("answers %q, want two", got)
				}
				wantViolation(t, err, "content")
			})
		})
	}
}

func TestABadRequestWithEndAnswersNothing(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		s := talk(t, w, "end")
		say(t, s, "a", "bad")
		got, err := rest(s)
		if len(got) != 0 {
			t.Errorf("answers %q, want none", got)
		}
		wantViolation(t, err, "content")
	})
}

func TestCancelledConversationsLeaveNothingBehind(t *testing.T) {
	for _, order := range []string{"each", "end", "every=5"} {
		t.Run(order, func(t *testing.T) {
			start(t, func(t *testing.T, w *world) { // the bubble fails when a goroutine is left
				ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "detect-reply", order))
				s, err := w.detect.DetectLive(ctx)
				if err != nil {
					t.Fatal(err)
				}
				say(t, s, "sleep 1h", "sleep 1h", "a")
				synctest.Wait()
				cancel()
				if _, err := rest(s); status.Code(err) != codes.Canceled {
					t.Errorf("ends with %v, want CANCELLED", err)
				}
			})
		})
	}
}

func TestAnIdleConversationEndsAtItsDeadline(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, err := w.detect.DetectLive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rest(s); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("ends with %v, want DEADLINE_EXCEEDED", err)
		}
	})
}

// TestAPanicReachesTheHandler would end the process if the panic stayed in the
// goroutine of the detection.
func TestAPanicReachesTheHandler(t *testing.T) {
	start(t, func(t *testing.T, w *world) {
		s := talk(t, w, "each")
		say(t, s, "a", "panic")
		if got, err := rest(s); len(got) != 1 || status.Convert(err).Message() != "survived: as asked" {
			t.Errorf("%q, then %v", got, err)
		}
	})
}
