package replay

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/diff"
	"touchstone/loadgen/fixture"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// loop is one pass over the recording.
type loop struct {
	*player
	file     *fixture.File
	schema   *schema.Schema
	types    schema.Types
	calls    map[uint64]*call // under way in the recording
	schedule *schedule
	made     *origins // nil: values are not followed
	tables   []*ids   // one for each target, empty without made
	shift    time.Duration
}

// read reads the recording as often as asked for, ahead of the calls, and ends
// the run if it cannot be read.
func (p *player) read() {
	defer close(p.pending)
	s := &schedule{pace: p.Pace}
	for range p.Loops {
		if err := p.readOnce(s); err != nil {
			if err != errDone {
				p.cut(err)
			}
			return
		}
		s.again()
	}
	if s.capped > 0 {
		p.warn("%d calls were due later than recorded: the cap of %v calls a second is below the recording's pace", s.capped, p.Pace.MaxRate)
	}
}

func (p *player) readOnce(s *schedule) error {
	file, err := p.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	l := &loop{player: p, file: file, schema: file.Schema, calls: map[uint64]*call{}, schedule: s}
	if l.schema == nil {
		l.schema = p.Schema
	}
	if l.schema != nil {
		l.types = l.schema.Types()
	}
	if p.AutoIDs || len(p.Rules.IDs) > 0 {
		l.made = newOrigins()
		for range p.Targets {
			l.tables = append(l.tables, newIDs(p.AutoIDs, l.made))
		}
	}
	if p.ShiftTime {
		l.shift = time.Since(file.Header().Started)
	}
	for e, err := range file.Events() {
		if err == nil {
			err = l.take(&e)
		}
		if err != nil {
			l.abandon()
			return err
		}
	}
	l.abandon()
	if cut := file.Cut(); cut != nil {
		p.warn("%s; the calls before were replayed", cut.Error())
	}
	return nil
}

// abandon ends the calls that the recording does not end.
func (l *loop) abandon() {
	for _, c := range l.calls {
		c.close()
	}
}

// take hands an event to its call.
func (l *loop) take(e *fixture.Event) error {
	if e.Kind == fixture.Start {
		return l.begin(e)
	}
	c := l.calls[e.Call]
	if c == nil {
		return nil // it is not replayed
	}
	if e.Kind == fixture.End {
		l.schedule.over(e.T)
		delete(l.calls, e.Call)
	} else {
		l.schedule.seen(e.T)
	}
	if e.Dropped != "" && e.Bytes == nil && e.JSON == nil {
		l.warn("%s:%d: call %d is replayed up to here: the message was not recorded (%s)", l.Name, e.Line, e.Call, e.Dropped)
		l.schedule.open--
		delete(l.calls, e.Call)
		c.close()
		return nil
	}
	return l.hand(c, e)
}

// hand queues an event for its call.
func (l *loop) hand(c *call, e *fixture.Event) error {
	queued, err := l.prepare(c, e)
	if err != nil {
		return err
	}
	if err := l.reserve(queued.size); err != nil {
		return err
	}
	c.push(queued)
	return nil
}

// begin starts a call, unless it is left out.
func (l *loop) begin(e *fixture.Event) error {
	if l.Keep != nil && !l.Keep(e.Method) || !l.Sample.Keeps(e) {
		return nil
	}
	c := &call{loop: l, number: int(e.Call), method: e.Method, recorded: e.T, timeout: e.Timeout, due: l.schedule.start(e.T)}
	if l.schema != nil {
		c.descriptor, _ = l.schema.Method(e.Method) // unknown: its messages are bytes
	}
	c.init()
	if err := l.hand(c, e); err != nil {
		return err
	}
	l.calls[e.Call] = c
	select {
	case l.pending <- c:
		return nil
	case <-l.player.calls.Done():
		return context.Cause(l.player.calls)
	}
}

// maxAhead is how many windows are read ahead at most, for calls under way
// that wait for what comes later in the recording.
const maxAhead = 8

// reserve waits until there is room for another event. While a call under way
// waits for its next event, the reader goes on beyond the window, up to a
// limit: the event may be behind those of calls that have not begun.
func (l *loop) reserve(size int) error {
	p := l.player
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.ahead >= p.Window && (p.starved == 0 || p.ahead >= maxAhead*p.Window) {
		if err := context.Cause(p.calls); err != nil {
			return err
		}
		if p.done {
			return errDone
		}
		if p.stuck() {
			return fmt.Errorf("the calls under way need what is more than %d MiB further on in the recording\nhint: raise --window or --max-in-flight", maxAhead*p.Window>>20)
		}
		p.room.Wait()
	}
	if err := context.Cause(p.calls); err != nil {
		return err
	}
	if p.done {
		return errDone
	}
	p.ahead += size
	return nil
}

// stuck reports whether nothing can go on: the calls under way need what comes
// later in the recording, as many of them as there may be, and no more is read
// ahead. The mutex is held.
func (p *player) stuck() bool {
	return p.ahead >= maxAhead*p.Window && p.entering && p.starved > 0 && p.starved == p.open && p.Guard.Full()
}

// prepare turns an event into what a call needs of it: messages as bytes, and
// where the values of a request come from.
func (l *loop) prepare(c *call, e *fixture.Event) (queued, error) {
	q := queued{kind: e.Kind, recorded: e.T, metadata: e.Metadata, size: 256}
	switch e.Kind {
	case fixture.Start:
		return q, l.fill(&q, e, nil)
	case fixture.Send, fixture.Recv:
		md := messageType(c, e.Kind)
		var err error
		if q.data, err = e.Message(l.Name, md, l.types); err != nil {
			return q, err
		}
		q.size += len(q.data)
		if e.Kind == fixture.Recv {
			c.answers++
			l.noteValues(e, origin{c, c.answers})
			return q, nil
		}
		return q, l.fill(&q, e, md)
	case fixture.End:
		q.end = e
		q.size += len(e.Details)
	}
	return q, nil
}

func messageType(c *call, kind fixture.Kind) protoreflect.MessageDescriptor {
	switch {
	case c.descriptor == nil:
		return nil
	case kind == fixture.Send:
		return c.descriptor.Input()
	}
	return c.descriptor.Output()
}

// fill puts secrets into what is sent, and notes which answers it depends on.
func (l *loop) fill(q *queued, e *fixture.Event, md protoreflect.MessageDescriptor) error {
	var missing string
	secret := func(s string) string {
		if hasSecret(s) && !l.trusted() {
			l.warnUntrusted(e.Line)
			return s
		}
		out, none := putSecrets(s, l.Secret)
		if none != "" {
			missing = none
		}
		return out
	}
	if e.Kind == fixture.Start {
		q.metadata = nil
		for _, p := range e.Metadata {
			p.Value = secret(p.Value)
			q.metadata = append(q.metadata, p)
		}
	} else if md != nil {
		r := rewriter{types: l.types, text: secret, shift: l.shift}
		if l.shift != 0 || hasSecret(string(q.data)) {
			q.data = r.bytes(md, q.data)
		}
	}
	if missing != "" {
		return &source.Error{File: l.Name, Pos: source.Pos{Line: e.Line, Col: 1}, Msg: fmt.Sprintf("${secret.%s} is not to be had", missing),
			Hint: "set " + SecretPrefix + missing + " in the environment"}
	}
	l.follow(q, e)
	return nil
}

// trusted reports whether what the recording asks for secrets with is the
// work of its redaction, which leaves nothing of the kind that a client wrote.
func (l *loop) trusted() bool {
	return l.SecretsFromUnredacted || l.file.Header().Redaction.Applied
}

// warnUntrusted says once that a secret is not filled in.
func (l *loop) warnUntrusted(line int) {
	if !l.warned {
		l.warned = true
		l.warn("%s:%d: ${secret.NAME} is sent as it stands, and all others too: the recording is not redacted, so a client may have written it; --secrets-from-unredacted fills them in", l.Name, line)
	}
}

// follow notes the answers whose values a request has.
func (l *loop) follow(q *queued, e *fixture.Event) {
	if l.made == nil {
		return
	}
	seen := func(value string) {
		if from, ok := l.made.of(value); ok {
			q.needs = append(q.needs, from)
			return
		}
		l.made.note(value, origin{})
	}
	for _, p := range e.Metadata {
		for word := range words(p.Value) {
			seen(word)
		}
	}
	values(l.json(e), seen)
}

// noteValues notes the values of an answer.
func (l *loop) noteValues(e *fixture.Event, from origin) {
	if l.made != nil {
		values(l.json(e), func(value string) {
			if idLike(value) || len(l.Rules.IDs) > 0 {
				l.made.note(value, from)
			}
		})
	}
}

// json returns the message of an event as JSON.
func (l *loop) json(e *fixture.Event) []byte {
	if e.JSON == nil && l.schema != nil {
		e.Describe(l.schema)
	}
	return e.JSON
}

// comparerFor returns the comparer of a target's answers with the recorded
// ones.
func (l *loop) comparerFor(target int) *diff.Comparer {
	c := *l.comparer
	if l.types != nil {
		c.Types = l.types
	}
	var made *ids
	if len(l.tables) > 0 {
		made = l.tables[target]
	}
	redacted := l.trusted()
	if made == nil && !redacted {
		return &c
	}
	c.Same = func(recorded, live string, named bool) bool {
		return redacted && fitsRedacted(recorded, live) || made != nil && made.same(recorded, live, named)
	}
	return &c
}
