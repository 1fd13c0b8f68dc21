// Package html shows a report as one self-contained page: report.html opens
// from disk, asks no network for anything, and runs only the style and scripts
// whose hashes stand in its content security policy.
//
// The figures of charts are in a JSON block, and each chart has a table of the
// same figures. Size is bounded: windows, rows and foreign text are cut to
// limits, and the page says where.
package html

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"touchstone/loadgen/report"
)

var (
	//go:embed assets/*.tmpl
	pages embed.FS
	//go:embed assets/report.css
	ownStyle string
	//go:embed assets/paint.js
	paintScript string
	//go:embed assets/charts.js
	chartsScript string
	//go:embed assets/report.js
	ownScript string
	//go:embed assets/uplot/uPlot.iife.min.js
	chartScript string
	//go:embed assets/uplot/uPlot.min.css
	chartStyle string
	//go:embed assets/uplot/LICENSE
	chartLicence string
)

// Write writes r as a page. An error is the writer's.
func Write(w io.Writer, r *report.Report) error { return write(w, newView(r)) }

// write writes the page of a report.
func write(w io.Writer, v *view) error { return execute(w, "report.tmpl", v) }

// execute writes the page that a template makes of a view, all of it or, when
// the template fails, nothing.
func execute(w io.Writer, name string, view any) error {
	all, err := template.New("").Funcs(template.FuncMap{
		"ms": milliseconds, "quantile": quantile, "number": number, "rate": rate, "count": count, "figure": figure, "short": short,
		"visible": visible, "percent": percent, "tooFew": tooFew,
	}).ParseFS(pages, "assets/*.tmpl")
	if err != nil {
		return fmt.Errorf("render html: %w", err)
	}
	var b bytes.Buffer
	if err := all.ExecuteTemplate(&b, name, view); err != nil {
		return fmt.Errorf("render html: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// assets are what the page brings along, all of it our own or vetted text.
type assets struct {
	Style   template.CSS
	Scripts []template.JS
	Policy  string
	Licence string
}

// newAssets adds more style for pages that need it.
func newAssets(more string) assets {
	style := chartStyle + ownStyle + more
	a := assets{Style: template.CSS(style), Licence: chartLicence}
	var hashes []string
	for _, s := range []string{chartScript, paintScript, chartsScript, ownScript} {
		a.Scripts = append(a.Scripts, template.JS(s))
		hashes = append(hashes, hash(s))
	}
	a.Policy = fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; base-uri 'none'; form-action 'none'",
		hash(style), strings.Join(hashes, " "))
	return a
}

// hash is a source expression that allows one inline element with that text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
