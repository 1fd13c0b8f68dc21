package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/proto/detect"
	domain "touchstone/server/detect"
)

// replyKey is the request metadata by which a client of detectLive picks when
// the answers come.
const replyKey = "detect-reply"

// Limits of one detectLive stream.
const (
	inFlight = 16       // answers being worked out or waiting to be sent
	maxEvery = 10_000   // N of every=N
	maxHeld  = 64 << 20 // bytes of answers kept until half-close
)

// replies says when the answers of detectLive come.
type replies struct {
	every int  // sum up that many requests in one answer; 0: one answer each
	atEnd bool // after half-close
}

// replyOrder reads the metadata: each, end or every=N.
func replyOrder(ctx context.Context) (replies, error) {
	values := metadata.ValueFromIncomingContext(ctx, replyKey)
	if len(values) == 0 {
		return replies{}, nil
	}
	word := values[len(values)-1]
	switch word {
	case "each":
		return replies{}, nil
	case "end":
		return replies{atEnd: true}, nil
	}
	digits, isEvery := strings.CutPrefix(word, "every=")
	if n, err := strconv.ParseUint(digits, 10, 31); isEvery && err == nil && n >= 1 && n <= maxEvery {
		return replies{every: int(n)}, nil
	}
	return replies{}, badMetadata(replyKey, word, fmt.Sprintf("each, end or every=N with N from 1 to %d", maxEvery))
}

// badMetadata is the error for a metadata value that cannot be used.
func badMetadata(key, got, want string) error {
	return invalidArgument([]domain.Violation{{Field: key, Description: fmt.Sprintf("want %s, got %q", want, got)}})
}

// DetectLive answers a conversation. The two directions are independent: while
// answers are worked out and sent, requests are read on, until inFlight answers
// are waiting; then the flow control of the stream holds the client back.
// Answers keep the order of the requests.
func (d *detector) DetectLive(s grpc.BidiStreamingServer[detect.DetectRequest, detect.DetectResponse]) error {
	order, err := replyOrder(s.Context())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	c := &conversation{detector: d, order: order, stream: s, answers: make(chan *answer, inFlight)}
	// The reader cannot be waited for: what ends a Recv that waits for a
	// silent client is the return of this handler. It starts nothing that
	// outlives it.
	go c.read(ctx)
	return d.status(s.Context(), c.write(ctx))
}

// conversation is one detectLive stream.
type conversation struct {
	detector *detector
	order    replies
	stream   grpc.BidiStreamingServer[detect.DetectRequest, detect.DetectResponse]
	answers  chan *answer // in the order of the requests; closed by the reader
	readErr  error        // written by the reader before it closes answers
}

// answer is one that is being worked out. Requests go in; it takes them until
// in is closed.
type answer struct {
	in  chan string
	out chan outcome // has room, so that who works it out never waits
}

// outcome is a finished answer, or why there is none.
type outcome struct {
	data  string
	err   error
	panic string // what the detector panicked with, and where
}

// read takes requests from the stream until it ends, and starts the work on
// each answer.
func (c *conversation) read(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	defer close(c.answers)
	c.readErr = c.readAll(ctx, &work)
}

// readAll returns nil at half-close.
func (c *conversation) readAll(ctx context.Context, work *sync.WaitGroup) error {
	var open *answer // the one that takes the next request
	defer func() {
		if open != nil {
			close(open.in)
		}
	}()
	for count := 1; ; count++ {
		request, err := c.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case c.order.atEnd && count > maxRequests:
			return tooMany()
		}
		if open == nil {
			open = &answer{in: make(chan string), out: make(chan outcome, 1)}
			if err := put(ctx, c.answers, open); err != nil {
				return err
			}
			work.Go(c.worker(ctx, open))
		}
		if err := put(ctx, open.in, request.GetContent()); err != nil {
			return err
		}
		if count%max(c.order.every, 1) == 0 {
			close(open.in)
			open = nil
		}
	}
}

// put sends v unless the call ends before there is room.
func put[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// worker returns the work on one answer.
func (c *conversation) worker(ctx context.Context, a *answer) func() {
	return func() { a.out <- c.work(ctx, a.in) }
}

// work makes one answer. A panic is passed on to the handler's goroutine,
// where the server survives it.
func (c *conversation) work(ctx context.Context, in <-chan string) (out outcome) {
	defer func() {
		if p := recover(); p != nil {
			out = outcome{panic: fmt.Sprintf("%v\n%s", p, debug.Stack())}
		}
	}()
	if c.order.every == 0 {
		content, ok := receive(ctx, in)
		if !ok {
			return outcome{err: context.Cause(ctx)}
		}
		data, err := c.detector.Detector.Detect(ctx, content)
		return outcome{data: data, err: err}
	}
	summary := c.detector.NewSummary()
	for {
		content, ok := receive(ctx, in)
		if !ok {
			return outcome{data: summary.Data(), err: context.Cause(ctx)}
		}
		if err := summary.Add(ctx, content); err != nil {
			return outcome{err: err}
		}
	}
}

// receive returns the next request; false when there is none, or the call has
// ended.
func receive(ctx context.Context, in <-chan string) (string, bool) {
	select {
	case content, ok := <-in:
		return content, ok
	case <-ctx.Done():
		return "", false
	}
}

// write sends the answers in order, each as soon as it is ready or all after
// half-close.
func (c *conversation) write(ctx context.Context) error {
	var held []string
	size := 0
	for a := range c.answers {
		data, err := a.wait(ctx)
		if err != nil {
			return err
		}
		if !c.order.atEnd {
			if err := c.send(data); err != nil {
				return err
			}
			continue
		}
		held = append(held, data)
		if size += len(data); size > maxHeld {
			return tooMuch()
		}
	}
	if c.readErr != nil {
		return c.readErr
	}
	for _, data := range held {
		if err := c.send(data); err != nil {
			return err
		}
	}
	return nil
}

// wait returns the finished answer.
func (a *answer) wait(ctx context.Context) (string, error) {
	select {
	case out := <-a.out:
		if out.panic != "" {
			panic(out.panic)
		}
		return out.data, out.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (c *conversation) send(data string) error {
	return c.stream.Send(&detect.DetectResponse{Data: data})
}

// tooMuch ends a stream whose answers cannot be kept until half-close.
func tooMuch() error {
	return status.Errorf(codes.ResourceExhausted, "answers of more than %d bytes to be kept until half-close", maxHeld)
}
