package dynamic

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// RawCodec passes encoded messages through gRPC as they are: a request is a
// []byte, a response a *[]byte that is given a copy of its own. Its name is
// "proto", so the content type on the wire is that of ordinary calls. Use it
// with [google.golang.org/grpc.ForceCodecV2].
type RawCodec struct{}

var _ encoding.CodecV2 = RawCodec{}

// Marshal takes a []byte, which must not change until it is sent.
func (RawCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("raw codec: want a []byte to send, got %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal fills a *[]byte.
func (RawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("raw codec: want a *[]byte to receive into, got %T", v)
	}
	*into = data.Materialize()
	return nil
}

// Name returns "proto".
func (RawCodec) Name() string { return "proto" }
