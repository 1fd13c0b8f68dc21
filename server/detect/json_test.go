package detect

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestReadJSONRefuses(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"nothing", "", "byte 0: it ends where a value is wanted"},
		{"white space only", " \n", "byte 2: it ends where a value is wanted"},
		{"a word", "hello", "byte 0: 'h' where a value is wanted"},
		{"a second value", "1 2", "byte 2: '2' where the end is wanted"},
		{"an open array", "[1", "byte 2: it ends where ',' or ']' is wanted"},
		{"an open object", `{"a":1`, "byte 6: it ends where ',' or '}' is wanted"},
		{"an open string", `"abc`, `byte 4: it ends where '"' is wanted`},
		{"a comma before the end", "[1,]", "byte 3: ']' where a value is wanted"},
		{"a key without quotes", "{a:1}", "byte 1: 'a' where a key is wanted"},
		{"a key without a value", `{"a"}`, "byte 4: '}' where ':' is wanted"},
		{"a leading zero", "01", "byte 1: '1' where the end is wanted"},
		{"a plus sign", "+1", "byte 0: '+' where a value is wanted"},
		{"a bare minus", "-", "byte 1: it ends where a digit is wanted"},
		{"a fraction without digits", "1.", "byte 2: it ends where a digit is wanted"},
		{"an exponent without digits", "1e+", "byte 3: it ends where a digit is wanted"},
		{"NaN, as Python writes it", "NaN", "byte 0: 'N' where a value is wanted"},
		{"a line feed in a string", "\"a\nb\"", `byte 2: control character '\n' in a string`},
		{"an escape that does not exist", `"\x41"`, "byte 2: 'x' where an escape is wanted"},
		{"three hexadecimal digits", `"\u041"`, "byte 3: want four hexadecimal digits"},
		{"a sign among hexadecimal digits", `"\u+041"`, "byte 3: want four hexadecimal digits"},
		{"the first half of a pair", `"\ud83c"`, "byte 7: half a surrogate pair"},
		{"the second half of a pair", `"\udfb2"`, "byte 7: half a surrogate pair"},
		{"two first halves", `"\ud83c\ud83c"`, "byte 13: half a surrogate pair"},
		{"bytes that are not UTF-8", "\"a\xffb\"", "byte 2: not UTF-8"},
		{"deeper than the limit", "[[[[[1]]]]]", "byte 4: nested too deeply"},
		{"a byte order mark", "\ufeff{}", "byte 0: '\\ufeff' where a value is wanted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readJSON(test.in, 4, &violations{})
			if err == nil || err.Error() != "not JSON at "+test.want {
				t.Errorf("readJSON(%q) = %v, want %q", test.in, err, test.want)
			}
		})
	}
}

func TestReadJSONFindsKeysGivenTwice(t *testing.T) {
	var bad violations
	if _, err := readJSON(`{"a":[{"b":1,"c":{},"b":2}],"a":3}`, 8, &bad); err != nil {
		t.Fatal(err)
	}
	want := violations{{"a[0].b", "is given twice"}, {"a", "is given twice"}}
	if !reflect.DeepEqual(bad, want) {
		t.Errorf("violations %v, want %v", bad, want)
	}
}

func TestReadJSONBoundsItsWork(t *testing.T) {
	for name, in := range map[string]string{
		"a hundred thousand brackets": strings.Repeat("[", 100_000),
		"two million values":          "[" + strings.Repeat("1,", 2_000_000) + "1]",
	} {
		if _, err := readJSON(in, 32, &violations{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// value converts a node as encoding/json decodes into an any.
func (n *node) value() any {
	switch n.kind {
	case boolKind:
		return n.text == "true"
	case numberKind:
		return json.Number(n.text)
	case textKind:
		return n.text
	case arrayKind:
		out := make([]any, len(n.items))
		for i := range n.items {
			out[i] = n.items[i].value()
		}
		return out
	case objectKind:
		out := map[string]any{}
		for i := range n.fields {
			out[n.fields[i].key] = n.fields[i].value.value()
		}
		return out
	}
	return nil
}

// FuzzReadJSON compares with encoding/json: what is accepted is accepted there,
// with the same value; what is refused is refused there, too deep, or one of the
// things that encoding/json is lax about.
func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0.5e+3,true,false,null,"\u4f60\n\ud83c\udfb2"]}`, `""`, `[]`, ` {"a" : {} } `, `{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"", `1e`, `{"":""}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var bad violations
		n, err := readJSON(text, 100, &bad)
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var want any
		valid := json.Valid([]byte(text))
		if err != nil {
			if lax := strings.Contains(err.Error(), "surrogate") || strings.Contains(err.Error(), "UTF-8") || strings.Contains(err.Error(), "deeply"); valid && !lax {
				t.Errorf("readJSON(%q) = %v, which is JSON", text, err)
			}
			return
		}
		if !valid || d.Decode(&want) != nil {
			t.Fatalf("readJSON accepts %q, which is not JSON", text)
		}
		if n.raw != strings.Trim(text, " \t\r\n") {
			t.Errorf("readJSON(%q).raw = %q", text, n.raw)
		}
		if len(bad) == 0 && !reflect.DeepEqual(n.value(), want) {
			t.Errorf("readJSON(%q) = %v, want %v", text, n.value(), want)
		}
	})
}
