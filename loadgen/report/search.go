package report

// Capacity is the outcome of a search for the highest rate at which conditions
// hold.
type Capacity struct {
	Conditions []string        `json:"conditions"`
	FoundRPS   float64         `json:"found_rps"`        // 0: none was found
	Confirmed  bool            `json:"confirmed"`        // the last run at FoundRPS held
	Reason     string          `json:"reason,omitempty"` // why the search ended as it did
	Points     []CapacityPoint `json:"points"`           // in the order in which they were run
}

// CapacityPoint is one run of a search, at one rate.
type CapacityPoint struct {
	Phase       string   `json:"phase"` // ramp, bisect or confirm
	RateRPS     float64  `json:"rate_rps"`
	AchievedRPS float64  `json:"achieved_rps"`
	Verdict     string   `json:"verdict"`          // pass, fail, undecided or invalid
	Failed      []string `json:"failed,omitempty"` // the conditions that did not hold, with values
	ErrorRate   float64  `json:"error_rate"`
	Response    Latency  `json:"response"`
}

// Diff is how live answers differ from recorded ones.
type Diff struct {
	Calls     int         `json:"calls"`             // compared
	Different int         `json:"different"`         // calls with at least one difference
	Noise     int         `json:"noise,omitempty"`   // differences taken away, since the baseline differs from itself there
	Ignored   int         `json:"ignored,omitempty"` // differences that ignore rules cover
	Groups    []DiffGroup `json:"groups,omitempty"`
	// Recorded is how long the calls took in the recording; the load's service
	// time stands against it.
	Recorded *Latency `json:"recorded,omitempty"`
}

// DiffGroup is one distinct difference, however many calls show it.
type DiffGroup struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`  // such as message.data.items[].score, status, trailer.x-count
	Kind    string      `json:"kind"`  // changed, missing, extra, reordered or type
	Count   int         `json:"count"` // calls
	Example DiffExample `json:"example"`
	Ignore  string      `json:"ignore"` // the rule that would ignore it, ready to paste
}

// DiffExample is one occurrence of a difference.
type DiffExample struct {
	Call int    `json:"call"` // its number in the fixture
	Want string `json:"want"`
	Got  string `json:"got"`
}
