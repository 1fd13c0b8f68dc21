package wire

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// decoder decodes the header blocks of a connection. It remembers what short
// blocks mean: targets answer most calls with the same few bytes.
type decoder struct {
	fields
	hpack *hpack.Decoder
	known []known
	short [maxShort]byte // the block under way, as long as it may be remembered
	have  int            // bytes in short; -1 for a block that may not be
	list  []hpack.HeaderField
	keep  bool // in list
}

// known is a block of indexed fields and what it means while the table stays
// as it is. Such a block does not change the table.
type known struct {
	block  [maxShort]byte
	length int
	fields fields
}

const (
	maxShort = 8
	maxKnown = 8
)

func (d *decoder) init() {
	d.hpack = hpack.NewDecoder(4096, d.emit)
	d.hpack.SetMaxStringLength(maxHeader)
}

// recall decodes a whole block that is known; it is false when it is not.
func (d *decoder) recall(block []byte) bool {
	if len(block) > maxShort {
		return false
	}
	for i := range d.known {
		if k := &d.known[i]; k.length == len(block) && string(k.block[:k.length]) == string(block) {
			d.fields = k.fields
			return true
		}
	}
	return false
}

// begin starts a block. Its fields are kept for metadata, if they are wanted.
func (d *decoder) begin(keep bool) {
	d.fields, d.have, d.list, d.keep = fields{}, 0, nil, keep
}

func (d *decoder) emit(h hpack.HeaderField) {
	d.add(h)
	if d.keep && d.bytes <= maxHeader {
		d.list = append(d.list, h)
	}
}

// metadata returns the fields of a block that are the application's.
func (d *decoder) metadata() metadata.MD {
	md := metadata.MD{}
	for _, h := range d.list {
		if h.IsPseudo() || strings.HasPrefix(h.Name, "grpc-") && h.Name != detailsKey {
			continue
		}
		if !strings.HasSuffix(h.Name, "-bin") {
			md.Append(h.Name, h.Value)
			continue
		}
		// Several values may come as one, with commas between them.
		for one := range strings.SplitSeq(h.Value, ",") {
			if value, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(one, "=")); err == nil {
				md.Append(h.Name, string(value))
			}
		}
	}
	return md
}

// write decodes a piece of a block.
func (d *decoder) write(p []byte) error {
	if d.have >= 0 && d.have+len(p) <= maxShort && indexed(p) {
		d.have += copy(d.short[d.have:], p)
	} else {
		d.have = -1
	}
	_, err := d.hpack.Write(p)
	return err
}

// end ends a block.
func (d *decoder) end() error {
	if err := d.hpack.Close(); err != nil {
		return err
	}
	switch {
	case d.have < 0:
		d.known = d.known[:0] // the block may have changed the table
	case len(d.known) < maxKnown:
		d.known = append(d.known, known{d.short, d.have, d.fields})
	}
	return nil
}

// indexed reports whether all of p are fields that are nothing but an index of
// one byte (RFC 7541, section 6.1).
func indexed(p []byte) bool {
	for _, b := range p {
		if b < 0x80 || b == 0xff {
			return false
		}
	}
	return true
}

// fields is what a response's header block says.
type fields struct {
	http     int // :status, 0 when there was none
	grpc     codes.Code
	hasGRPC  bool
	message  string // as sent
	grpcType bool   // content-type is application/grpc
	encoding string // grpc-encoding
	bytes    int    // size of the list, as in SETTINGS_MAX_HEADER_LIST_SIZE
}

// add takes one field.
func (f *fields) add(h hpack.HeaderField) {
	f.bytes += int(h.Size())
	switch h.Name {
	case ":status":
		f.http, _ = strconv.Atoi(h.Value)
	case "content-type":
		f.grpcType = isGRPC(h.Value)
	case "grpc-encoding":
		f.encoding = h.Value
	case "grpc-message":
		f.message = h.Value
	case "grpc-status":
		f.hasGRPC = true
		n, err := strconv.ParseUint(h.Value, 10, 31)
		if f.grpc = codes.Code(n); err != nil || f.grpc > codes.Unauthenticated {
			f.grpc = codes.Unknown // what gRPC has for codes that it does not have
		}
	}
}

// isGRPC reports whether a content-type is application/grpc, with a suffix
// such as +proto or without.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(contentType), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// text returns the status message, percent-decoded; what is not an encoding
// stays as it is.
func (f *fields) text() string {
	if !strings.Contains(f.message, "%") {
		return f.message
	}
	if s, err := url.PathUnescape(f.message); err == nil {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return f.message
}
