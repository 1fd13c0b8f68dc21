package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"touchstone/loadgen/fixture"
	"touchstone/loadgen/schema"
)

// newFixtureInfoCommand makes `loadgen fixture info`.
func newFixtureInfoCommand(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "info FILE.grpcfix",
		Short: "Say what is in a recording",
		Long: `info reads a recording to its end and says when and how it was made, what was
redacted, and for each method how many calls it holds, their rate, messages,
bytes and statuses. It also reads what is left of a recording that was cut.`,
		Example: `  loadgen fixture info session.grpcfix
  loadgen fixture info session.grpcfix --json | jq .methods`,
		Args: wantRecording,
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := openFixture(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			s := &sum{Header: f.Header(), Compressed: f.Compressed(), methods: map[string]*methodSum{}, open: map[uint64]*methodSum{}}
			for event, err := range f.Events() {
				if err != nil {
					return withCode(exitFile, err)
				}
				s.add(f.Schema, event)
			}
			s.finish(f.Cut())
			if asJSON {
				encoder := json.NewEncoder(e.stdout)
				encoder.SetIndent("", "  ")
				return encoder.Encode(s)
			}
			s.print(e.stdout, args[0])
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// sum is what a recording comes to.
type sum struct {
	Header     fixture.Header `json:"header"`
	Compressed bool           `json:"compressed"`
	Calls      int            `json:"calls"`
	Open       int            `json:"without_end"`
	Events     int            `json:"events"`
	Dropped    int            `json:"dropped_messages"`
	Duration   float64        `json:"duration_s"`
	Cut        string         `json:"cut,omitempty"`
	Methods    []*methodSum   `json:"methods"`

	methods map[string]*methodSum
	open    map[uint64]*methodSum // of the calls under way
}

// methodSum is what the calls of one method come to.
type methodSum struct {
	Method        string         `json:"method"`
	Kind          string         `json:"kind,omitempty"`
	Calls         int            `json:"calls"`
	Sent          int            `json:"sent"`
	Received      int            `json:"received"`
	BytesSent     int            `json:"bytes_sent"`
	BytesReceived int            `json:"bytes_received"`
	Cancelled     int            `json:"cancelled,omitempty"`
	Statuses      map[string]int `json:"statuses"`
}

// add counts an event.
func (s *sum) add(known *schema.Schema, e fixture.Event) {
	s.Events++
	s.Duration = max(s.Duration, e.T.Seconds())
	if e.Kind == fixture.Start {
		s.Calls++
		m := s.methods[e.Method]
		if m == nil {
			m = &methodSum{Method: e.Method, Kind: callKind(known, e.Method), Statuses: map[string]int{}}
			s.methods[e.Method] = m
		}
		m.Calls++
		s.open[e.Call] = m
	}
	m := s.open[e.Call]
	if m == nil {
		return
	}
	size := len(e.Bytes)
	if e.Size > 0 {
		size = e.Size
	}
	switch e.Kind {
	case fixture.Send:
		m.Sent, m.BytesSent = m.Sent+1, m.BytesSent+size
	case fixture.Recv:
		m.Received, m.BytesReceived = m.Received+1, m.BytesReceived+size
	case fixture.Cancel:
		m.Cancelled++
	case fixture.End:
		m.Statuses[e.Status]++
		delete(s.open, e.Call)
	}
	if e.Dropped != "" {
		s.Dropped++
	}
}

// callKind returns the kind of a method, "" when it is unknown.
func callKind(known *schema.Schema, method string) string {
	if known == nil {
		return ""
	}
	md, err := known.Method(method)
	if err != nil {
		return ""
	}
	switch {
	case md.IsStreamingClient() && md.IsStreamingServer():
		return "bidi stream"
	case md.IsStreamingClient():
		return "client stream"
	case md.IsStreamingServer():
		return "server stream"
	}
	return "unary"
}

func (s *sum) finish(cut *fixture.Cut) {
	s.Open = len(s.open)
	for _, name := range slices.Sorted(maps.Keys(s.methods)) {
		s.Methods = append(s.Methods, s.methods[name])
	}
	if cut != nil {
		s.Cut = fmt.Sprintf("line %d: %s", cut.Line, cut.Reason)
	}
}

func (s *sum) print(w io.Writer, path string) {
	form := "plain"
	if s.Compressed {
		form = "zstd"
	}
	h := s.Header
	fmt.Fprintf(w, "%s: version %d, %s\n", path, h.Version, form)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("recorded", "%s%s", h.Started.Format(time.RFC3339), after(" by ", h.Tool))
	if h.Target != "" {
		line("target", "%s", h.Target)
	}
	if h.Descriptors != nil {
		line("descriptors", "%s, sha256 %.16s...", h.Descriptors.Path, h.Descriptors.SHA256)
	} else {
		line("descriptors", "none: messages are bytes of unknown type")
	}
	switch {
	case !h.Redaction.Applied:
		line("redaction", "NONE: it may hold secrets")
	default:
		line("redaction", "%s", h.Redaction.Policy)
	}
	line("calls", "%d in %.3gs%s", s.Calls, s.Duration, s.rate())
	if s.Open > 0 {
		line("", "%d of them have no end", s.Open)
	}
	line("events", "%d", s.Events)
	if s.Dropped > 0 {
		line("dropped", "%d messages were not recorded", s.Dropped)
	}
	if s.Cut != "" {
		line("cut", "%s", s.Cut)
	}
	s.printMethods(w)
}

// rate is the rate of calls in words, "" when there is none to speak of.
func (s *sum) rate() string {
	if s.Duration <= 0 {
		return ""
	}
	return fmt.Sprintf(", %.3g/s", float64(s.Calls)/s.Duration)
}

// after returns a text behind what introduces it, "" when it is empty.
func after(lead, text string) string {
	if text == "" {
		return ""
	}
	return lead + text
}

func (s *sum) printMethods(w io.Writer) {
	if len(s.Methods) == 0 {
		return
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  method\tkind\tcalls\tout\tin\tbytes out\tbytes in\tstatuses")
	for _, m := range s.Methods {
		kind := m.Kind
		if kind == "" {
			kind = "?"
		}
		fmt.Fprintf(table, "  %s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", m.Method, kind, m.Calls, m.Sent, m.Received, m.BytesSent, m.BytesReceived, m.statuses())
	}
	table.Flush()
}

// statuses lists how calls ended, the most frequent first.
func (m *methodSum) statuses() string {
	names := slices.Sorted(maps.Keys(m.Statuses))
	slices.SortStableFunc(names, func(a, b string) int { return m.Statuses[b] - m.Statuses[a] })
	var out []string
	for _, name := range names {
		out = append(out, fmt.Sprintf("%s %d", name, m.Statuses[name]))
	}
	if m.Cancelled > 0 {
		out = append(out, fmt.Sprintf("(%d cancelled)", m.Cancelled))
	}
	return strings.Join(out, ", ")
}
