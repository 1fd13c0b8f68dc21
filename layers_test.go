package touchstone_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// layers lists every package, lowest first. A package may import packages of
// the layers below its own, and none of its own layer. In `server` nothing
// imports `loadgen`: the reference server stands without its client.
var layers = [][]string{
	{"proto/detect", "proto/hello", "proto/gen"},

	// Pure: no clock, goroutine or I/O.
	{"server/source", "server/detect/verdict"},
	{"server/fault", "loadgen/pace", "loadgen/hist", "loadgen/retry"},

	// The reference server.
	{"server/detect/text", "server/detect/guard"},
	{"server/detect/image"},
	{"server/detect/crawl"},
	{"server/detect"},
	{"server/service", "server/inject", "server/proxy"},
	{"server/refserver"},
	{"server/cli"},
	{"server"},

	// The client.
	{"loadgen/report"},
	{"loadgen/capacity", "loadgen/compare", "loadgen/event", "loadgen/otlp", "loadgen/schema", "loadgen/transport"},
	{"loadgen/diff", "loadgen/retrycheck/mutant"},
	{"loadgen/dynamic", "loadgen/retrycheck", "loadgen/ghz", "loadgen/transport/wire"},
	{"loadgen/assert", "loadgen/fixture", "loadgen/transport/conformance", "loadgen/fixture/secret"},
	{"loadgen/fixture/redact"},
	{"loadgen/fixture/verify", "loadgen/fixture/intercept", "loadgen/fixture/importer", "loadgen/fixture/porting"},
	{"loadgen/safety"},
	{"loadgen/replay"},
	{"loadgen/scenario", "loadgen/patch", "loadgen/engine", "loadgen/render/html"},
	{"loadgen/scenario/jsonschema"},
	{"loadgen/runner", "loadgen/render"},
	{"loadgen/live", "loadgen/live/web", "loadgen/scaffold", "loadgen/doctor"},
	{"loadgen/cli"},
	{"loadgen"},

	// Texts, pictures and a site to test with.
	{"reports/peers", "fixtures/images/gen", "fixtures/site", "fixtures/texts", "fixtures/clients/go"},
}

// TestLayers parses the imports of every package and fails on one that goes up
// or sideways, on a package that the table does not list, and on a row of the
// table that has no package.
func TestLayers(t *testing.T) {
	layer := map[string]int{}
	for i, names := range layers {
		for _, name := range names {
			layer[name] = i
		}
	}
	found := map[string]bool{}
	for _, file := range goFiles(t) {
		pkg := path.Dir(file)
		if pkg == "." {
			continue
		}
		found[pkg] = true
		own, listed := layer[pkg]
		if !listed {
			t.Errorf("%s: package %s is not in the layer table", file, pkg)
			continue
		}
		for _, imported := range ownImports(t, file) {
			switch target, listed := layer[imported]; {
			case strings.HasPrefix(pkg, "server") && strings.HasPrefix(imported, "loadgen"):
				t.Errorf("%s imports %s: server never imports loadgen", file, imported)
			case !listed:
				t.Errorf("%s imports %s, which is not in the layer table", file, imported)
			case target >= own && imported != pkg:
				t.Errorf("%s imports %s, which is not below it", file, imported)
			}
		}
	}
	for name := range layer {
		if !found[name] {
			t.Errorf("the layer table lists %s, which does not exist", name)
		}
	}
}

// goFiles returns the paths of the module's Go files that are not tests.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case strings.HasSuffix(p, ".go") && !strings.HasSuffix(p, "_test.go"):
			files = append(files, filepath.ToSlash(p))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ownImports returns the module's own packages that a file imports, without
// the module's name.
func ownImports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var own []string
	for _, spec := range parsed.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		if rest, ok := strings.CutPrefix(name, "touchstone/"); ok {
			own = append(own, rest)
		}
	}
	return own
}
