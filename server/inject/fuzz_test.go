package inject

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// FuzzAsked checks that whatever callers ask for never panics, is a bounded
// wait, and is refused with INVALID_ARGUMENT only.
func FuzzAsked(f *testing.F) {
	f.Add("sleep-1,error-code-14", "", "", 0)
	f.Add("hostname=here keep-open,,succeed-on-retry-attempt-2", "", "", 2)
	f.Add("", "14", "250", 1)
	f.Fuzz(func(t *testing.T, behavior, abort, delay string, previous int) {
		md := metadata.MD{}
		for key, value := range map[string]string{behaviorKey: behavior, envoyAbortKey: abort, envoyDelayKey: delay} {
			if value != "" {
				md.Set(key, value)
			}
		}
		o, err := asked(md, previous, "here")
		if err != nil && status.Code(err) != codes.InvalidArgument {
			t.Errorf("refused with %v", err)
		}
		if o.delay < 0 || o.delay > maxWait {
			t.Errorf("a delay of %s", o.delay)
		}
		if o.action != nil && status.Code(o.end.err) == codes.OK {
			t.Error("an end without a status")
		}
	})
}
