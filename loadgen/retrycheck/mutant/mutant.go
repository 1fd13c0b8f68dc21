// Package mutant is a gRPC client with one defect: a test of the retry checks,
// each of which has to fail on the clients that break what it checks.
//
// Without a defect it is a sound client, as gRFC A6 has it, on nothing but
// HTTP/2 frames. It follows the environment that package retrycheck gives to
// programs.
package mutant

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"touchstone/loadgen/retry"
)

// Environment names the variable that says which defect the client has.
const Environment = "MUTANT"

// Main makes the calls that the environment asks for and prints the status of
// each. It returns the exit code: 1 for a service config that is not valid, 2
// for an environment that makes no sense.
func Main(stdout, stderr io.Writer) int {
	b, ok := sound(), true
	if name := os.Getenv(Environment); name != "" {
		var spoil func(*behaviour)
		if spoil, ok = defects[name]; ok {
			spoil(&b)
		}
	}
	if !ok {
		fmt.Fprintf(stderr, "there is no mutant %q\n", os.Getenv(Environment))
		return 2
	}
	j := readJob()
	text := j.config
	if text == "" {
		text = retry.DefaultConfig
	}
	config, err := retry.Parse("SERVICE_CONFIG", []byte(text))
	if err != nil && b.anyConfig {
		config, err = &retry.Config{}, nil
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	for _, status := range j.run(newClient(j, b, config)) {
		fmt.Fprintln(stdout, status)
	}
	return 0
}

// job is what the environment asks for.
type job struct {
	target, method, config string
	metadata               string
	calls, parallel, bytes int
	deadline, cancel       time.Duration // 0: none
}

func readJob() job {
	number := func(name string) int {
		n, _ := strconv.Atoi(os.Getenv(name)) // empty for none
		return n
	}
	return job{
		target: os.Getenv("TARGET"), method: os.Getenv("METHOD"), config: os.Getenv("SERVICE_CONFIG"), metadata: os.Getenv("METADATA"),
		calls: max(number("CALLS"), 1), parallel: max(number("PARALLEL"), 1), bytes: number("REQUEST_BYTES"),
		deadline: time.Duration(number("DEADLINE_MS")) * time.Millisecond, cancel: time.Duration(number("CANCEL_MS")) * time.Millisecond,
	}
}

// run makes the calls: each worker has a channel of its own.
func (j job) run(c *client) []string {
	statuses := make([]string, j.calls)
	var workers sync.WaitGroup
	for w := range j.parallel {
		workers.Go(func() {
			ch := &channel{client: c}
			defer ch.close()
			for i := w; i < j.calls; i += j.parallel {
				statuses[i] = retry.CodeName(j.call(ch))
			}
			if j.cancel > 0 {
				time.Sleep(lingerTime)
			}
		})
	}
	workers.Wait()
	return statuses
}

// lingerTime is how long a channel stays open after calls that were cancelled.
const lingerTime = 100 * time.Millisecond

// patience bounds calls without a deadline: some mutants would hang.
const patience = 5 * time.Second

// call makes one call.
func (j job) call(ch *channel) uint32 {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if j.cancel > 0 {
		defer time.AfterFunc(j.cancel, cancel).Stop()
	}
	return ch.call(ctx, j.deadline, j.requests())
}

// requests are the messages of a call.
func (j job) requests() [][]byte {
	words, size := []string{"m1"}, j.bytes
	if j.method == retry.ClientStream || j.method == retry.Bidi {
		words, size = []string{"m1", "m2", "m3"}, j.bytes/3
	}
	var out [][]byte
	for _, word := range words {
		out = append(out, helloRequest(word+strings.Repeat("x", max(size-len(word), 0))))
	}
	return out
}

// helloRequest is HelloRequest with its one field.
func helloRequest(greeting string) []byte {
	const field, lengthDelimited = 1, 2
	out := []byte{field<<3 | lengthDelimited}
	for n := uint64(len(greeting)); ; n >>= 7 {
		if n < 0x80 {
			return append(append(out, byte(n)), greeting...)
		}
		out = append(out, byte(n)|0x80)
	}
}
