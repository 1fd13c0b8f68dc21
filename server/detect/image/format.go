package image

import (
	"bytes"
	"errors"
	"fmt"
	stdimage "image"
	"image/jpeg"
	"image/png"
	"io"
	"iter"

	"golang.org/x/image/webp"
)

// maxScans bounds the scans of a JPEG. An ordinary progressive one has about
// ten. Each passes over the whole picture and may be a few bytes long, so that
// without a bound a small file could ask for hours of work.
const maxScans = 64

// format is a way in which pictures are encoded.
//
// Note: the registry of the standard image package is filled by imports from
// anywhere in the program. A list of our own says what is accepted.
type format struct {
	name   string
	magic  []string // the beginning; '?' stands for any byte
	config func(io.Reader) (stdimage.Config, error)
	decode func(io.Reader) (stdimage.Image, error) // nil for GIF, which has frames
}

// formats lists what is accepted.
func formats() []format {
	return []format{
		{"png", []string{"\x89PNG\r\n\x1a\n"}, png.DecodeConfig, png.Decode},
		{"jpeg", []string{"\xff\xd8\xff"}, jpeg.DecodeConfig, jpeg.Decode},
		{"gif", []string{"GIF87a", "GIF89a"}, gifConfig, nil},
		{"webp", []string{"RIFF????WEBPVP8"}, webp.DecodeConfig, webp.Decode},
	}
}

// inspect checks all limits of a picture without decoding it.
func (d *Detector) inspect(data []byte) (format, Info, error) {
	if len(data) > d.cfg.MaxBytes {
		return format{}, Info{}, &TooLarge{Bytes: int64(len(data)), Limit: d.cfg.MaxBytes}
	}
	kind, ok := sniff(data)
	if !ok {
		cause := errors.New("the first bytes are not those of a PNG, JPEG, GIF or WebP file")
		return format{}, Info{}, &BadFormat{Cause: cause}
	}
	cfg, err := contain(func() (stdimage.Config, error) { return kind.config(bytes.NewReader(data)) })
	if err == nil && (cfg.Width <= 0 || cfg.Height <= 0) {
		err = errors.New("it has no pixels")
	}
	if err != nil {
		return format{}, Info{}, &BadFormat{Format: kind.name, Cause: err}
	}
	if cfg.Width > d.cfg.MaxPixels/cfg.Height {
		return format{}, Info{}, &TooManyPixels{Width: cfg.Width, Height: cfg.Height, Frames: 1, Limit: d.cfg.MaxPixels}
	}
	return kind, Info{Format: kind.name, Width: cfg.Width, Height: cfg.Height}, d.inspectParts(kind, cfg, data)
}

// inspectParts checks what is inside of the file and not in its header.
func (d *Detector) inspectParts(kind format, cfg stdimage.Config, data []byte) error {
	switch kind.name {
	case "gif":
		return d.inspectGIF(cfg, data)
	case "jpeg":
		// Within a scan 0xff is followed by 0 or a restart marker, so
		// that this pair is nearly always the start of a scan.
		if n := bytes.Count(data, []byte{0xff, 0xda}); n > maxScans {
			return &BadFormat{Format: kind.name, Cause: fmt.Errorf("it has %d scans, the limit is %d", n, maxScans)}
		}
	}
	return nil
}

// sniff tells the format by the first bytes.
func sniff(data []byte) (format, bool) {
	for _, f := range formats() {
		for _, magic := range f.magic {
			if begins(data, magic) {
				return f, true
			}
		}
	}
	return format{}, false
}

// begins reports whether data begins with a magic string.
func begins(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

// frames decodes a picture that has been inspected: a still one has a single
// frame, of an animation it is a sample. A sequence has at least one frame.
func (f format) frames(data []byte) (iter.Seq[stdimage.Image], error) {
	if f.decode == nil {
		return gifFrames(data)
	}
	img, err := contain(func() (stdimage.Image, error) { return f.decode(bytes.NewReader(data)) })
	if err != nil {
		return nil, err
	}
	return func(yield func(stdimage.Image) bool) { yield(img) }, nil
}

// contain runs a decoder that is not ours. A panic in it is taken for a sign
// of damage in the file.
func contain[T any](decode func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder panics: %v", p)
		}
	}()
	return decode()
}
