package dynamic_test

import (
	"testing"

	"google.golang.org/grpc/mem"

	"touchstone/loadgen/dynamic"
)

func TestRawCodecPassesBytesUntouched(t *testing.T) {
	var codec dynamic.RawCodec
	sent, err := codec.Marshal([]byte("\x0a\x01x"))
	if err != nil {
		t.Fatal(err)
	}
	var received []byte
	split := mem.BufferSlice{mem.SliceBuffer(sent.Materialize()[:1]), mem.SliceBuffer(sent.Materialize()[1:])}
	if err := codec.Unmarshal(split, &received); err != nil || string(received) != "\x0a\x01x" {
		t.Errorf("received %q, %v", received, err)
	}
	if _, err := codec.Marshal("text"); err == nil {
		t.Error("Marshal takes a string")
	}
	if err := codec.Unmarshal(split, received); err == nil {
		t.Error("Unmarshal takes a slice that it cannot fill")
	}
	if codec.Name() != "proto" {
		t.Errorf("name %q would change the content type", codec.Name())
	}
}
