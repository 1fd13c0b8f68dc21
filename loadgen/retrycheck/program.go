package retrycheck

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"touchstone/loadgen/retry"
)

// Program is a client in any language: a command that is started once for each
// check, learns from its environment what to do, and prints one line a call,
// the status code's name or number.
//
//	TARGET          host:port, plaintext
//	METHOD          HelloService/SayHello, LotsOfGreetings, LotsOfReplies or BidiHello
//	CALLS           how many calls to make
//	PARALLEL        how many at a time; above 1, each on a channel of its own
//	DEADLINE_MS     of each call; empty for none
//	CANCEL_MS       each call is cancelled after it; empty for never
//	REQUEST_BYTES   size of each request in all; empty for a few
//	METADATA        "name: value", sent with each call; empty for none
//	SERVICE_CONFIG  JSON; empty for the client's own policy
//
// Requests are HelloRequest messages. A unary and a server-streaming call send
// the greeting "m1", the others the greetings "m1", "m2", "m3" and then
// half-close; all padded with x to REQUEST_BYTES, a third each where there are
// three. After calls that were cancelled, channels stay open for 100 ms, so that
// the reset is seen. A program that refuses SERVICE_CONFIG exits with a status other than
// 0 and prints nothing to stdout.
type Program struct {
	Command []string
}

// ProgramCan is what a program is taken to be able to do.
var ProgramCan = []retry.Need{retry.NeedConfig, retry.NeedParallel, retry.NeedDeadline, retry.NeedSize, retry.NeedCancel, retry.NeedMetadata, retry.NeedStreaming, retry.NeedNoHedging}

// Run implements [Subject].
func (p Program) Run(ctx context.Context, job Job) (Outcome, error) {
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	cmd.Env = append(os.Environ(), environment(job)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children go with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	exit, exited := errors.AsType[*exec.ExitError](err)
	if err != nil && !exited {
		return Outcome{}, fmt.Errorf("start %q: %w", p.Command[0], err)
	}
	out := Outcome{Statuses: parseStatuses(stdout.String())}
	switch {
	case exited && exit.ExitCode() < 0:
		out.Crashed = fmt.Sprintf("%v: %s", exit, lastLine(stderr.String()))
		if ctx.Err() != nil {
			out.Crashed = fmt.Sprintf("it did not end within %v", checkTimeout)
		}
	case exited && len(out.Statuses) == 0:
		out.Rejected = cmp.Or(lastLine(stderr.String()), exit.Error())
	}
	return out, nil
}

// environment is the job as variables.
func environment(job Job) []string {
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	return []string{
		"TARGET=" + job.Target, "METHOD=" + job.Method, "CALLS=" + strconv.Itoa(job.Calls), "PARALLEL=" + strconv.Itoa(job.Parallel),
		"DEADLINE_MS=" + number(job.Deadline.Milliseconds()), "CANCEL_MS=" + number(job.Cancel.Milliseconds()),
		"REQUEST_BYTES=" + number(int64(job.RequestBytes)), "METADATA=" + job.Metadata, "SERVICE_CONFIG=" + job.Config,
	}
}

// parseStatuses reads one status a line, by name or number; lines that are
// neither are what programs print beside.
func parseStatuses(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		word := strings.ToUpper(strings.TrimSpace(line))
		for code := range uint32(17) {
			name := retry.CodeName(code)
			if word == name || word == strconv.Itoa(int(code)) || word == strings.ReplaceAll(name, "_", "") || code == 1 && word == "CANCELED" {
				out = append(out, name)
			}
		}
	}
	return out
}

// lastLine returns the last line of a text that is not empty.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
