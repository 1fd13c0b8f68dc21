package service

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// FuzzReplyOrder checks that an order that is read is one of the three, and
// prints as one that reads the same.
func FuzzReplyOrder(f *testing.F) {
	for _, word := range []string{"each", "end", "every=3", "every=0", "every=10001", ""} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		read := func(word string) (replies, error) {
			return replyOrder(metadata.NewIncomingContext(t.Context(), metadata.Pairs(replyKey, word)))
		}
		got, err := read(word)
		if err != nil {
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("%q is refused with %v", word, err)
			}
			return
		}
		printed := "each"
		switch {
		case got.atEnd:
			printed = "end"
		case got.every > 0:
			printed = fmt.Sprintf("every=%d", got.every)
		}
		if again, err := read(printed); err != nil || again != got {
			t.Errorf("%q is %+v, and %q is %+v, %v", word, got, printed, again, err)
		}
	})
}
