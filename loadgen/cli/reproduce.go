package cli

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"touchstone/loadgen/runner"
)

// reproducer writes the commands that make a failed call again, under the
// flags that the run had.
type reproducer struct {
	target *targetFlags
	seed   uint64
}

// commands returns a command of loadgen, and the equal one of grpcurl or "".
//
// A call that depends on more than its messages, such as the order of sends
// and receives or a fault, is made again by running its file. grpcurl needs a
// target that is still there, so there is no line for the reference server
// that loadgen starts for a run.
func (p reproducer) commands(f runner.Failed) (ours, grpcurl string) {
	target := *p.target
	if f.File.Target != "" {
		target.address = f.File.Target
	}
	flags := target.words()
	if !f.Alone {
		words := []string{"loadgen", "run", f.File.Source.Name, "--seed", strconv.FormatUint(p.seed, 10)}
		return shellLine(append(words, loadgenWords(p.target.words())...)), ""
	}
	flags = append(flags, callWords(f)...)
	if target.serviceConfig == "" && f.File.ServiceConfig != "" {
		flags = append(flags, flagWord{ours: "--service-config", value: f.File.ServiceConfig})
	}
	ours = shellLine(append([]string{"loadgen", "call", f.Method}, loadgenWords(flags)...))
	if target.address == "" {
		return ours, ""
	}
	words := append([]string{"grpcurl"}, grpcurlWords(flags)...)
	if path, isUnix := strings.CutPrefix(target.address, "unix:"); isUnix {
		return ours, shellLine(append(words, "-unix", strings.TrimPrefix(path, "//"), f.Method))
	}
	return ours, shellLine(append(words, target.address, f.Method))
}

// flagWord is a flag as loadgen and as grpcurl call it, "" where one of them
// has none. A flag without a value is a switch.
type flagWord struct {
	ours, theirs string
	value        string
	theirValue   string // of grpcurl, when it differs
}

// words returns the flags that say what the target is. The values of -H are
// left for variables: they hold tokens.
func (f *targetFlags) words() []flagWord {
	var words []flagWord
	value := func(ours, theirs, value string) {
		if value != "" {
			words = append(words, flagWord{ours: ours, theirs: theirs, value: value})
		}
	}
	toggle := func(name string, on bool) {
		if on {
			words = append(words, flagWord{ours: "--" + name, theirs: "-" + name})
		}
	}
	value("--target", "", f.address)
	toggle("plaintext", f.plaintext)
	toggle("insecure", f.insecure)
	value("--cacert", "-cacert", f.cacert)
	value("--cert", "-cert", f.cert)
	value("--key", "-key", f.key)
	value("--servername", "-servername", f.serverName)
	value("--authority", "-authority", f.authority)
	for _, list := range []struct {
		ours, theirs string
		values       []string
	}{{"--protoset", "-protoset", f.protosets}, {"--proto", "-proto", f.protos}, {"--import-path", "-import-path", f.importPaths}} {
		for _, v := range list.values {
			value(list.ours, list.theirs, v)
		}
	}
	if f.reflect != "auto" {
		value("--reflect", "", f.reflect)
	}
	value("--service-config", "", f.serviceConfig)
	if f.maxMessage != defaultMaxMessage {
		words = append(words, flagWord{ours: "--max-message", value: f.maxMessage.String(), theirs: "-max-msg-sz", theirValue: strconv.Itoa(int(f.maxMessage))})
	}
	for _, header := range f.headers {
		name, _, _ := strings.Cut(header, ":")
		value("-H", "-H", hiddenHeader(strings.TrimSpace(name)))
	}
	return words
}

// secretName fits the names of metadata whose values nobody else should see.
var secretName = regexp.MustCompile(`(?i)auth|cookie|token|secret|passw|credential|session|signature|key`)

// hiddenHeader is a header whose value stands in a variable.
func hiddenHeader(name string) string {
	variable := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
	return name + ": ${env." + variable + "}"
}

// callWords returns the flags that say what the call is.
func callWords(f runner.Failed) []flagWord {
	var words []flagWord
	for _, name := range slices.Sorted(maps.Keys(f.Metadata)) {
		for _, v := range f.Metadata[name] {
			text := name + ": " + v
			switch {
			case secretName.MatchString(name):
				text = hiddenHeader(name)
			case strings.HasSuffix(name, "-bin"):
				text = name + ": " + base64.StdEncoding.EncodeToString([]byte(v))
			}
			words = append(words, flagWord{ours: "-H", theirs: "-H", value: text})
		}
	}
	if f.Timeout > 0 {
		words = append(words, flagWord{ours: "--timeout", theirs: "-max-time", value: f.Timeout.String(),
			theirValue: fmt.Sprint(f.Timeout.Seconds())})
	}
	if len(f.Messages) > 0 {
		words = append(words, flagWord{ours: "-d", theirs: "-d", value: strings.Join(f.Messages, " ")})
	}
	return words
}

func loadgenWords(flags []flagWord) []string {
	var words []string
	for _, f := range flags {
		if f.ours != "" {
			words = append(words, f.ours)
			if f.value != "" {
				words = append(words, f.value)
			}
		}
	}
	return words
}

func grpcurlWords(flags []flagWord) []string {
	var words []string
	for _, f := range flags {
		value := f.value
		if f.theirValue != "" {
			value = f.theirValue
		}
		if f.theirs != "" {
			words = append(words, f.theirs)
			if value != "" {
				words = append(words, value)
			}
		}
	}
	return words
}
