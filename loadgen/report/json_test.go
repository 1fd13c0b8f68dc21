package report_test

import (
	"encoding/json"
	"strings"
	"testing"

	"touchstone/loadgen/report"
)

func TestJSONShowsAndReadsBack(t *testing.T) {
	for _, text := range []string{"plain <b>&</b>", "审核 é", "\x00\x1b[31m\x7f", "\u009b31m", "\u202eturned\u2066", "\u2028", "\U000e0041 tag", "\U0001f600", `"\`} {
		got, err := report.JSON(text, "")
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(string(got[:len(got)-1]), "\x00\x1b\x7f\u009b\u202e\u2066\u2028\U000e0041\n") {
			t.Errorf("%q acts: %q", text, got)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != text {
			t.Errorf("%q reads back as %q, %v", text, back, err)
		}
	}
	if got, _ := report.JSON("<b> 审核", ""); string(got) != "\"<b> 审核\"\n" {
		t.Errorf("%q is escaped without need", got)
	}
}
