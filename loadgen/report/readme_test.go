package report_test

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"touchstone/loadgen/report"
)

// TestReadmeDescribesEveryField walks the model and looks for each field's JSON
// name in the description of the format.
func TestReadmeDescribesEveryField(t *testing.T) {
	readme, err := os.ReadFile("../../reports/README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() || seen[typ] {
			return
		}
		seen[typ] = true
		for field := range typ.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(string(readme), "`"+name+"`") {
				t.Errorf("reports/README.md does not describe %s.%s, %q", typ.Name(), field.Name, name)
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[report.Report]())
	if len(seen) < 10 {
		t.Errorf("only %d types seen", len(seen))
	}
}
