package wire

import (
	"fmt"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"touchstone/loadgen/transport"
)

// block is a header block that is being read.
type block struct {
	id     uint32 // 0: none
	end    bool   // END_STREAM
	frames int
}

// maxContinuations bounds the frames of a header block.
const maxContinuations = 1024

// responseHeaders takes the first frame of a header block. Blocks of streams
// that are over are decoded too: they change the decoder's table.
func (c *conn) responseHeaders(f frame) error {
	if f.id == 0 {
		return errProtocol
	}
	p, err := unpad(f, http2.FlagHeadersPadded)
	if err != nil {
		return err
	}
	if f.flags.Has(http2.FlagHeadersPriority) {
		if len(p) < 5 {
			return errSize
		}
		p = p[5:]
	}
	c.block = block{id: f.id, end: f.flags.Has(http2.FlagHeadersEndStream)}
	whole := f.flags.Has(http2.FlagHeadersEndHeaders)
	each := c.streams.get(f.id)
	kept := each != nil && each.stream != nil
	if whole && !kept && c.decoder.recall(p) {
		c.complete()
		return nil
	}
	c.decoder.begin(kept)
	return c.fragment(p, whole)
}

func (c *conn) continuation(f frame) error {
	if c.block.id == 0 {
		return errProtocol
	}
	if c.block.frames++; c.block.frames > maxContinuations {
		return errFlood
	}
	return c.fragment(f.payload, f.flags.Has(http2.FlagContinuationEndHeaders))
}

// fragment decodes a part of a block, and acts on the block when it is whole.
func (c *conn) fragment(p []byte, whole bool) error {
	if err := c.decoder.write(p); err != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	if c.decoder.bytes > maxHeader {
		return errFlood
	}
	if !whole {
		return nil
	}
	if err := c.decoder.end(); err != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	c.complete()
	return nil
}

// complete acts on a whole block.
func (c *conn) complete() {
	b := c.block
	c.block = block{}
	if each := c.streams.get(b.id); each != nil {
		c.respond(each, b.end)
	}
}

// respond acts on a header block: an informational response, which is passed
// over, the response's headers, trailers, or both at once.
func (c *conn) respond(each *call, end bool) {
	h := &c.decoder.fields
	switch {
	case each.answered && !end:
		c.abort(each, &failure{http2.ErrCodeProtocol, codes.Internal, "headers in the middle of the response"})
	case each.answered && h.http != 0:
		c.abort(each, &failure{http2.ErrCodeProtocol, codes.Internal, "a :status among the trailers"})
	case each.answered:
		c.conclude(each, each.http)
	case h.http < 100 || h.http > 999 || end && h.http < 200:
		c.abort(each, &failure{http2.ErrCodeProtocol, codes.Internal, "a response without a valid :status"})
	case h.http < 200:
	case end:
		c.conclude(each, h.http)
	case h.http != 200 || !h.grpcType:
		c.abort(each, &failure{http2.ErrCodeCancel, transport.CodeOfHTTP(h.http), fmt.Sprintf("the response is not gRPC: HTTP status %d", h.http)})
	case h.encoding != "" && h.encoding != "identity" && h.encoding != "gzip":
		c.abort(each, &failure{http2.ErrCodeCancel, codes.Internal, fmt.Sprintf("grpc-encoding %q was not asked for", h.encoding)})
	default:
		each.answered, each.http, each.gzip = true, h.http, h.encoding == "gzip"
		each.res.Headers = c.slot.now
		if each.stream != nil {
			each.stream.headers(c.decoder.metadata())
		}
	}
}

// conclude ends a call by its trailers.
func (c *conn) conclude(each *call, http int) {
	h := &c.decoder.fields
	if each.stream != nil {
		each.stream.trailer = c.decoder.metadata()
	}
	switch {
	case !h.hasGRPC:
		c.over(each, transport.CodeOfHTTP(http), fmt.Sprintf("the response has no grpc-status: HTTP status %d", http))
	case h.grpc == codes.OK:
		c.over(each, codes.OK, "")
	default:
		c.over(each, h.grpc, h.text())
	}
}
