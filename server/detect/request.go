package detect

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"touchstone/server/detect/crawl"
	"touchstone/server/source"
)

// Type is the type of a request. In JSON it is its name or its number.
type Type int

// The request types.
const (
	Text Type = iota + 1
	TextBatch
	Image
	Crawler
)

// typeNames are the names by type.
var typeNames = [...]string{Text: "TEXT", TextBatch: "TEXT_BATCH", Image: "IMAGE", Crawler: "CRAWLER"}

// String returns the name.
func (t Type) String() string {
	if t < Text || t > Crawler {
		return fmt.Sprintf("Type(%d)", int(t))
	}
	return typeNames[t]
}

// fieldsOf are the fields that a request of each type has, beside request_type
// and request_id.
var fieldsOf = [...][]string{
	Text:      {"content"},
	TextBatch: {"contents"},
	Image:     {"image"},
	Crawler:   {"url", "depth", "max_pages", "graph"},
}

// request is a request that has been read and found well-formed.
type request struct {
	kind  Type
	id    string
	text  string       // Text
	items []item       // TextBatch
	image picture      // Image
	job   crawl.Job    // Crawler, unless graph is there
	graph *crawl.Graph // Crawler
}

// item is one text of a batch. With a problem, the text is not judged.
type item struct {
	id, text string
	problem  *Violation
}

// picture is an image: its bytes, or where they are.
type picture struct {
	data []byte
	url  string // "" if data is there
}

// requestReader reads the fields of one request.
type requestReader struct {
	limits Limits
	bad    violations
}

// parseRequest reads the JSON text of a request. The error is an *Invalid with
// everything that is wrong, as far as the text can be read.
func parseRequest(content string, limits Limits) (*request, error) {
	r := &requestReader{limits: limits}
	if len(content) > limits.ContentBytes {
		return nil, invalid("content", "has %d bytes, the limit is %d", len(content), limits.ContentBytes)
	}
	root, err := readJSON(content, limits.Depth, &r.bad)
	if err != nil {
		r.bad.add("content", "%v", err)
		return nil, r.bad.err()
	}
	if root.kind != objectKind {
		return nil, invalid("content", "want an object, got %s", root.kind)
	}
	req := &request{kind: r.kind(&root), id: r.id("request_id", root.get("request_id"))}
	r.known(&root, req.kind)
	switch req.kind {
	case Text:
		req.text = r.text("content", root.get("content"))
	case TextBatch:
		req.items = r.items(root.get("contents"))
	case Image:
		req.image = r.picture(root.get("image"))
	case Crawler:
		r.crawler(&root, req)
	}
	return req, r.bad.err()
}

// want reports whether a field is there and of a kind; if not, it says so.
func (r *requestReader) want(field string, n *node, k kind) bool {
	switch {
	case n == nil:
		r.bad.add(field, "is missing")
	case n.kind != k:
		r.bad.add(field, "want %s, got %s", k, n.kind)
	default:
		return true
	}
	return false
}

// kind reads the request type; 0 when it is wrong.
func (r *requestReader) kind(root *node) Type {
	n := root.get("request_type")
	if n == nil {
		r.bad.add("request_type", "is missing")
		return 0
	}
	for t := Text; t <= Crawler; t++ {
		if n.kind == textKind && n.text == t.String() || n.kind == numberKind && n.text == strconv.Itoa(int(t)) {
			return t
		}
	}
	r.bad.add("request_type", "want TEXT, TEXT_BATCH, IMAGE, CRAWLER or 1 to 4, got %s", excerpt(n.raw))
	return 0
}

// excerpt shortens a foreign text for a message.
func excerpt(s string) string {
	if runes := []rune(s[:min(len(s), 200)]); len(runes) > 40 {
		return string(runes[:40]) + "..."
	}
	return s
}

// known reports the fields that a request of type t does not have.
func (r *requestReader) known(root *node, t Type) {
	owners := map[string]Type{"request_type": t, "request_id": t}
	for owner := Text; owner <= Crawler; owner++ {
		for _, name := range fieldsOf[owner] {
			owners[name] = owner
		}
	}
	for _, f := range root.fields {
		owner, ok := owners[f.key]
		switch {
		case !ok:
			r.unknown(f.key, f.key, slices.Sorted(maps.Keys(owners)))
		case t != 0 && owner != t && f.value.kind != nullKind:
			r.bad.add(f.key, "belongs to %s, not to %s", owner, t)
		}
	}
}

// unknown reports a field that nobody knows, and the one that may be meant.
func (r *requestReader) unknown(path, key string, names []string) {
	if len(r.bad) == maxViolations {
		return // looking for what is meant takes time
	}
	hint := source.DidYouMean(key[:min(len(key), 64)], names)
	if hint != "" {
		hint = ": " + hint
	}
	r.bad.add(path, "is unknown%s", hint)
}

// id reads an optional identifier.
func (r *requestReader) id(field string, n *node) string {
	if n == nil || !r.want(field, n, textKind) {
		return ""
	}
	if len(n.text) > r.limits.IDBytes {
		r.bad.add(field, "has %d bytes, the limit is %d", len(n.text), r.limits.IDBytes)
		return ""
	}
	return n.text
}

func (r *requestReader) text(field string, n *node) string {
	if !r.want(field, n, textKind) {
		return ""
	}
	if len(n.text) > r.limits.TextBytes {
		r.bad.add(field, "has %d bytes, the limit is %d", len(n.text), r.limits.TextBytes)
	}
	return n.text
}

// items reads the texts of a batch. What is wrong within an item is its own
// problem, not the request's.
func (r *requestReader) items(n *node) []item {
	if !r.want("contents", n, arrayKind) {
		return nil
	}
	if len(n.items) == 0 || len(n.items) > r.limits.Items {
		r.bad.add("contents", "has %d items, want 1 to %d", len(n.items), r.limits.Items)
		return nil
	}
	items := make([]item, len(n.items))
	for i := range n.items {
		items[i] = r.item("contents["+strconv.Itoa(i)+"]", &n.items[i])
	}
	return items
}

func (r *requestReader) item(path string, n *node) item {
	own := &requestReader{limits: r.limits}
	var it item
	if own.want(path, n, objectKind) {
		it.id = own.id(path+".id", n.get("id"))
		it.text = own.text(path+".content", n.get("content"))
		own.only(path, n, "id", "content")
	}
	if len(own.bad) > 0 {
		it.problem = &own.bad[0]
	}
	return it
}

// only reports the fields that are none of the names.
func (r *requestReader) only(path string, n *node, names ...string) {
	for _, f := range n.fields {
		if !slices.Contains(names, f.key) {
			r.unknown(path+"."+f.key, f.key, names)
		}
	}
}

func (r *requestReader) picture(n *node) picture {
	if !r.want("image", n, objectKind) {
		return picture{}
	}
	r.only("image", n, "base64", "url")
	encoded, address := n.get("base64"), n.get("url")
	switch {
	case (encoded == nil) == (address == nil):
		r.bad.add("image", "want either base64 or url")
	case address != nil:
		if r.want("image.url", address, textKind) && address.text == "" {
			r.bad.add("image.url", "is empty")
		}
		return picture{url: address.text}
	case r.want("image.base64", encoded, textKind):
		data, err := base64.StdEncoding.DecodeString(encoded.text)
		if err != nil {
			r.bad.add("image.base64", "%v", err)
		}
		return picture{data: data}
	}
	return picture{}
}

func (r *requestReader) crawler(root *node, req *request) {
	address, graph := root.get("url"), root.get("graph")
	switch {
	case address == nil && graph == nil:
		r.bad.add("url", "is missing, and there is no graph")
	case address != nil && graph != nil:
		r.bad.add("graph", "cannot be given beside url")
	case graph != nil:
		for _, name := range []string{"depth", "max_pages"} {
			if root.get(name) != nil {
				r.bad.add(name, "has no meaning beside graph")
			}
		}
		req.graph = r.graph(graph)
	default:
		if r.want("url", address, textKind) {
			req.job.URL = address.text
		}
		req.job.Depth = r.count("depth", root.get("depth"))
		req.job.MaxPages = r.count("max_pages", root.get("max_pages"))
	}
}

// count reads an optional number that is not negative. What is too large is for
// the crawler to say.
func (r *requestReader) count(field string, n *node) int {
	if n == nil || !r.want(field, n, numberKind) {
		return 0
	}
	v, err := strconv.ParseInt(n.text, 10, 32)
	if err != nil || v < 0 {
		r.bad.add(field, "want an integer from 0 on, got %s", excerpt(n.text))
	}
	return int(v)
}

// graph reads a page graph, first for its shape, so that every mistake in it
// is told with its place.
func (r *requestReader) graph(n *node) *crawl.Graph {
	before := len(r.bad)
	r.shape("graph", n, reflect.TypeFor[crawl.Graph]())
	if len(r.bad) > before {
		return nil
	}
	g := &crawl.Graph{}
	if err := json.Unmarshal([]byte(n.raw), g); err != nil {
		r.bad.add("graph", "%v", err)
		return nil
	}
	for _, v := range g.Validate() {
		r.bad.add("graph."+v.Field, "%s", v.Description)
	}
	return g
}
