package service

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	domain "touchstone/server/detect"
)

// TestManyViolationsFitIntoTrailers: C-core clients, Python's among them,
// refuse trailers above 8 KiB, and would report RESOURCE_EXHAUSTED instead.
func TestManyViolationsFitIntoTrailers(t *testing.T) {
	var many []domain.Violation
	for range 1000 {
		many = append(many, domain.Violation{Field: strings.Repeat("字", 1000), Description: strings.Repeat("x\xff", 1000)})
	}
	s := status.Convert(invalidArgument(many))
	if size := proto.Size(s.Proto()) * 4 / 3; size > 7<<10 {
		t.Errorf("the status takes %d bytes in base64", size)
	}
	if !strings.Contains(s.Message(), "(and 999 more)") {
		t.Errorf("message %q does not count the rest", s.Message())
	}
}

func TestClip(t *testing.T) {
	tests := []struct {
		name, text string
		n          int
		want       string
	}{
		{"short enough", "abc", 3, "abc"},
		{"too long", "abcdef", 5, "ab..."},
		{"not within a character", "字字字", 8, "字..."},
		{"invalid bytes are replaced", "a\xff", 9, "a\uFFFD"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := clip(test.text, test.n)
			if got != test.want || !utf8.ValidString(got) {
				t.Errorf("clip(%q, %d) = %q, want %q", test.text, test.n, got, test.want)
			}
		})
	}
}

func TestNoErrorIsNoStatus(t *testing.T) {
	if err := (&detector{}).status(t.Context(), nil); err != nil {
		t.Errorf("status(nil) = %v", err)
	}
	if got := status.Convert((&detector{}).status(t.Context(), status.Error(5, "x"))).Code(); got != 5 {
		t.Errorf("a status becomes %s", got)
	}
	if got := describe(nil, 0); errors.New(got).Error() != "invalid content" {
		t.Errorf("no violations: %q", got)
	}
}
