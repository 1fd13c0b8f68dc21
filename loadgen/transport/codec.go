package transport

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// rawCodec passes encoded messages through: it sends *[]byte and receives
// *received. It goes by the name of the codec that encoded the bytes, so that
// the content type on the wire is the usual one.
type rawCodec struct{}

// received receives a message: its length, and its bytes if they are wanted.
type received struct {
	size int
	keep bool // the bytes are wanted
	data []byte
}

// Marshal implements encoding.CodecV2.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("raw codec: send %T, want *[]byte", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*data)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*received)
	if !ok {
		return fmt.Errorf("raw codec: receive %T, want *received", v)
	}
	m.size = data.Len()
	if m.keep {
		m.data = data.Materialize()
	}
	return nil
}

// Name implements encoding.CodecV2.
func (rawCodec) Name() string { return "proto" }
