package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	stdimage "image"
	"image/draw"
	"image/gif"
	"io"
	"iter"
)

// maxSampled is the number of frames of an animation that are looked at: the
// first, the last and those evenly between them.
const maxSampled = 5

// errGIF is the cause when the blocks of a GIF do not follow one another.
var errGIF = errors.New("its blocks are cut off")

// gifConfig reads the size of the canvas, on which all frames must fit.
func gifConfig(r io.Reader) (stdimage.Config, error) { return gif.DecodeConfig(r) }

// inspectGIF bounds the frames of an animation, which its header does not
// declare, by walking over its blocks.
func (d *Detector) inspectGIF(cfg stdimage.Config, data []byte) error {
	frames, pixels, err := countFrames(data)
	switch {
	case err != nil:
		return &BadFormat{Format: "gif", Cause: err}
	case frames > d.cfg.MaxFrames:
		return &TooManyFrames{Frames: frames, Limit: d.cfg.MaxFrames}
	case pixels > 4*d.cfg.MaxPixels:
		return &TooManyPixels{Width: cfg.Width, Height: cfg.Height, Frames: frames, Limit: 4 * d.cfg.MaxPixels}
	}
	return nil
}

// countFrames counts the frames of a GIF and the pixels in them all. Nothing
// is decompressed. Format: GIF89a specification, sections 15 to 27.
func countFrames(data []byte) (frames, pixels int, err error) {
	if len(data) < 13 {
		return 0, 0, errGIF
	}
	rest := data[13:] // header and logical screen descriptor
	if rest, err = skipColors(rest, data[10]); err != nil {
		return 0, 0, err
	}
	for len(rest) > 0 {
		switch rest[0] {
		case 0x3b: // trailer
			return frames, pixels, nil
		case 0x21: // extension: its label, then its data
			rest, err = skipBlocks(rest, 2)
		case 0x2c: // image descriptor
			var area int
			rest, area, err = skipFrame(rest)
			frames, pixels = frames+1, pixels+area
		default:
			err = errGIF
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return 0, 0, errGIF
}

// skipColors skips a colour table, when the flags say that there is one.
func skipColors(rest []byte, flags byte) ([]byte, error) {
	if flags&0x80 == 0 {
		return rest, nil
	}
	size := 3 << (flags&7 + 1)
	if len(rest) < size {
		return nil, errGIF
	}
	return rest[size:], nil
}

// skipFrame skips a frame, and returns how many pixels it declares.
func skipFrame(rest []byte) (after []byte, area int, err error) {
	if len(rest) < 10 {
		return nil, 0, errGIF
	}
	w, h := binary.LittleEndian.Uint16(rest[5:]), binary.LittleEndian.Uint16(rest[7:])
	if after, err = skipColors(rest[10:], rest[9]); err != nil {
		return nil, 0, err
	}
	after, err = skipBlocks(after, 1) // the code size, then the data
	return after, int(w) * int(h), err
}

// skipBlocks skips from bytes, and then blocks until the empty one.
func skipBlocks(rest []byte, from int) ([]byte, error) {
	for i := from; i < len(rest); i += int(rest[i]) + 1 {
		if rest[i] == 0 {
			return rest[i+1:], nil
		}
	}
	return nil, errGIF
}

// gifFrames decodes an animation and yields what a viewer would show, at the
// sampled frames. A frame is valid until the next one is asked for.
func gifFrames(data []byte) (iter.Seq[stdimage.Image], error) {
	anim, err := contain(func() (*gif.GIF, error) { return gif.DecodeAll(bytes.NewReader(data)) })
	if err != nil {
		return nil, err
	}
	return func(yield func(stdimage.Image) bool) {
		canvas := stdimage.NewRGBA(stdimage.Rect(0, 0, anim.Config.Width, anim.Config.Height))
		for i, frame := range anim.Image {
			undo := dispose(canvas, frame.Bounds(), anim.Disposal[i])
			draw.Draw(canvas, frame.Bounds(), frame, frame.Bounds().Min, draw.Over)
			if sampled(i, len(anim.Image)) && !yield(canvas) {
				return
			}
			undo()
		}
	}, nil
}

// dispose returns what is to be done to the canvas once a frame has been shown
// in r. Only r is kept: a copy of the whole canvas for each of many small
// frames would be work without a bound.
func dispose(canvas *stdimage.RGBA, r stdimage.Rectangle, method byte) func() {
	switch method {
	case gif.DisposalBackground:
		return func() { draw.Draw(canvas, r, stdimage.Transparent, stdimage.Point{}, draw.Src) }
	case gif.DisposalPrevious:
		before := stdimage.NewRGBA(r)
		draw.Draw(before, r, canvas, r.Min, draw.Src)
		return func() { draw.Draw(canvas, r, before, r.Min, draw.Src) }
	}
	return func() {}
}

// sampled reports whether frame i of n is one of at most maxSampled that are
// looked at.
func sampled(i, n int) bool {
	if n <= maxSampled {
		return true
	}
	for k := range maxSampled {
		if i == k*(n-1)/(maxSampled-1) {
			return true
		}
	}
	return false
}
