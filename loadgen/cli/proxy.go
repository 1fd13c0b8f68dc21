package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"touchstone/server/proxy"
)

// proxyFlags are those of `loadgen proxy`.
type proxyFlags struct {
	path       pathFlags
	log        string
	logHeaders bool
}

// newProxyCommand makes `loadgen proxy`.
func newProxyCommand(e *env) *cobra.Command {
	var flags proxyFlags
	c := &cobra.Command{
		Use:   "proxy --upstream ADDR",
		Short: "Stand in the path: inject faults, log every attempt",
		Long: `proxy stands between clients and their gRPC server. It carries out a fault plan
on HTTP/2 frames, and leaves alone what the plan does not name: messages, their
flow control, header fields and their order, and how responses end. It prints
"listening ADDR" when it is ready, runs until it is interrupted, and then says
on stderr how often each rule of the plan was hit.

Each connection of a client has one of its own to the upstream. PING is answered
by the proxy; everything else is passed on.

--log writes JSON Lines, one object an attempt, when the attempt has ended.
Times that did not come, and what does not apply, are left out:

  conn, stream          the client's connection, from 1, and the stream's id on it
  method                Service/Method
  start                 when the request's headers came, RFC 3339
  half_close_ms, fault_ms, reset_ms, end_ms
                        since start, in milliseconds: the client's END_STREAM,
                        the last byte of the fault, a RST_STREAM from either
                        side, the end
  previous_attempts     grpc-previous-rpc-attempts, a number if it is one
  timeout               grpc-timeout as it was sent, such as 5S
  messages, bytes       of the request; bytes with the prefixes of messages
  response_messages, response_bytes
  status                the grpc-status that the client was sent, a number
  pushback              the grpc-retry-pushback-ms that the client was sent
  ended                 by whom: target, fault, client or connection
  how                   trailers, trailers-only, "rst CODE", goaway, http, close,
                        reset, blackhole, half-open, "no trailers", truncated
  rule                  the rule of the plan that decided, from 1
  header                with --log-headers: [[name, value], ...] as they came`,
		Example: `  loadgen proxy --upstream localhost:50051 --log -
  loadgen proxy --listen :8012 --upstream localhost:8011 --faults outage.yaml
  loadgen proxy --upstream api.example:443 --upstream-tls --tls-cert cert.pem --tls-key key.pem`,
		Args: takes(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := flags.validate(); err != nil {
				return err
			}
			return flags.run(c.Context(), e)
		},
	}
	flags.register(c)
	return c
}

func (f *proxyFlags) register(c *cobra.Command) {
	f.path.register(c.Flags())
	c.Flags().StringVar(&f.log, "log", "", "`file` for the log of attempts, - for stdout (default: none)")
	c.Flags().BoolVar(&f.logHeaders, "log-headers", false, "log the headers of requests too; they may hold secrets")
}

// validate reports combinations that make no sense.
func (f *proxyFlags) validate() error {
	if f.logHeaders && f.log == "" {
		return usage("--log-headers needs --log")
	}
	return f.path.validate("proxy")
}

// run is the proxy until ctx ends.
func (f *proxyFlags) run(ctx context.Context, e *env) (err error) {
	var cfg proxy.Config
	if f.log != "" {
		log, err := f.openLog(e)
		if err != nil {
			return err
		}
		defer func() { err = log.close(err) }()
		cfg.Attempts = log.add
	}
	return f.path.serve(ctx, e, cfg)
}

// attemptLog writes attempts as JSON Lines.
type attemptLog struct {
	headers bool
	file    io.Closer // nil: not ours to close

	mu      sync.Mutex // guards what follows: attempts come from many goroutines
	encoder *json.Encoder
	err     error // the first that writing met
}

func (f *proxyFlags) openLog(e *env) (*attemptLog, error) {
	l := &attemptLog{headers: f.logHeaders}
	var out io.Writer = printableJSON{e.stdout}
	if f.log != "-" {
		file, err := os.Create(f.log)
		if err != nil {
			return nil, usage("--log: " + err.Error())
		}
		out, l.file = file, file
	}
	l.encoder = json.NewEncoder(out)
	l.encoder.SetEscapeHTML(false)
	return l, nil
}

// loggedAttempt is one line of the log; the command's help describes it.
type loggedAttempt struct {
	Conn             int         `json:"conn"`
	Stream           uint32      `json:"stream"`
	Method           string      `json:"method"`
	Start            time.Time   `json:"start"`
	HalfClose        *float64    `json:"half_close_ms,omitempty"`
	Fault            *float64    `json:"fault_ms,omitempty"`
	Reset            *float64    `json:"reset_ms,omitempty"`
	End              *float64    `json:"end_ms,omitempty"`
	PreviousAttempts any         `json:"previous_attempts,omitempty"`
	Timeout          string      `json:"timeout,omitempty"`
	Messages         int         `json:"messages"`
	Bytes            int64       `json:"bytes"`
	ResponseMessages int         `json:"response_messages"`
	ResponseBytes    int64       `json:"response_bytes"`
	Status           any         `json:"status,omitempty"`
	Pushback         string      `json:"pushback,omitempty"`
	Ended            string      `json:"ended"`
	How              string      `json:"how"`
	Rule             int         `json:"rule,omitempty"`
	Header           [][2]string `json:"header,omitempty"`
}

// add writes a line.
func (l *attemptLog) add(a proxy.Attempt) {
	line := loggedAttempt{
		Conn: a.Conn, Stream: a.Stream, Method: a.Method, Start: a.Headers,
		HalfClose: since(a.Headers, a.EndStream), Fault: since(a.Headers, a.Fault), Reset: since(a.Headers, a.Reset), End: since(a.Headers, a.End),
		Messages: a.Messages, Bytes: a.Bytes, ResponseMessages: a.ResponseMessages, ResponseBytes: a.ResponseBytes,
		Status: numeric(a.GRPCStatus), Pushback: a.Pushback, Ended: string(a.Ended), How: a.How, Rule: a.Rule + 1,
	}
	if previous, ok := a.Get("grpc-previous-rpc-attempts"); ok {
		line.PreviousAttempts = numeric(previous)
	}
	line.Timeout, _ = a.Get("grpc-timeout")
	if l.headers {
		for _, h := range a.Header {
			line.Header = append(line.Header, [2]string{h.Name, h.Value})
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.encoder.Encode(line); err != nil && l.err == nil {
		l.err = fmt.Errorf("write the log of attempts: %w", err)
	}
}

// close ends the log. It returns err, or else the first error of writing.
func (l *attemptLog) close(err error) error {
	if l.file != nil {
		if closing := l.file.Close(); l.err == nil {
			l.err = closing
		}
	}
	if err != nil {
		return err
	}
	return l.err
}

// since returns the milliseconds between two times, rounded to microseconds,
// nil when the later one did not come.
func since(start, t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	ms := math.Round(float64(t.Sub(start).Nanoseconds())/1e3) / 1e3
	return &ms
}

// numeric returns what a header says as a number, if it is one. It is nil for
// an empty text.
func numeric(text string) any {
	if text == "" {
		return nil
	}
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return n
	}
	return text
}
