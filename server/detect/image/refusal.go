package image

import "fmt"

// TooLarge is the error for a picture of too many bytes.
type TooLarge struct {
	Bytes int64 // what was declared or read, at least
	Limit int
}

// Error names the size and the limit.
func (e *TooLarge) Error() string {
	return fmt.Sprintf("image has %d bytes or more, the limit is %d", e.Bytes, e.Limit)
}

// TooManyPixels is the error for a picture that declares too large a size. It
// has not been decoded.
type TooManyPixels struct {
	Width, Height int
	Frames        int // 1 but for animations
	Limit         int // in pixels: of a picture, or of all frames
}

// Error names the size and the limit.
func (e *TooManyPixels) Error() string {
	if e.Frames > 1 {
		return fmt.Sprintf("animation of %d x %d pixels has %d frames with more than %d pixels in total", e.Width, e.Height, e.Frames, e.Limit)
	}
	return fmt.Sprintf("image declares %d x %d pixels, the limit is %d in total", e.Width, e.Height, e.Limit)
}

// TooManyFrames is the error for an animation that is too long. It has not
// been decoded.
type TooManyFrames struct {
	Frames, Limit int
}

// Error names the number and the limit.
func (e *TooManyFrames) Error() string {
	return fmt.Sprintf("animation has %d frames, the limit is %d", e.Frames, e.Limit)
}

// BadFormat is the error for bytes that are no picture of a known format, or a
// damaged one.
type BadFormat struct {
	Format string // "" when the first bytes are those of no known format
	Cause  error
}

// Error names the format and what is wrong with it.
func (e *BadFormat) Error() string {
	if e.Format == "" {
		return fmt.Sprintf("not an image: %v", e.Cause)
	}
	return fmt.Sprintf("damaged %s image: %v", e.Format, e.Cause)
}

// Unwrap returns the decoder's error.
func (e *BadFormat) Unwrap() error { return e.Cause }

// BadURL is the error for the address of a picture that cannot be asked for.
type BadURL struct {
	URL   string
	Cause error
}

// Error names the address and what is wrong with it.
func (e *BadURL) Error() string { return fmt.Sprintf("image url %q: %v", e.URL, e.Cause) }

// Unwrap returns the cause.
func (e *BadURL) Unwrap() error { return e.Cause }

// Unreachable is the error for a picture that could not be fetched.
type Unreachable struct {
	URL   string
	Cause error
}

// Error names the address and the cause.
func (e *Unreachable) Error() string { return fmt.Sprintf("fetch image %q: %v", e.URL, e.Cause) }

// Unwrap returns the cause.
func (e *Unreachable) Unwrap() error { return e.Cause }
