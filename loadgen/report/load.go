package report

// Load is the outcome of one load.
type Load struct {
	Name            string           `json:"name"`
	Method          string           `json:"method"`
	Kind            string           `json:"kind"`
	Transport       string           `json:"transport"`
	Arrival         string           `json:"arrival"`
	OfferedRPS      float64          `json:"offered_rps"`
	AchievedRPS     float64          `json:"achieved_rps"`
	Scheduled       int64            `json:"scheduled"` // = Sent + Dropped
	Sent            int64            `json:"sent"`      // = Completed + Cancelled
	Completed       int64            `json:"completed"` // = the sum of Statuses
	Cancelled       int64            `json:"cancelled"` // still in flight when the run ended
	Dropped         int64            `json:"dropped"`   // refused by the in-flight cap
	Statuses        map[string]int64 `json:"statuses"`
	AttemptsPerCall float64          `json:"attempts_per_call"`
	Response        Latency          `json:"response"` // from the intended send time
	Service         Latency          `json:"service"`  // from the actual send
	Lag             Latency          `json:"lag"`      // actual send minus intended
	Stream          *Stream          `json:"stream,omitempty"`
	Windows         []Window         `json:"windows,omitempty"`
	CPU             CPU              `json:"cpu"`
	MaxRSSMB        float64          `json:"max_rss_mb"`

	Replayed    bool               `json:"replayed,omitempty"` // of recorded calls: a status is right when it was recorded
	Connections int                `json:"connections,omitempty"`
	Aborted     string             `json:"aborted,omitempty"`   // why the run ended early
	ByStatus    map[string]Latency `json:"by_status,omitempty"` // response time by status, when there are several
	Methods     []Method           `json:"methods,omitempty"`   // of a mix of methods
	Phases      []Phase            `json:"phases,omitempty"`
	Marks       []Mark             `json:"marks,omitempty"`
	Calls       []Call             `json:"calls,omitempty"` // a few: the slowest, and failed ones
	GC          *GC                `json:"gc,omitempty"`
	Checks      *Checks            `json:"checks,omitempty"` // of responses, when they were asked for
}

// Checks is what came of judging responses.
type Checks struct {
	Judged   int64    `json:"judged"`             // calls
	Failed   int64    `json:"failed"`             // calls of which an expectation did not hold
	Examples []string `json:"examples,omitempty"` // what was wrong with a few
}

// Method is one method's share of a mix.
type Method struct {
	Method    string           `json:"method"`
	Kind      string           `json:"kind"`
	Weight    float64          `json:"weight"` // as a share of all
	Sent      int64            `json:"sent"`
	Completed int64            `json:"completed"`
	Cancelled int64            `json:"cancelled"`
	Dropped   int64            `json:"dropped"`
	Statuses  map[string]int64 `json:"statuses"`
	Response  Latency          `json:"response"`
	Service   Latency          `json:"service"`
	Lag       Latency          `json:"lag"`
}

// Phase is a part of a load with an aim of its own, such as warm-up, a step of
// the rate, or cool-down.
type Phase struct {
	Name   string  `json:"name"`
	StartS float64 `json:"start_s"` // from the end of the warm-up, so negative within it
	EndS   float64 `json:"end_s"`
}

// Mark is a moment of a load that explains what the figures do then.
type Mark struct {
	T    float64 `json:"t"`    // seconds from the end of the warm-up
	Kind string  `json:"kind"` // stage, connect, dial failed, goaway, lost, abort
	Text string  `json:"text"`
}

// Call is one call of a load, kept as an example.
type Call struct {
	N          int64     `json:"n"`   // in the order of the schedule, from 0
	Why        string    `json:"why"` // slowest or failed
	Method     string    `json:"method,omitempty"`
	DueMS      float64   `json:"due_ms"`             // from the end of the warm-up
	SentMS     float64   `json:"sent_ms"`            // from due, as what follows is
	FirstMS    float64   `json:"first_ms,omitempty"` // the first message
	DoneMS     float64   `json:"done_ms"`
	Status     string    `json:"status"`
	StatusText string    `json:"status_message,omitempty"`
	Attempts   []Attempt `json:"attempts,omitempty"` // times from the sending of the call
}

// GC is what the garbage collector of this process did during a load.
type GC struct {
	Cycles       int64   `json:"cycles"`
	PauseMaxMS   float64 `json:"pause_max_ms"`
	PauseTotalMS float64 `json:"pause_total_ms"`
	CPUShare     float64 `json:"cpu_share"` // of the CPU time that GOMAXPROCS allows
}

// Latency summarises a histogram in milliseconds. A quantile that the sample
// is too small for is left out.
type Latency struct {
	Count int64    `json:"count"`
	Min   float64  `json:"min"`
	Mean  float64  `json:"mean"`
	P50   *float64 `json:"p50,omitempty"`
	P75   *float64 `json:"p75,omitempty"`
	P90   *float64 `json:"p90,omitempty"`
	P95   *float64 `json:"p95,omitempty"`
	P99   *float64 `json:"p99,omitempty"`
	P999  *float64 `json:"p99_9,omitempty"`
	Max   float64  `json:"max"`
	HDR   string   `json:"hdr,omitempty"` // HdrHistogram V2, compressed, base64; nanoseconds
}

// Stream holds what only streams have.
type Stream struct {
	FirstMessage    Latency `json:"first_message"`
	BetweenMessages Latency `json:"between_messages"`
	MessagesPerS    float64 `json:"messages_per_s"`
	// Headers is from sent to the response's headers; RoundTrip, of a bidi
	// stream, from a message to its answer.
	Headers   *Latency `json:"headers,omitempty"`
	RoundTrip *Latency `json:"round_trip,omitempty"`
}

// Window is one second of a load.
type Window struct {
	T         float64          `json:"t"` // seconds from the start
	Sent      int64            `json:"sent"`
	Completed int64            `json:"completed"`
	Statuses  map[string]int64 `json:"statuses,omitempty"`
	P50       *float64         `json:"p50,omitempty"`
	P99       *float64         `json:"p99,omitempty"`
	Max       float64          `json:"max"`
	InFlight  int64            `json:"in_flight"`
	Due       int64            `json:"due,omitempty"` // calls that became due in this window
	Dropped   int64            `json:"dropped,omitempty"`
	LagP99    *float64         `json:"lag_p99,omitempty"`
	// HDR is the response times of the window, as in Latency.
	HDR string `json:"hdr,omitempty"`
}

// CPU is what the client process used during a load.
type CPU struct {
	UserS     float64 `json:"user_s"`
	SystemS   float64 `json:"system_s"`
	USPerCall float64 `json:"us_per_call"`
	// Share is that of the CPU time that GOMAXPROCS allows.
	Share *float64 `json:"share,omitempty"`
	// MachineBusy is the share of all CPUs' time that any process used.
	MachineBusy *float64 `json:"machine_busy,omitempty"`
}
