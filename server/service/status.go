package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	domain "touchstone/server/detect"
)

// Bounds of what an INVALID_ARGUMENT says. The whole has to stay well below
// the 8 KiB of trailers that C-core clients, Python's among them, take; details
// travel in base64.
const (
	maxViolations = 16
	maxField      = 64  // bytes of a field path
	maxText       = 160 // bytes of a description
)

// status turns an error into the status of the call; see [Config]. A nil error
// is nil.
func (d *detector) status(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if invalid, ok := errors.AsType[*domain.Invalid](err); ok {
		return invalidArgument(invalid.Violations)
	}
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	if unavailable, ok := errors.AsType[*domain.Unavailable](err); ok {
		return status.Error(codes.Unavailable, clip(unavailable.Error(), 512))
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	if s, ok := status.FromError(err); ok && s.Code() != codes.Unknown {
		return s.Err()
	}
	d.Log.ErrorContext(ctx, "detection ended unexpectedly", slog.Any("error", err))
	return status.Error(codes.Internal, "internal error")
}

// invalidArgument says what is wrong with a request, in words and as
// google.rpc.BadRequest.
func invalidArgument(violations []domain.Violation) error {
	shown := violations[:min(len(violations), maxViolations)]
	bad := &errdetails.BadRequest{}
	for _, v := range shown {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field:       clip(v.Field, maxField),
			Description: clip(v.Description, maxText),
		})
	}
	s, err := status.New(codes.InvalidArgument, describe(bad.FieldViolations, len(violations))).WithDetails(bad)
	if err != nil {
		return status.Errorf(codes.Internal, "pack details: %v", err)
	}
	return s.Err()
}

// describe puts the first violation into words, and says how many more of the
// total there are.
func describe(shown []*errdetails.BadRequest_FieldViolation, total int) string {
	if total == 0 {
		return "invalid content"
	}
	text := fmt.Sprintf("invalid content: %s: %s", shown[0].Field, shown[0].Description)
	if total > 1 {
		text += fmt.Sprintf(" (and %d more)", total-1)
	}
	return text
}

// clip shortens a text to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	const mark = "..."
	cut := n - len(mark)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}
