// Package ghz joins loadgen to ghz (github.com/bojand/ghz): it reads ghz's
// config files as flags of `loadgen load`, writes figures in the JSON form that
// ghz-web takes in, and runs ghz's own runner on the same work, so that the
// figures of both can stand side by side.
//
// Nothing else in loadgen depends on ghz. What its figures mean differs from
// loadgen's; Differences says how.
package ghz

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bojand/ghz/runner"
	"github.com/dustin/go-humanize"
)

// Plan is what a config file asks for, in the flags of `loadgen load`.
type Plan struct {
	Method   string
	Settings []Setting // in a fixed order; a flag that takes a list may come more than once
	// Notes name, field by field, what cannot be honoured, or not quite.
	Notes []string
}

// Setting is a flag and its value.
type Setting struct {
	Flag, Value string
	Field       string // of the config file
}

// Import reads a config file of ghz: JSON, TOML or YAML by its extension.
// Paths in it are relative to the working directory, as ghz has them. An error
// says what makes the load another one than the file asks for.
func Import(path string) (*Plan, error) {
	if _, err := os.Stat(path); err != nil { // ghz's reader takes a missing file for an empty one
		return nil, err
	}
	var cfg runner.Config
	if err := runner.LoadConfig(path, &cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p := &Plan{Method: method(cfg.Call)}
	p.target(&cfg)
	p.schema(&cfg)
	if err := p.load(&cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := p.messages(&cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.output(&cfg)
	p.unknown(&cfg)
	return p, nil
}

// method returns pkg.Service.Method as pkg.Service/Method.
func method(call string) string {
	if dot := strings.LastIndex(call, "."); !strings.Contains(call, "/") && dot > 0 {
		return call[:dot] + "/" + call[dot+1:]
	}
	return call
}

// set adds a setting, unless the value is empty.
func (p *Plan) set(flag, field, value string) {
	if value != "" {
		p.Settings = append(p.Settings, Setting{flag, value, field})
	}
}

func (p *Plan) setTrue(flag, field string, value bool) {
	if value {
		p.set(flag, field, "true")
	}
}

func (p *Plan) setCount(flag, field string, value uint) {
	if value > 0 {
		p.set(flag, field, strconv.FormatUint(uint64(value), 10))
	}
}

func (p *Plan) setDuration(flag, field string, value runner.Duration) {
	if value > 0 {
		p.set(flag, field, value.String())
	}
}

// note says what becomes of a field that is given.
func (p *Plan) note(given bool, field, text string) {
	if given {
		p.Notes = append(p.Notes, field+": "+text)
	}
}

// target translates what says where the calls go.
func (p *Plan) target(cfg *runner.Config) {
	p.set("target", "host", cfg.Host)
	p.setTrue("plaintext", "insecure", cfg.Insecure)
	if !cfg.Insecure {
		p.setTrue("insecure", "skipTLS", cfg.SkipTLSVerify)
		p.set("cacert", "cacert", cfg.RootCert)
		p.set("cert", "cert", cfg.Cert)
		p.set("key", "key", cfg.Key)
		p.set("servername", "cname", cfg.CName)
	}
	p.set("authority", "authority", cfg.Authority)
	p.setDuration("connect-timeout", "connect-timeout", cfg.DialTimeout)
	p.set("max-message", "max-recv-message-size", largest(cfg.MaxCallRecvMsgSize, cfg.MaxCallSendMsgSize))
	p.note(cfg.KeepaliveTime > 0, "keepalive", "not honoured: loadgen sends no keepalive pings")
	p.note(cfg.EnableCompression, "enable-compression", "not honoured: requests are not compressed")
	p.note(cfg.LBStrategy != "" && cfg.LBStrategy != "pick_first", "lb-strategy", fmt.Sprintf(
		`not honoured; --service-config '{"loadBalancingConfig":[{%q:{}}]}' does the same`, cfg.LBStrategy))
	p.note(len(cfg.ReflectMetadata) > 0, "reflect-metadata", "not honoured: reflection is sent the same headers as the calls")
}

// largest returns the larger of two sizes, which ghz has checked, in bytes.
func largest(sizes ...string) string {
	most := uint64(0)
	for _, text := range sizes {
		if n, err := humanize.ParseBytes(text); text != "" && err == nil {
			most = max(most, n)
		}
	}
	if most == 0 {
		return ""
	}
	return strconv.FormatUint(most, 10)
}

// schema translates where the types are described. As ghz does, it looks for
// imports beside the file and in the working directory too.
func (p *Plan) schema(cfg *runner.Config) {
	if cfg.Proto != "" {
		p.set("proto", "proto", filepath.Base(cfg.Proto))
		for _, folder := range append(slices.Clone(cfg.ImportPaths), filepath.Dir(cfg.Proto), ".") {
			p.set("import-path", "import-paths", folder)
		}
		return
	}
	p.set("protoset", "protoset", cfg.Protoset)
}

// load translates how many calls are made, and when.
func (p *Plan) load(cfg *runner.Config) error {
	p.setDuration("timeout", "timeout", cfg.Timeout)
	p.setCount("connections", "connections", cfg.Connections)
	switch {
	case cfg.X > 0:
		p.setDuration("duration", "max-duration", cfg.X)
		p.setCount("requests", "total", cfg.N)
	case cfg.Z > 0:
		p.setDuration("duration", "duration", cfg.Z)
	default:
		p.setCount("requests", "total", cfg.N)
	}
	p.note(cfg.Z > 0 && cfg.ZStop != "wait", "duration-stop",
		fmt.Sprintf("%q not honoured: calls under way at the end are waited for, up to --drain, and counted", cfg.ZStop))
	p.note(cfg.CSchedule != "" && cfg.CSchedule != "const", "concurrency-schedule", "not honoured: the number of callers does not change")
	p.note(cfg.SkipFirst > 0, "skipFirst", "not honoured: --warmup DURATION leaves out the calls of a time")
	return p.arrivals(cfg)
}

// arrivals translates the rate. Workers of ghz are callers of a closed loop,
// unless there is a rate: then they are only what holds it back.
func (p *Plan) arrivals(cfg *runner.Config) error {
	rated := "the calls are due at the rate, however many are under way; ghz waits when all workers are busy"
	switch cfg.LoadSchedule {
	case "step":
		text, err := stepsOf(cfg)
		p.set("arrival", "load-schedule", text)
		p.note(true, "concurrency", rated)
		return err
	case "line":
		text, err := lineOf(cfg)
		p.set("arrival", "load-schedule", text)
		p.note(true, "concurrency", rated)
		return err
	}
	if cfg.RPS > 0 {
		p.setCount("rate", "rps", cfg.RPS)
		p.note(!cfg.Async, "concurrency", rated)
		return nil
	}
	p.setCount("closed", "concurrency", cfg.C)
	p.note(cfg.Async, "async", "not honoured without rps: callers wait for their calls")
	return nil
}

// lastStep is how long the last rate is kept: until the load ends by itself.
func lastStep(cfg *runner.Config) time.Duration {
	return max(time.Duration(cfg.Z), time.Duration(cfg.X), time.Hour)
}

// maxSteps bounds the steps of a schedule.
const maxSteps = 1000

// stepsOf returns ghz's steps as an arrival: from start, by step each
// step-duration, until end or max-duration.
func stepsOf(cfg *runner.Config) (string, error) {
	each, step := time.Duration(cfg.LoadStepDuration), cfg.LoadStep
	if each <= 0 || step == 0 {
		return "", fmt.Errorf("load-schedule step needs load-step and load-step-duration")
	}
	var parts []string
	rate := int(cfg.LoadStart)
	for took := time.Duration(0); ; took += each {
		end := int(cfg.LoadEnd)
		atEnd := end > 0 && (step > 0 && rate >= end || step < 0 && rate <= end)
		if atEnd {
			rate = end
		}
		last := atEnd || cfg.LoadMaxDuration > 0 && took >= time.Duration(cfg.LoadMaxDuration) || len(parts) == maxSteps
		d := each
		if last {
			d = lastStep(cfg)
		}
		parts = append(parts, fmt.Sprintf("{rate: %d/s, for: %v}", max(rate, 1), d))
		if last {
			return "steps: [" + strings.Join(parts, ", ") + "]", nil
		}
		rate += step
		if rate <= 0 {
			rate = 1
		}
	}
}

// lineOf returns ghz's line as an arrival: from start, with a slope of step a
// second, to end or for max-duration.
func lineOf(cfg *runner.Config) (string, error) {
	if cfg.LoadStep == 0 {
		return "", fmt.Errorf("load-schedule line needs load-step, its slope")
	}
	over := time.Duration(cfg.LoadMaxDuration)
	if cfg.LoadEnd > 0 {
		if s := float64(int(cfg.LoadEnd)-int(cfg.LoadStart)) / float64(cfg.LoadStep); s > 0 && (over == 0 || s < over.Seconds()) {
			over = time.Duration(s * float64(time.Second))
		}
	}
	if over <= 0 {
		over = lastStep(cfg)
	}
	end := float64(cfg.LoadStart) + float64(cfg.LoadStep)*over.Seconds()
	return fmt.Sprintf("ramp: {from: %d/s, to: %.0f/s, over: %v}", max(cfg.LoadStart, 1), max(end, 1), over), nil
}

// output translates what is printed.
func (p *Plan) output(cfg *runner.Config) {
	switch cfg.Format {
	case "", "summary":
	case "json", "pretty":
		p.set("format", "format", "ghz-json")
	default:
		p.note(true, "format", fmt.Sprintf("%q not honoured: --report DIR writes JSON, HTML, JUnit and markdown", cfg.Format))
	}
	p.note(cfg.Output != "", "output", "not honoured: --report DIR says where the files go; --format ghz-json writes to stdout")
	p.note(cfg.Name != "", "name", "not honoured: the report is named after the method")
	p.note(len(cfg.Tags) > 0, "tags", "not honoured: reports have no tags")
}

// unknown notes what is left.
func (p *Plan) unknown(cfg *runner.Config) {
	p.note(cfg.CPUs > 0, "cpus", fmt.Sprintf("not honoured: GOMAXPROCS=%d in the environment does the same", cfg.CPUs))
	p.note(cfg.Debug != "", "debug", "not honoured: there is no debug log")
	p.note(!cfg.CountErrors, "count-errors", "response times are those of all calls; by_status in the report has them apart")
	p.note(cfg.StreamCallDuration > 0, "stream-call-duration", "not honoured: a stream sends each message once")
	p.note(cfg.StreamCallCount > 0, "stream-call-count", "not honoured: a stream sends each message once")
	p.note(cfg.StreamDynamicMessages, "stream-dynamic-messages", "not honoured: the messages of a stream have the values of its call")
}

// messages translates the messages and the metadata of the calls.
func (p *Plan) messages(cfg *runner.Config) error {
	if cfg.BinDataPath != "" {
		return fmt.Errorf("binary-file: loadgen takes messages as JSON")
	}
	text, field, err := dataOf(cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if !cfg.DisableTemplateData {
		if text, err = translate(text); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
	}
	p.set("data", field, text)
	p.setDuration("stream-interval", "stream-interval", cfg.SI)

	headers, err := metadataOf(cfg)
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	for _, header := range headers {
		if strings.Contains(header, "{{") {
			return fmt.Errorf("metadata: %s: loadgen sends the same metadata with each call", header)
		}
		p.set("header", "metadata", header)
	}
	return nil
}

// dataOf returns the messages as JSON values, one after the other, and the
// field that they come from.
func dataOf(cfg *runner.Config) (text, field string, err error) {
	raw, field := []byte(nil), "data"
	switch {
	case cfg.DataPath != "":
		field = "data-file"
		raw, err = os.ReadFile(strings.TrimSpace(cfg.DataPath))
	case cfg.Data != nil:
		raw, err = json.Marshal(plain(cfg.Data))
	}
	if err != nil || len(raw) == 0 {
		return "", field, err
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return string(raw), field, nil
	}
	parts := make([]string, len(list))
	for i, one := range list {
		parts[i] = string(one)
	}
	return strings.Join(parts, "\n"), field, nil
}

// plain turns the mappings of YAML into those of JSON.
func plain(v any) any {
	switch v := v.(type) {
	case map[any]any:
		out := map[string]any{}
		for key, value := range v {
			out[fmt.Sprint(key)] = plain(value)
		}
		return out
	case map[string]any:
		for key, value := range v {
			v[key] = plain(value)
		}
	case []any:
		for i, value := range v {
			v[i] = plain(value)
		}
	}
	return v
}

// metadataOf returns the metadata as headers, in order of their names.
func metadataOf(cfg *runner.Config) ([]string, error) {
	md := cfg.Metadata
	if path := strings.TrimSpace(cfg.MetadataPath); path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		md = nil
		if err := json.Unmarshal(raw, &md); err != nil {
			return nil, err
		}
	}
	var headers []string
	for name, value := range md {
		headers = append(headers, name+": "+value)
	}
	slices.Sort(headers)
	return headers, nil
}
