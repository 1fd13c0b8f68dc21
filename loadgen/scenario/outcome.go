package scenario

import (
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"touchstone/loadgen/schema"
)

// Outcome is how a call ended.
type Outcome struct {
	Status          *status.Status
	Header, Trailer metadata.MD
	Types           schema.Types // of the target, to read status details
	Duration        time.Duration
	Sent, Received  int // messages
}

// Check checks the outcome and, when all is well, saves captures. After a wrong
// status nothing else is judged: it would only be noise.
func (o *End) Check(v *Vars, r Outcome) []Finding {
	defer o.step.forget(v)
	if finding, ok := o.checkStatus(r.Status); !ok {
		return []Finding{finding}
	}
	var findings []Finding
	if o.statusText != nil {
		findings = append(findings, o.statusText.MatchText(v, r.Status.Message(), "status_message")...)
	}
	for i := range o.details {
		findings = append(findings, o.details[i].run(v, r)...)
	}
	for i := range o.headers {
		md := r.Header
		if o.headers[i].of == varTrailer {
			md = r.Trailer
		}
		findings = append(findings, o.headers[i].run(v, md)...)
	}
	if len(o.conditions)+len(o.saves) == 0 {
		return findings
	}
	scope := o.scope(v, r)
	findings = append(findings, hold(scope, o.conditions, "assert")...)
	if len(findings) == 0 {
		findings = capture(v, scope, o.saves)
	}
	return findings
}

func (o *End) checkStatus(got *status.Status) (Finding, bool) {
	var want []string
	for _, code := range o.status {
		if code == got.Code() {
			return Finding{}, true
		}
		want = append(want, StatusName(code))
	}
	text := StatusName(got.Code())
	if got.Message() != "" {
		text += ": " + got.Message()
	}
	return Finding{Pos: o.statusPos, Field: "status", Want: strings.Join(want, " or "), Got: text}, false
}

// scope returns the variables that tell of the outcome.
func (o *End) scope(v *Vars, r Outcome) *Vars {
	msgs := o.step.noted(v)
	values := map[string]any{
		varMessages:      msgs,
		varCount:         r.Received,
		varStatus:        StatusName(r.Status.Code()),
		varStatusMessage: r.Status.Message(),
		varHeader:        headerMap(r.Header),
		varTrailer:       headerMap(r.Trailer),
		varTook:          r.Duration,
	}
	if len(msgs) > 0 {
		values[varMsg] = msgs[len(msgs)-1]
	}
	return v.Child(values)
}

// run looks for a detail of the type that matches.
func (c *detailCheck) run(v *Vars, r Outcome) []Finding {
	var nearest []Finding
	var others []string
	for _, detail := range r.Status.Proto().GetDetails() {
		if string(detail.MessageName()) != c.typeName {
			others = append(others, string(detail.MessageName()))
			continue
		}
		findings := c.match(v, detail, r.Types)
		if len(findings) == 0 {
			return nil
		}
		if nearest == nil || len(findings) < len(nearest) {
			nearest = findings
		}
	}
	if nearest == nil {
		got := "no details"
		if others != nil {
			got = strings.Join(others, ", ")
		}
		nearest = []Finding{{Pos: c.pos, Field: "details", Want: c.typeName, Got: got}}
	}
	return nearest
}

func (c *detailCheck) match(v *Vars, detail *anypb.Any, types schema.Types) []Finding {
	field := "details[" + c.typeName + "]"
	mt, err := types.FindMessageByURL(detail.GetTypeUrl())
	if err != nil {
		return []Finding{{Pos: c.pos, Field: field, Message: "the target's schema does not have the type"}}
	}
	m := mt.New().Interface()
	if err := (proto.UnmarshalOptions{Resolver: types}).Unmarshal(detail.GetValue(), m); err != nil {
		return []Finding{{Pos: c.pos, Field: field, Message: err.Error()}}
	}
	return c.pattern.Match(v, m, field)
}
