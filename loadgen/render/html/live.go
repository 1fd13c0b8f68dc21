package html

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"touchstone/loadgen/report"
)

//go:embed assets/live.js
var liveScript string

// WriteLive writes the report of a run that still goes on, as a page that asks
// for itself again, where it came from, and shows what is new in its place. An
// error is the writer's.
func WriteLive(w io.Writer, r *report.Report) error {
	v := newView(r)
	v.Verdict, v.Live = "Running", true
	v.assets.renew()
	return write(w, v)
}

// renew adds what a page needs to ask for itself.
func (a *assets) renew() {
	a.Scripts = append(a.Scripts, template.JS(liveScript))
	a.Policy = strings.Replace(a.Policy, "script-src ", "script-src "+hash(liveScript)+" ", 1) + "; connect-src 'self'"
}
