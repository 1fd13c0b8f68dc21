package cli

import (
	"strings"
	"testing"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/schema"
	"touchstone/proto/hello"
)

func TestParseMessages(t *testing.T) {
	s := schema.FromFiles(hello.File_hello_hello_proto)
	md := hello.File_hello_hello_proto.Messages().ByName("HelloRequest")
	tests := []struct {
		name, text string
		want       string // the messages, or the start of the error
	}{
		{"nothing", "", ""},
		{"only space", " \n\t", ""},
		{"one", `{"greeting": "a"}`, `{"greeting":"a"}`},
		{"one after the other", `{"greeting": "a"}{"greeting": "b"}` + "\n" + `{}`, `{"greeting":"a"} {"greeting":"b"} {}`},
		{"YAML", "greeting: a\n", `{"greeting":"a"}`},
		{"a mistake in the second, on its line", "{}\n {\"greting\": \"a\"}", "-d:2:3: unknown field"},
		{"a mistake in the second, on the same line", `{} {"greting": "a"}`, "-d:1:5: unknown field"},
		{"a mistake on a later line of the second", "{}  {\n \"greting\": \"a\"}", "-d:2:2: unknown field"},
		{"a key twice in the second", "{}\n{\"greeting\": \"a\", \"greeting\": \"b\"}", "-d:2:19: mapping key \"greeting\" already defined\n"},
		{"after characters of several bytes", `{"greeting": "你好"} {"greting": "a"}`, "-d:1:21: unknown field"},
		{"a number", "3", "-d:1:1: want a message"},
		{"not closed", `{"greeting": "a"`, "-d:1:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			messages, err := parseMessages("-d", []byte(test.text), md, s.Types())
			var printed []string
			for _, m := range messages {
				printed = append(printed, dynamic.JSON(m, s.Types()))
			}
			got := strings.Join(printed, " ")
			if err != nil {
				got = err.Error()
			}
			if got != test.want && (err == nil || !strings.HasPrefix(got, test.want)) {
				t.Errorf("parseMessages(%q) = %s, want %s", test.text, got, test.want)
			}
		})
	}
}

// FuzzParseMessages checks that no text makes the reader panic, and that every
// mistake lies within the text.
func FuzzParseMessages(f *testing.F) {
	s := schema.FromFiles(hello.File_hello_hello_proto)
	md := hello.File_hello_hello_proto.Messages().ByName("HelloRequest")
	for _, seed := range []string{`{"greeting": "a"} {}`, "greeting: b", "{}\n{\"x\": 1}", "3 4", `"a" {`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := parseMessages("-d", []byte(text), md, s.Types())
		if err != nil && !strings.HasPrefix(err.Error(), "-d:") {
			t.Errorf("parseMessages(%q): %v has no position", text, err)
		}
	})
}
