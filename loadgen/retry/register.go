package retry

import (
	"fmt"
	"slices"
	"strings"

	"touchstone/server/source"
)

// Register lists the checks that a client is known to fail, each with a
// reason. A check that is listed and fails is a deviation; one that is listed
// and passes makes the register stale, which is a failure: a list that nobody
// has to keep rots.
type Register struct {
	Client  string // such as grpc-go
	Version string // that the list was made with
	Entries []Entry
}

// Entry is one line of a register.
type Entry struct {
	Pos    source.Pos
	Check  string // the check's id
	Reason string // what the client does instead, and where that is decided
	// Sometimes is for what does not show in every run, such as a race in the
	// client: the check may pass, too.
	Sometimes bool
}

// ParseRegister reads a register: YAML with client, version and deviations, a
// list of {check, reason, sometimes}. The error is a [source.Errors].
func ParseRegister(name string, text []byte) (*Register, error) {
	file := source.NewFile(name, string(text))
	node, err := source.ParseYAML(file, text)
	if err != nil {
		return nil, err
	}
	r := &source.Reporter{File: file}
	m := r.Mapping(node)
	out := &Register{Client: r.Str(m.Need("client")), Version: r.Scalar(m.Take("version"))}
	for _, item := range r.List(m.Take("deviations")) {
		out.Entries = append(out.Entries, parseEntry(r, item))
	}
	m.Done()
	return out, r.Err()
}

func parseEntry(r *source.Reporter, n *source.Node) Entry {
	m := r.Mapping(n)
	check, reason := m.Need("check"), m.Need("reason")
	e := Entry{Pos: n.Pos, Check: r.Str(check), Reason: strings.TrimSpace(r.Str(reason)), Sometimes: r.Bool(m.Take("sometimes"))}
	m.Done()
	if reason != nil && e.Reason == "" {
		r.Errorf(reason.Pos, "a deviation without a reason")
	}
	ids := CheckIDs()
	if check != nil && !slices.Contains(ids, e.Check) {
		r.Errorf(check.Pos, "there is no check %q", e.Check).Hint = source.DidYouMean(e.Check, ids)
	}
	return e
}

// CheckIDs returns the ids of all checks.
func CheckIDs() []string {
	var ids []string
	for _, c := range Checks() {
		ids = append(ids, c.ID)
	}
	return ids
}

// Apply holds a result against the register. A nil register changes nothing.
func (reg *Register) Apply(r Result) Result {
	if reg == nil {
		return r
	}
	for _, e := range reg.Entries {
		if e.Check != r.ID {
			continue
		}
		switch r.Verdict {
		case Fail:
			r.Verdict = Deviation
			r.Notes = append(r.Notes, e.Reason)
		case Pass:
			if e.Sometimes {
				break
			}
			r.Verdict = Fail
			r.Notes = append(r.Notes, fmt.Sprintf("the register of %s lists it as a deviation, and it passes: take the entry out", reg.Client))
		}
	}
	return r
}
