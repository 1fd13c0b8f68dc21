//go:build unix

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"touchstone/proto/hello"
)

// peer is a load generator.
type peer struct {
	name  string
	note  string // on what it does differently
	share int    // makes one call for so many of the cheapest peers
	tool  string // the program
	path  string // of the program; "" when it is not there
	kinds []string
	// command returns the arguments of a run, after writing what files it needs.
	command func(job) ([]string, error)
	parse   func(out []byte, j job) (figures, error)
	rates   bool // can keep a rate
}

// figures are what a peer reports of a run; times in milliseconds, nil where it
// reports none.
type figures struct {
	Calls int      `json:"calls"` // that ended well, as far as it knows
	RPS   float64  `json:"rps"`
	P50   *float64 `json:"p50_ms"`
	P99   *float64 `json:"p99_ms"`
	Max   *float64 `json:"max_ms"`
	Note  string   `json:"note,omitempty"` // such as that calls were dropped
}

// all kinds that a peer may do.
var allKinds = []string{"unary", "server_stream", "bidi_stream"}

// peers lists all peers, ours first; bin is where those installed for this are.
func peers(bin string) []peer {
	list := []peer{
		{name: "loadgen, wire", tool: "loadgen", share: 1, kinds: allKinds, rates: true, command: loadgenCommand("wire"), parse: parseLoadgen,
			note: "checks status and length of every call"},
		{name: "loadgen, channel", tool: "loadgen", share: 5, kinds: allKinds, rates: true, command: loadgenCommand("channel"), parse: parseLoadgen,
			note: "grpc-go, with the retry policy"},
		{name: "h2load", tool: "h2load", share: 1, kinds: allKinds[:2], rates: true, command: h2loadCommand, parse: parseH2load,
			note: "HTTP/2 only: does not see grpc-status"},
		{name: "ghz", tool: "ghz", share: 5, kinds: allKinds, rates: true, command: ghzCommand, parse: parseGhz},
		{name: "k6", tool: "k6", share: 10, kinds: allKinds, rates: true, command: k6Command, parse: parseK6,
			note: "one connection for each caller"},
		{name: "fortio", tool: "fortio", share: 5, kinds: allKinds[:1], rates: true, command: fortioCommand, parse: parseFortio,
			note: "calls grpc.health.v1.Health/Check, a smaller message"},
	}
	for i := range list {
		p := &list[i]
		if p.tool == "loadgen" {
			p.path = "bin/loadgen"
		} else if path, err := find(bin, p.tool); err == nil {
			p.path = path
		}
	}
	return list
}

// loadgenCommand returns the command of loadgen on a transport.
func loadgenCommand(transport string) func(job) ([]string, error) {
	return func(j job) ([]string, error) {
		args := []string{"load", j.work.Method, "--target", j.address, "--plaintext", "--transport", transport,
			"--connections", strconv.Itoa(j.connections), "--report", j.folder}
		args = append(args, "-d", strings.Repeat(fmt.Sprintf(`{"greeting": %q} `, greeting), j.work.Messages))
		if j.rate > 0 {
			return append(args, "--rate", fmt.Sprint(j.rate), "--duration", j.duration.String()), nil
		}
		return append(args, "--closed", strconv.Itoa(j.callers), "--requests", strconv.Itoa(j.calls)), nil
	}
}

// h2loadCommand returns the command of h2load. Of the rate each connection has
// its share, and as many streams as a freeze may need.
func h2loadCommand(j job) ([]string, error) {
	message, err := proto.Marshal(&hello.HelloRequest{Greeting: greeting})
	if err != nil {
		return nil, err
	}
	framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	body := filepath.Join(j.folder, "body")
	if err := os.WriteFile(body, append(framed, message...), 0o644); err != nil {
		return nil, err
	}
	args := []string{"-c", strconv.Itoa(j.connections), "-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers"}
	if j.rate > 0 {
		total := int(j.rate * j.duration.Seconds())
		args = append(args, "-m", "1000", "-n", strconv.Itoa(total), "--rps", fmt.Sprint(j.rate/float64(j.connections)),
			"--log-file", filepath.Join(j.folder, "log"))
	} else {
		args = append(args, "-m", strconv.Itoa(j.callers/j.connections), "-n", strconv.Itoa(j.calls))
	}
	return append(args, "http://"+j.address+"/"+j.work.Method), nil
}

// ghzCommand returns the command of ghz.
func ghzCommand(j job) ([]string, error) {
	data := fmt.Sprintf(`{"greeting": %q}`, greeting)
	if j.work.Messages > 1 {
		data = "[" + data + strings.Repeat(", "+data, j.work.Messages-1) + "]"
	}
	args := []string{"--insecure", "--proto", "proto/hello/hello.proto", "--call", j.work.Method, "--connections", strconv.Itoa(j.connections), "-d", data}
	if j.rate > 0 {
		return append(args, "--rps", fmt.Sprint(j.rate), "-z", j.duration.String(), "--duration-stop", "wait", j.address), nil
	}
	return append(args, "-c", strconv.Itoa(j.callers), "-n", strconv.Itoa(j.calls), j.address), nil
}

// fortioCommand returns the command of fortio, which calls the health service.
func fortioCommand(j job) ([]string, error) {
	args := []string{"load", "-grpc", "-loglevel", "error", "-p", "50,99", "-c", strconv.Itoa(j.connections), "-json", filepath.Join(j.folder, "fortio.json")}
	if j.rate > 0 {
		args = append(args, "-qps", fmt.Sprint(j.rate), "-t", j.duration.String())
	} else {
		args = append(args, "-s", strconv.Itoa(j.callers/j.connections), "-qps", "-1", "-n", strconv.Itoa(j.calls))
	}
	return append(args, j.address), nil
}

// k6Command returns the command of k6, and writes its script.
func k6Command(j job) ([]string, error) {
	folder, err := filepath.Abs("proto/hello")
	if err != nil {
		return nil, err
	}
	scenario := fmt.Sprintf(`{executor: "shared-iterations", vus: %d, iterations: %d, maxDuration: %q}`, j.callers, j.calls, limit)
	if j.rate > 0 {
		scenario = fmt.Sprintf(`{executor: "constant-arrival-rate", rate: %v, timeUnit: "1s", duration: %q, preAllocatedVUs: %d, maxVUs: %d}`,
			j.rate, j.duration, j.connections, j.connections)
	}
	call := fmt.Sprintf(`const res = client.invoke(%q, {greeting}); if (res.status === grpc.StatusOK) ok.add(1);`, j.work.Method)
	if j.work.Kind != "unary" {
		call = fmt.Sprintf(`const stream = new grpc.Stream(client, %q);
  stream.on("end", () => ok.add(1));
  for (let i = 0; i < %d; i++) stream.write({greeting});
  stream.end();`, j.work.Method, j.work.Messages)
	}
	script := fmt.Sprintf(k6Script, folder, scenario, greeting, j.address, call, filepath.Join(j.folder, "k6.json"))
	path := filepath.Join(j.folder, "script.js")
	return []string{"run", "--quiet", "--no-usage-report", path}, os.WriteFile(path, []byte(script), 0o644)
}

// k6Script takes the folder of the .proto file, the scenario, the greeting, the
// address, the call and the file of the summary.
const k6Script = `import grpc from "k6/net/grpc";
import { Counter } from "k6/metrics";
const client = new grpc.Client();
client.load([%q], "hello.proto");
const ok = new Counter("ok");
export const options = {scenarios: {all: %s}, summaryTrendStats: ["med", "p(99)", "max"]};
const greeting = %q;
let connected = false;
export default function () {
  if (!connected) { client.connect(%q, {plaintext: true}); connected = true; }
  %s
}
export function handleSummary(data) { return {%q: JSON.stringify(data)}; }
`

// milliseconds returns a pointer to a duration in milliseconds.
func milliseconds(d time.Duration) *float64 { return new(float64(d) / float64(time.Millisecond)) }
