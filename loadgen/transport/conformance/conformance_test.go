package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// Variables that the runner's test sets and reads.
const (
	runnerVariable = "TOUCHSTONE_CONFORMANCE"        // the path of connectconformance
	protosVariable = "TOUCHSTONE_CONFORMANCE_PROTOS" // the folder of the suite's .proto files
	clientVariable = "TOUCHSTONE_CONFORMANCE_CLIENT" // makes this test binary the client
)

// cases is how many cases version 1.0.7 of the suite has for config.yaml.
const cases = "646"

func TestMain(m *testing.M) {
	if os.Getenv(clientVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestSuite runs the whole suite against each transport. `make conformance`
// installs the runner and sets the variables.
func TestSuite(t *testing.T) {
	runner, protos := os.Getenv(runnerVariable), os.Getenv(protosVariable)
	if runner == "" {
		t.Skip("no " + runnerVariable + ": make conformance sets it")
	}
	for name := range openers {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), runner, "--mode", "client", "--conf", "config.yaml",
				"--known-failing", "@"+name+"-known-failing.txt", "--", os.Args[0], "-protos", protos, name)
			cmd.Env = append(os.Environ(), clientVariable+"=1")
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil || !bytes.Contains(out, []byte("Total cases: "+cases)) {
				t.Errorf("error %v, want none, and %s cases", err, cases)
			}
		})
	}
}
