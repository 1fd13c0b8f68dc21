package fault

import (
	"slices"

	"touchstone/server/source"
)

// Capability is what an interpreter of actions can carry out: words of inject,
// and "status OK" for ending a call that succeeded without a response.
type Capability []string

// Unsupported returns a mistake for every word of the plan that is beyond can,
// at its position; nil when all can be carried out. The hint is added to each.
func (p *Plan) Unsupported(can Capability, hint string) source.Errors {
	if p == nil {
		return nil
	}
	r := p.Reporter()
	for _, rule := range p.Rules {
		for _, f := range rule.Action.used() {
			if !slices.Contains(can, f) {
				r.Errorf(rule.Word(f), "%s needs the proxy", f).Hint = hint
			}
		}
	}
	return r.Errors()
}

// Reporter returns a reporter for mistakes in the plan's file.
func (p *Plan) Reporter() *source.Reporter {
	if p.file == nil {
		return &source.Reporter{File: source.NewFile("plan", p.YAML())}
	}
	return &source.Reporter{File: p.file}
}

// Word returns where a word of match or inject stands; where the rule starts
// when it has no such word.
func (rule *Rule) Word(word string) source.Pos {
	if word == statusOK {
		word = "status"
	}
	if pos, ok := rule.words[word]; ok {
		return pos
	}
	return rule.Pos
}

// statusOK is a word of Capability that is not one of the language: a server
// cannot end a unary call with OK and no message.
const statusOK = "status OK"

// used returns the words of inject that the action uses.
func (a Action) used() []string {
	var words []string
	add := func(is bool, word string) {
		if is {
			words = append(words, word)
		}
	}
	add(a.Delay != (Delay{}), "delay")
	add(a.Status != nil && a.Status.Code != 0, "status")
	add(a.Status != nil && a.Status.Code == 0, statusOK)
	add(a.Rst != nil, "rst")
	add(a.Refused, "refused")
	add(a.Close != nil, "close")
	add(a.Reset != nil, "reset")
	add(a.Blackhole != nil, "blackhole")
	add(a.HTTP != nil, "http")
	add(a.DropTrailers, "drop_trailers")
	add(a.Truncate != nil, "truncate")
	add(a.HalfOpen != nil, "half_open")
	add(a.AfterRequests > 0, "after_requests")
	add(a.AfterMessages > 0, "after_messages")
	add(a.WithHeaders, "with_headers")
	add(len(a.Settings) > 0, "settings")
	add(len(a.GoAways) > 0, "goaway")
	add(a.Informational > 0, "informational")
	add(a.Corrupt != "", "corrupt")
	add(a.Bandwidth > 0, "bandwidth")
	return words
}
