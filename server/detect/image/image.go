// Package image judges pictures: by their likeness to pictures on a block list,
// and by what the QR codes in them say.
//
// Pictures come from strangers, so nothing is decoded before its declared size
// is known to be within the limits, and each step has a bound of its own. The
// same bytes always get the same result.
package image

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"

	"touchstone/server/detect/guard"
	"touchstone/server/detect/verdict"
)

// Defaults of a Config.
const (
	DefaultMaxBytes  = 10 << 20   // 10 MiB
	DefaultMaxPixels = 24_000_000 // 6,000 x 4,000, of a good camera
	DefaultMaxFrames = 500
	DefaultDistance  = 8
)

// Config is what a detector needs. The zero value judges by the default block
// list and reads no meaning into QR codes.
type Config struct {
	// Judge decides on the text of a QR code. Nil lets every text pass.
	Judge func(string) verdict.Verdict

	// BlockList holds the fingerprints of unwanted pictures. Nil is
	// DefaultBlockList; an empty list blocks nothing.
	BlockList []Hash

	// Distance is the number of bits by which the fingerprint of a picture
	// may differ from one on the list and still be taken for it. 0 is
	// DefaultDistance; a negative number asks for equality. Unrelated
	// pictures differ by about 32 bits.
	Distance int

	// Client fetches pictures. Nil is a client of a guard that allows
	// public addresses only.
	Client *http.Client

	// MaxBytes bounds the encoded picture. 0 is DefaultMaxBytes.
	MaxBytes int

	// MaxPixels bounds width times height, which the picture declares and
	// the decoder would allocate. 0 is DefaultMaxPixels. The frames of an
	// animation may hold four times as many in total, since theirs take
	// a byte each and not four.
	MaxPixels int

	// MaxFrames bounds the frames of an animation. 0 is DefaultMaxFrames.
	MaxFrames int
}

// Detector judges pictures. It is safe for concurrent use.
type Detector struct {
	cfg Config
}

// New returns a detector with the defaults of cfg filled in.
func New(cfg Config) *Detector {
	if cfg.Judge == nil {
		cfg.Judge = func(string) verdict.Verdict { return verdict.Normal() }
	}
	if cfg.BlockList == nil {
		cfg.BlockList = DefaultBlockList()
	}
	if cfg.Client == nil {
		cfg.Client = guard.New(nil).Client(0)
	}
	cfg.Distance = max(0, cmp.Or(cfg.Distance, DefaultDistance))
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, DefaultMaxBytes)
	cfg.MaxPixels = cmp.Or(cfg.MaxPixels, DefaultMaxPixels)
	cfg.MaxFrames = cmp.Or(cfg.MaxFrames, DefaultMaxFrames)
	return &Detector{cfg: cfg}
}

// Info is what was seen in a picture.
type Info struct {
	Format string   `json:"format"` // png, jpeg, gif or webp
	Width  int      `json:"width"`  // in pixels
	Height int      `json:"height"` // in pixels
	PHash  Hash     `json:"phash"`  // of the first frame
	QR     []string `json:"qr"`     // the texts of the QR codes, sorted, each once; never nil
}

// Result is the verdict on a picture, and what led to it.
type Result struct {
	verdict.Verdict
	Info `json:"image"`
}

// Judge decodes a picture and judges it. Its errors are *TooLarge,
// *TooManyPixels, *TooManyFrames and *BadFormat, which speak of the picture,
// and the cause of ctx's end.
func (d *Detector) Judge(ctx context.Context, data []byte) (Result, error) {
	kind, info, err := d.inspect(data)
	if err != nil {
		return Result{}, err
	}
	frames, err := kind.frames(data)
	if err != nil {
		return Result{}, &BadFormat{Format: kind.name, Cause: err}
	}
	var hashes []Hash
	for frame := range frames {
		if ctx.Err() != nil {
			return Result{}, context.Cause(ctx)
		}
		gray := bounded(frame, maxSide)
		hashes = append(hashes, hashOf(gray))
		info.QR = append(info.QR, codes(gray)...)
	}
	info.PHash = hashes[0]
	return d.conclude(info, hashes), nil
}

// Known judges a picture by what an earlier Judge saw in it, without the
// picture. The verdict inside of r is not looked at.
func (d *Detector) Known(r Result) Result {
	info := r.Info
	info.QR = slices.Clone(r.QR)
	return d.conclude(info, []Hash{info.PHash})
}

// conclude gives the verdict on what was seen in a picture: the worst of the
// verdicts on its likeness and on each of its texts.
func (d *Detector) conclude(info Info, hashes []Hash) Result {
	slices.Sort(info.QR)
	info.QR = append([]string{}, slices.Compact(info.QR)...)
	worst := verdict.Normal()
	for _, h := range hashes {
		worst = verdict.Worst(worst, d.likeness(h))
	}
	for _, text := range info.QR {
		worst = verdict.Worst(worst, d.cfg.Judge(text))
	}
	return Result{Verdict: worst, Info: info}
}

// likeness compares a fingerprint with the block list.
func (d *Detector) likeness(h Hash) verdict.Verdict {
	if h == 0 {
		return verdict.Normal() // a flat picture is like nothing
	}
	best, nearest := math.MaxInt, Hash(0)
	for _, blocked := range d.cfg.BlockList {
		if distance := h.Distance(blocked); distance < best {
			best, nearest = distance, blocked
		}
	}
	if best > d.cfg.Distance {
		return verdict.Normal()
	}
	return verdict.Verdict{
		Suggestion: verdict.Block,
		Label:      "blocked_image",
		Score:      math.Round((1-float64(best)/64)*1e4) / 1e4,
		Hits:       []verdict.Hit{{Rule: "image-block-list", Text: nearest.String()}},
	}
}
