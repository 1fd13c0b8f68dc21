package retrycheck

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/retry"
	"touchstone/loadgen/transport"
	"touchstone/proto/hello"
	"touchstone/server/fault"
)

// Builtin is the client that loadgen itself is built on: grpc-go. Like a
// program, it does not say which attempts belong to one call, but for calls
// side by side on one channel, which carry a [fault.CallID].
type Builtin struct{}

//go:embed grpc-go.yaml
var builtinRegister []byte

// BuiltinRegister returns the register of the built-in client's deviations.
func BuiltinRegister() (*retry.Register, error) {
	return retry.ParseRegister("grpc-go.yaml", builtinRegister)
}

// oneChannel is the option of calls side by side on one channel.
const oneChannel = "one channel"

// BuiltinCan is what the built-in client can do.
var BuiltinCan = append([]retry.Need{retry.NeedBuiltin}, ProgramCan...)

// Run implements [Subject].
func (Builtin) Run(ctx context.Context, job Job) (Outcome, error) {
	workers := job.Parallel
	if job.Option == "two channels" {
		workers = 2
	}
	conns := make([]*grpc.ClientConn, workers)
	for i := range conns {
		conn, err := dialJob(job)
		if err != nil {
			return Outcome{Rejected: err.Error()}, nil
		}
		defer conn.Close()
		conns[i] = conn
	}
	defer linger(ctx, job)
	outcome := Outcome{Statuses: make([]string, job.Calls)}
	call := func(i int) { outcome.Statuses[i] = callOnce(ctx, conns[i%workers], job, i) }
	if job.Option != oneChannel && (job.Parallel == 1 || job.Option == "two channels") {
		for i := range job.Calls {
			call(i)
		}
		return outcome, nil
	}
	var tasks sync.WaitGroup
	for i := range job.Calls {
		tasks.Go(func() { call(i) })
	}
	tasks.Wait()
	return outcome, nil
}

// lingerTime is how long channels stay open after calls that were cancelled:
// closing them at once would outrun the reset that the check waits for.
const lingerTime = 100 * time.Millisecond

func linger(ctx context.Context, job Job) {
	if job.Cancel == 0 {
		return
	}
	select {
	case <-time.After(lingerTime):
	case <-ctx.Done():
	}
}

// dialJob makes a channel with the job's policy and option.
func dialJob(job Job) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(job.Config),
		grpc.WithDisableServiceConfig(),
		grpc.WithChainStreamInterceptor(transport.KeepStatus),
	}
	switch job.Option {
	case "cap 7":
		options = append(options, grpc.WithMaxCallAttempts(7))
	case "retries off":
		options = append(options, grpc.WithDisableRetry())
	case "gzip":
		options = append(options, grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	}
	return grpc.NewClient("passthrough:///"+job.Target, options...)
}

// callOnce makes the i-th call of a job and returns its status.
func callOnce(ctx context.Context, conn *grpc.ClientConn, job Job, i int) string {
	switch job.Option {
	case oneChannel:
		ctx = metadata.AppendToOutgoingContext(ctx, fault.CallID, fmt.Sprint(i))
	case "own header":
		ctx = metadata.AppendToOutgoingContext(ctx, "grpc-previous-rpc-attempts", "7")
	}
	if name, value, ok := strings.Cut(job.Metadata, ": "); ok {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if job.Deadline > 0 {
		ctx, cancel = context.WithTimeout(ctx, job.Deadline)
		defer cancel()
	}
	if job.Cancel > 0 {
		defer time.AfterFunc(job.Cancel, cancel).Stop()
	}
	method := job.Method
	if job.Option == "two methods" && i%2 == 1 {
		method = retry.ServerStream
	}
	// As loadgen makes them: how grpc-go may lose a status is no matter of its
	// retry policy.
	client := hello.NewHelloServiceClient(transport.StreamsOnly{ClientConn: conn})
	return retry.CodeName(uint32(status.Code(callMethod(ctx, client, method, job))))
}

func callMethod(ctx context.Context, client hello.HelloServiceClient, method string, job Job) error {
	switch method {
	case retry.ServerStream:
		stream, err := client.LotsOfReplies(ctx, greeting("m1", job.RequestBytes))
		if err == nil && job.Option == "header" {
			_, err = stream.Header()
		}
		if err != nil {
			return err
		}
		return drain(stream.Recv)
	case retry.ClientStream:
		stream, err := client.LotsOfGreetings(ctx)
		if err != nil {
			return err
		}
		sendAll(stream.Send, job)
		_, err = stream.CloseAndRecv()
		return err
	case retry.Bidi:
		stream, err := client.BidiHello(ctx)
		if err != nil {
			return err
		}
		if job.Option == "context" {
			_ = stream.Context()
		}
		sendAll(stream.Send, job)
		if err := stream.CloseSend(); err != nil {
			return err
		}
		return drain(stream.Recv)
	}
	_, err := client.SayHello(ctx, greeting("m1", job.RequestBytes))
	return err
}

// greeting is a request whose greeting starts with a word and is size bytes
// long, if that is longer.
func greeting(word string, size int) *hello.HelloRequest {
	return &hello.HelloRequest{Greeting: word + strings.Repeat("x", max(size-len(word), 0))}
}

// sendAll sends the three messages of a client stream. A stream that fails says
// so to the receiver.
func sendAll(send func(*hello.HelloRequest) error, job Job) {
	for _, word := range []string{"m1", "m2", "m3"} {
		if send(greeting(word, job.RequestBytes/3)) != nil {
			return
		}
	}
}

// drain receives until the stream ends.
func drain(recv func() (*hello.HelloResponse, error)) error {
	for {
		if _, err := recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
