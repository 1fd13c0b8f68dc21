package cli_test

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"touchstone/loadgen/cli"
	"touchstone/proto/hello"
)

// help returns what --help prints of a command.
func help(t *testing.T, command ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := cli.Main(t.Context(), append(command, "--help"), strings.NewReader(""), &stdout, &stderr); code != 0 {
		t.Fatalf("%q --help exits %d: %s", command, code, stderr.String())
	}
	return stdout.String()
}

// section returns the lines of a part of a help text, without their indent.
func section(text, title string) []string {
	_, after, found := strings.Cut(text, "\n"+title+":\n")
	if !found {
		return nil
	}
	part, _, _ := strings.Cut(after, "\n\n")
	var lines []string
	for line := range strings.Lines(part) {
		lines = append(lines, strings.TrimPrefix(strings.TrimRight(line, "\n"), "  "))
	}
	return lines
}

// examples returns the examples of a command and of those below it, by the
// command's name. A line that ends in a backslash goes on.
func examples(t *testing.T, command ...string) map[string][]string {
	t.Helper()
	text := help(t, command...)
	all := map[string][]string{}
	joined := strings.ReplaceAll(strings.Join(section(text, "Examples"), "\n"), "\\\n", "")
	for line := range strings.Lines(joined) {
		name := strings.Join(command, " ")
		all[name] = append(all[name], strings.TrimSpace(line))
	}
	for _, line := range section(text, "Available Commands") {
		sub, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if sub == "completion" || sub == "help" { // cobra's own
			continue
		}
		maps.Copy(all, examples(t, append(slices.Clone(command), sub)...))
	}
	return all
}

// prepared are the commands that this test runs, the root's own being "".
// Others serve until they are stopped, or take what this test does not have;
// their examples are parsed, which --help after them does.
var prepared = []string{"", "call", "describe", "doctor", "init", "lint", "list", "load", "man", "retry explain", "run", "schema"}

// world makes what the examples speak of: files, and a target.
func world(t *testing.T) (dir string, replace *strings.Replacer) {
	t.Helper()
	dir = t.TempDir()
	file := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(hello.File_hello_hello_proto)}}
	protoset, err := proto.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	const greet = "version: 1\ntags: [smoke]\nsteps:\n  - {call: HelloService/SayHello, send: {greeting: Ada}, expect: {message: {reply: {$re: Ada}}}}\n"
	for name, text := range map[string]string{
		"scenarios/greet.yaml": greet, "greet.yaml": greet, "hello.protoset": string(protoset),
		"users.csv":    "text\nhello\n",
		"ghz.json":     `{"call": "HelloService.SayHello", "insecure": true, "concurrency": 2, "data": {"greeting": "no. {{.RequestNumber}}"}}`,
		"request.json": `{"greeting": "a"}`, "requests.jsonl": `{"content": "{}"}` + "\n" + `{"content": "[]"}`,
		"service-config.json": `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.1s",
			"maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	hello.RegisterHelloServiceServer(server, talker{})
	reflection.Register(server)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return dir, strings.NewReplacer(
		"localhost:50051", listener.Addr().String(), "staging.example:443", listener.Addr().String()+" --plaintext",
		"/usr/local/", "", "--duration 20s", "--duration 200ms", "--duration 10s", "--duration 200ms", "--requests 5000", "--requests 50",
		"--out scenarios", "--out written", "--connections 5000", "--connections 50",
		"--find-max", "--find-limit 100 --find-cooldown 0 --find-max")
}

// TestExamples runs what --help shows, as a shell does. What a load measures,
// or --strict finds, is not for it to judge.
func TestExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("examples run whole programs, which make test does")
	}
	dir, replace := world(t)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(executable, filepath.Join(bin, "loadgen")); err != nil {
		t.Skip("no symbolic links: ", err)
	}
	written, redirected := regexp.MustCompile(`--out (\S+)`), regexp.MustCompile(` (<|>|\|) [^']*$`)
	ran := 0
	for name, lines := range examples(t) {
		for i, line := range lines {
			if !slices.Contains(prepared, name) {
				command, _, _ := strings.Cut(strings.TrimPrefix(line, "loadgen "), " -- ")
				command = redirected.ReplaceAllString(command, "")
				line = "loadgen " + command + " --help" // flags before it are parsed
			} else {
				ran++
			}
			if name == "load" && !strings.Contains(line, "--duration") && !strings.Contains(line, "--requests") {
				line += " --duration 200ms"
			}
			line = written.ReplaceAllString(replace.Replace(line), fmt.Sprintf("--out ${1}%d", i))
			cmd := exec.Command("sh", "-c", line)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			code := cmd.ProcessState.ExitCode()
			judged := name == "load" && (code == 1 || code == 4 || code == 6) || strings.Contains(line, "--strict") && code == 1
			if code != 0 && !judged {
				t.Errorf("%s\n%v\n%s", line, err, out)
			}
		}
	}
	if ran < 20 {
		t.Errorf("only %d examples were run", ran)
	}
}
