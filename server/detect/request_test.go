package detect

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"touchstone/server/detect/crawl"
)

// small are limits that tests can exceed with short texts.
func small() Limits {
	l := Limits{ContentBytes: 400, TextBytes: 20, Items: 3, IDBytes: 8, Depth: 8}
	l.fill()
	return l
}

func TestRequestsThatAreWrong(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"not JSON", `{"request_type":`, "content: not JSON at byte 16: it ends where a value is wanted"},
		{"an array", `[]`, "content: want an object, got an array"},
		{"null", `null`, "content: want an object, got null"},
		{"too long", strings.Repeat(" ", 500), "content: has 500 bytes, the limit is 400"},
		{"too deep", strings.Repeat(`{"a":`, 9), "content: not JSON at byte 40: nested too deeply"},
		{"nothing in it", `{}`, "request_type: is missing"},
		{"null counts as missing", `{"request_type":null}`, "request_type: is missing"},
		{"an unknown type", `{"request_type":"SONG"}`, `request_type: want TEXT, TEXT_BATCH, IMAGE, CRAWLER or 1 to 4, got "SONG"`},
		{"a type in small letters", `{"request_type":"text"}`, `request_type: want TEXT, TEXT_BATCH, IMAGE, CRAWLER or 1 to 4, got "text"`},
		{"a number in quotes", `{"request_type":"1"}`, `request_type: want TEXT, TEXT_BATCH, IMAGE, CRAWLER or 1 to 4, got "1"`},
		{"a number out of range", `{"request_type":5}`, "request_type: want TEXT, TEXT_BATCH, IMAGE, CRAWLER or 1 to 4, got 5"},
		{"a fraction", `{"request_type":1.0}`, "request_type: want TEXT, TEXT_BATCH, IMAGE, CRAWLER or 1 to 4, got 1.0"},
		{"a type of another type", `{"request_type":[1]}`, "request_type: want TEXT, TEXT_BATCH, IMAGE, CRAWLER or 1 to 4, got [1]"},
		{"a key twice", `{"request_type":1,"content":"a","content":"b"}`, "content: is given twice"},
		{"an unknown field", `{"request_type":1,"contnet":"a"}`, `contnet: is unknown: did you mean "content"?; content: is missing`},
		{"everything at once", `{"request_type":1,"request_id":7,"content":[],"colour":"red","contents":[]}`,
			"request_id: want a string, got a number; colour: is unknown; contents: belongs to TEXT_BATCH, not to TEXT; content: want a string, got an array"},
		{"an id that is too long", `{"request_type":1,"request_id":"123456789","content":""}`, "request_id: has 9 bytes, the limit is 8"},
		{"a text that is too long", `{"request_type":1,"content":"123456789012345678901"}`, "content: has 21 bytes, the limit is 20"},
		{"an empty batch", `{"request_type":2,"contents":[]}`, "contents: has 0 items, want 1 to 3"},
		{"a batch too large", `{"request_type":2,"contents":[1,2,3,4]}`, "contents: has 4 items, want 1 to 3"},
		{"an image of nothing", `{"request_type":3,"image":{}}`, "image: want either base64 or url"},
		{"an image of both", `{"request_type":3,"image":{"base64":"","url":"http://a"}}`, "image: want either base64 or url"},
		{"an image that is a string", `{"request_type":3,"image":"aGk="}`, "image: want an object, got a string"},
		{"base64 that is none", `{"request_type":3,"image":{"base64":"???"}}`, "image.base64: illegal base64 data at input byte 0"},
		{"an image with more", `{"request_type":3,"image":{"url":"http://a","width":1}}`, "image.width: is unknown"},
		{"an image without address", `{"request_type":3,"image":{"url":""}}`, "image.url: is empty"},
		{"a crawl of nothing", `{"request_type":4}`, "url: is missing, and there is no graph"},
		{"a crawl of both", `{"request_type":4,"url":"http://a","graph":{}}`, "graph: cannot be given beside url"},
		{"depths of graphs", `{"request_type":4,"graph":{"pages":[{"url":"http://a"}],"links":[]},"depth":1}`, "depth: has no meaning beside graph"},
		{"a depth below zero", `{"request_type":4,"url":"http://a","depth":-1}`, "depth: want an integer from 0 on, got -1"},
		{"pages in parts", `{"request_type":4,"url":"http://a","max_pages":1.5}`, "max_pages: want an integer from 0 on, got 1.5"},
		{"a graph of wrong shape", `{"request_type":4,"graph":{"pages":[{"url":1,"txt":""},[]],"links":[[0],[0,"1"],0]}}`,
			`graph.pages[0].url: want a string, got a number; graph.pages[0].txt: is unknown: did you mean "text"?; graph.pages[1]: want an object, got an array; ` +
				"graph.links[0]: has 1 items, want 2; graph.links[1][1]: want a number, got a string; graph.links[2]: want an array, got a number"},
		{"names of a graph in another case", `{"request_type":4,"graph":{"Pages":[],"links":[]}}`, `graph.Pages: is unknown: did you mean "pages"?`},
		{"a link to nowhere", `{"request_type":4,"graph":{"pages":[{"url":"http://a"}],"links":[[0,1]]}}`, "graph.links[0][1]: is 1, want 0 to 0"},
		{"a link of fractions", `{"request_type":4,"graph":{"pages":[{"url":"http://a"}],"links":[[0,0.5]]}}`, "graph.links[0][1]: want an integer, got 0.5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseRequest(test.content, small())
			if !is[*Invalid](err) || err.Error() != "invalid request: "+test.want {
				t.Errorf("parseRequest(%.80q)\n got %v\nwant invalid request: %s", test.content, err, test.want)
			}
		})
	}
}

func TestRequestsThatAreRight(t *testing.T) {
	tests := []struct {
		name, content string
		want          request
	}{
		{"as Python's json.dumps writes it", `{"request_type": "TEXT", "request_id": null, "content": "\u4f60\u597d", "image": null}`, request{kind: Text, text: "你好"}},
		{"by number, with an id", `{"content":"","request_id":"r","request_type":1}`, request{kind: Text, id: "r"}},
		{"white space around it", " {\"request_type\":1,\"content\":\"a\"}\r\n", request{kind: Text, text: "a"}},
		{"a batch whose items have problems of their own", `{"request_type":2,"contents":[{"id":"a","content":"x"},{"content":5,"id":"b"},{"id":"c","content":"y","z":1}]}`,
			request{kind: TextBatch, items: []item{{id: "a", text: "x"},
				{id: "b", problem: &Violation{"contents[1].content", "want a string, got a number"}},
				{id: "c", text: "y", problem: &Violation{"contents[2].z", "is unknown"}}}}},
		{"items that are no objects, have no text, too long an id", `{"request_type":2,"contents":["x",{"id":"a"},{"id":"123456789","content":""}]}`,
			request{kind: TextBatch, items: []item{{problem: &Violation{"contents[0]", "want an object, got a string"}},
				{id: "a", problem: &Violation{"contents[1].content", "is missing"}},
				{problem: &Violation{"contents[2].id", "has 9 bytes, the limit is 8"}}}}},
		{"bytes of an image", `{"request_type":3,"image":{"base64":"aGk="}}`, request{kind: Image, image: picture{data: []byte("hi")}}},
		{"an address of an image", `{"request_type":3,"image":{"url":"http://a"}}`, request{kind: Image, image: picture{url: "http://a"}}},
		{"a crawl", `{"request_type":4,"url":"http://a","depth":2,"max_pages":7}`, request{kind: Crawler, job: crawl.Job{URL: "http://a", Depth: 2, MaxPages: 7}}},
		{"a graph that links to itself", `{"request_type":4,"graph":{"pages":[{"url":"http://a","text":"t","images":[]}],"links":[[0,0]]}}`,
			request{kind: Crawler, graph: &crawl.Graph{Pages: []crawl.Page{{URL: "http://a", Text: "t", Images: []crawl.Image{}}}, Links: [][2]int{{0, 0}}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseRequest(test.content, small())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, test.want) {
				t.Errorf("parseRequest(%q) = %+v, want %+v", test.content, *got, test.want)
			}
		})
	}
}

func TestViolationsAreBounded(t *testing.T) {
	var content strings.Builder
	content.WriteString(`{"request_type":1,"content":"a"`)
	for i := range 50_000 {
		fmt.Fprintf(&content, `,"contents%d":1`, i)
	}
	_, err := parseRequest(content.String()+"}", Limits{ContentBytes: 1 << 24, Depth: 8})
	if bad, ok := errors.AsType[*Invalid](err); !ok || len(bad.Violations) != maxViolations {
		t.Errorf("error %.80v, want %d violations", err, maxViolations)
	}
}

// TestShapeKnowsAllTypes walks a graph's types as deep as they go.
func TestShapeKnowsAllTypes(t *testing.T) {
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		kindOf(t) // panics at what it does not know
		switch t.Kind() {
		case reflect.Slice, reflect.Array:
			walk(t.Elem())
		case reflect.Struct:
			types := map[string]reflect.Type{}
			for _, name := range memberTypes(t, types) {
				walk(types[name])
			}
		}
	}
	walk(reflect.TypeFor[crawl.Graph]())
}

// FuzzParseRequest checks that reading never panics, that what is refused has
// at least one violation with a path and words that a proto string can hold,
// and that what is accepted is within the limits.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		`{"request_type":"TEXT","content":"hello"}`,
		`{"request_type": 2, "contents": [{"id": "a", "content": "\u4f60"}, 5]}`,
		`{"request_type":"IMAGE","image":{"base64":"aGk="}}`,
		`{"request_type":4,"url":"http://a","depth":1,"max_pages":2}`,
		`{"request_type":4,"graph":{"pages":[{"url":"http://a","images":[{"url":"b","result":{"image":{"phash":"00000000000000ff","qr":["x"]}}}]}],"links":[[0,0]]}}`,
		`{"request_type":1,"content":"a","content":"b","x":{}}`, `[`, "", "\xff",
	} {
		f.Add(seed)
	}
	limits := small()
	f.Fuzz(func(t *testing.T, content string) {
		req, err := parseRequest(content, limits)
		if err == nil {
			if len(req.text) > limits.TextBytes || len(req.items) > limits.Items || len(req.id) > limits.IDBytes || req.kind < Text || req.kind > Crawler {
				t.Errorf("parseRequest(%q) = %+v exceeds the limits", content, req)
			}
			return
		}
		bad, ok := errors.AsType[*Invalid](err)
		if !ok || len(bad.Violations) == 0 || len(bad.Violations) > maxViolations {
			t.Fatalf("parseRequest(%q) = %v, want an *Invalid with violations", content, err)
		}
		if slices.ContainsFunc(bad.Violations, func(v Violation) bool {
			return v.Description == "" || !utf8.ValidString(v.Field) || !utf8.ValidString(v.Description)
		}) {
			t.Errorf("parseRequest(%q) = %q", content, bad.Violations)
		}
	})
}
