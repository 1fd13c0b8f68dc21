package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/diff"
	"touchstone/loadgen/fixture"
	"touchstone/loadgen/report"
	"touchstone/loadgen/safety"
	"touchstone/loadgen/schema"
	"touchstone/loadgen/transport"
)

// Config says what a Player does.
type Config struct {
	// Open opens the recording, once for each loop. Name is for messages.
	Open func() (*fixture.File, error)
	Name string

	// Targets get every call. With one, its answers are compared with those
	// recorded. With three, the first two are the baseline: the third one's
	// answers are compared with the first's, and what differs between the first
	// two is noise.
	Targets []grpc.ClientConnInterface

	// Transport is what makes the calls, for the report: "" is channel.
	Transport string

	// Schema is used where the recording has no descriptors; it may be nil.
	Schema *schema.Schema

	Pace   Pace
	Loops  int // 0 is 1
	Sample Sample
	// Keep says which methods are replayed; nil: all.
	Keep func(method string) bool
	// Calls and Duration bound the run; 0: no bound but the recording's end.
	Calls    int
	Duration time.Duration

	// Rules say what is no difference.
	Rules diff.Rules
	// AutoIDs takes any value that looks like an id, and that the live server
	// makes anew, as its stand-in in later requests. Rules.IDs name such values.
	AutoIDs bool
	// ShiftTime moves the timestamps of requests by the time that has passed
	// since the recording.
	ShiftTime bool
	// Secret looks a variable of the environment up, for ${secret.NAME}.
	Secret func(name string) (string, bool)
	// SecretsFromUnredacted fills secrets in, too, where the recording's header
	// does not say that it was redacted. There any client may have written
	// ${secret.NAME}, to be told the value.
	SecretsFromUnredacted bool
	// Override are metadata fields that are not taken from the recording,
	// since the connections send their own.
	Override map[string]bool

	// Guard holds the caps; nil: no caps.
	Guard *safety.Guard
	// Timeout is the deadline of calls that have none in the recording, 0 for
	// none.
	Timeout time.Duration
	// Patience is how long a message waits for the answers that came before it
	// in the recording. 0 is 5 s.
	Patience time.Duration
	// Drain is how long calls under way at the end are waited for. 0 is 30 s.
	Drain time.Duration
	// Window is how many bytes of the recording are read ahead. 0 is 32 MiB.
	Window int

	// Progress, when set, is called with each second of the run as it ends.
	Progress func(report.Window)
}

// validate states what is wrong, and fills in defaults.
func (c *Config) validate() error {
	switch {
	case c.Open == nil || len(c.Targets) != 1 && len(c.Targets) != 3:
		return errors.New("a replay needs a recording, and one target or three")
	case !(c.Pace.Rate >= 0) || !(c.Pace.Speed >= 0) || c.Loops < 0 || c.Calls < 0 || c.Duration < 0:
		return errors.New("a replay takes no negative numbers")
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Patience, 5 * time.Second}, {&c.Drain, 30 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	c.Loops, c.Window = max(c.Loops, 1), max(c.Window, 0)
	if c.Window == 0 {
		c.Window = 32 << 20
	}
	if c.Guard == nil {
		c.Guard = safety.NewGuard(0, 0)
	}
	if c.Secret == nil {
		c.Secret = func(string) (string, bool) { return "", false }
	}
	return nil
}

// Outcome is what a replay showed.
type Outcome struct {
	Load     report.Load
	Diff     *report.Diff
	Warnings []string // what a reader should know
}

// Run replays and returns when all calls have ended. When ctx ends, no more
// calls are made and those under way are cancelled; the outcome so far is
// returned together with context.Cause(ctx). Other errors are those of the
// recording, after which calls under way are cancelled too.
func Run(ctx context.Context, cfg Config) (Outcome, error) {
	if err := cfg.validate(); err != nil {
		return Outcome{}, err
	}
	comparer, err := diff.New(cfg.Rules)
	if err != nil {
		return Outcome{}, err
	}
	calls, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	p := &player{Config: cfg, comparer: comparer, calls: calls, cut: cut, start: time.Now(), pending: make(chan *call, maxPending)}
	p.room = sync.NewCond(&p.mu)
	p.tally = newTally(len(cfg.Targets))
	stopWake := context.AfterFunc(calls, p.wake)
	defer stopWake()
	stopWindows := p.tally.watch(p.start, cfg.Progress)

	var reader sync.WaitGroup
	reader.Go(p.read)
	p.makeCalls()
	p.drain()
	reader.Wait()
	stopWindows()
	return p.outcome(), p.cause(ctx)
}

// player is one replay under way.
type player struct {
	Config
	comparer *diff.Comparer
	calls    context.Context // of the calls
	cut      context.CancelCauseFunc
	start    time.Time
	pending  chan *call // to be made, in order; closed by the reader
	tally    *tally
	warned   bool           // of secrets that are not filled in; of the reader
	running  sync.WaitGroup // calls under way

	mu       sync.Mutex // guards what follows
	room     *sync.Cond // of mu: something has been taken from what was read ahead
	ahead    int        // bytes read and not yet taken
	open     int        // calls under way
	starved  int        // those of them that wait for the reader
	entering bool       // a call waits for the caps
	done     bool       // the reader is not to read on
	warnings []string
}

// maxPending bounds the calls that wait to be made: more than the window holds.
const maxPending = 1 << 17

// errDone ends the reader when no more calls are to be made.
var errDone = errors.New("no more calls are to be made")

// makeCalls makes each call when it is due and the caps let it.
func (p *player) makeCalls() {
	made := 0
	for c := range p.pending {
		bounded := p.Calls > 0 && made >= p.Calls || p.Duration > 0 && c.due >= p.Duration
		if bounded || !transport.Pause(p.calls, time.Until(p.start.Add(c.due))) || !p.enter(c) {
			p.stopReading()
			c.forget()
			continue // so that the reader is never stuck with a full channel
		}
		made++
		p.mu.Lock()
		p.open++
		p.mu.Unlock()
		p.running.Go(func() {
			c.run(p.calls)
			p.mu.Lock()
			p.open--
			p.mu.Unlock()
			p.room.Broadcast()
		})
	}
}

// enter passes the guard once for each target.
func (p *player) enter(c *call) bool {
	p.setEntering(true)
	defer p.setEntering(false)
	for i := range c.legs {
		if !p.Guard.Enter(p.calls) {
			for range i {
				p.Guard.Leave(false)
			}
			return false
		}
	}
	return true
}

func (p *player) setEntering(entering bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entering = entering
	p.room.Broadcast()
}

// drain waits for the calls under way, for as long as is given to them.
func (p *player) drain() {
	timer := time.AfterFunc(p.Drain, func() { p.cut(errDrained) })
	defer timer.Stop()
	p.running.Wait()
}

// errDrained is the cause of calls that are cut at the end.
var errDrained = errors.New("the time for calls under way at the end is over")

// cause returns why the run ended early, nil when it did not.
func (p *player) cause(ctx context.Context) error {
	if err := context.Cause(p.calls); err != nil && err != errDrained {
		return err
	}
	return context.Cause(ctx)
}

func (p *player) stopReading() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	p.room.Broadcast()
}

// wake lets everything that waits see that the run has ended.
func (p *player) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room.Broadcast()
}

// warn notes something for the report, the first few of them.
func (p *player) warn(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.warnings) < 20 {
		p.warnings = append(p.warnings, fmt.Sprintf(format, args...))
	}
}

// outcome sums up.
func (p *player) outcome() Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	load := p.tally.load(p.Pace)
	load.Transport = cmp.Or(p.Transport, "channel")
	if p.tally.cancelled > 0 && context.Cause(p.calls) == errDrained {
		load.Aborted = fmt.Sprintf("%d calls were cut %v after the last was due", p.tally.cancelled, p.Drain)
	}
	warnings := p.warnings
	if late := load.Lag.Max; late > lateMS {
		warnings = append(warnings, fmt.Sprintf("calls left up to %.0f ms after they were due: what they met is not what the recorded ones met", late))
	}
	return Outcome{Load: load, Diff: p.tally.diff(), Warnings: warnings}
}

// lateMS is how late a call may leave without a word, in milliseconds.
const lateMS = 100

// output returns the type of the answers of a method, nil when it is unknown.
func outputOf(md protoreflect.MethodDescriptor) protoreflect.MessageDescriptor {
	if md == nil {
		return nil
	}
	return md.Output()
}
