package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2/hpack"
)

// What is remembered of short blocks must not outlive the table that they
// refer to: blocks with and without new fields, and with smaller tables, are
// decoded as a decoder that remembers nothing decodes them.
func TestDecoderRemembersWhatHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var out bytes.Buffer
	encoder := hpack.NewEncoder(&out)
	var d decoder
	d.init()
	plain := hpack.NewDecoder(4096, nil)
	recalled := 0
	for i := range 5000 {
		out.Reset()
		if random.IntN(40) == 0 {
			encoder.SetMaxDynamicTableSize(uint32(random.IntN(400)))
		}
		for _, h := range randomBlock(random) {
			if err := encoder.WriteField(h); err != nil {
				t.Fatal(err)
			}
		}
		var want fields
		list, err := plain.DecodeFull(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range list {
			want.add(h)
		}
		if d.recall(out.Bytes()) {
			recalled++
		} else {
			d.begin(false)
			for _, b := range out.Bytes() { // in pieces, as CONTINUATION has them
				if err := d.write([]byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.end(); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, d.fields, cmp.AllowUnexported(fields{})); diff != "" {
			t.Fatalf("block %d, %x (-want +got):\n%s", i, out.Bytes(), diff)
		}
	}
	if recalled < 1000 {
		t.Errorf("%d of 5000 blocks were remembered, want a good part of them", recalled)
	}
}

// randomBlock is one of a few responses; now and then one with a new value.
func randomBlock(random *rand.Rand) []hpack.HeaderField {
	value := fmt.Sprint(random.IntN(3))
	if random.IntN(10) == 0 {
		value = fmt.Sprint(random.IntN(1e6))
	}
	switch random.IntN(3) {
	case 0:
		return []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}}
	case 1:
		return []hpack.HeaderField{{Name: "grpc-status", Value: value}, {Name: "grpc-message", Value: "m" + value}}
	}
	return []hpack.HeaderField{{Name: "grpc-status", Value: "0"}}
}

// The table of calls behaves as a map does.
func TestTableIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var got table
	want := map[uint32]*call{}
	next := uint32(1)
	for range 10_000 {
		if random.IntN(2) == 0 {
			c := &call{id: next}
			next += 2
			got.put(c)
			want[c.id] = c
		} else if id := random.Uint32N(next) | 1; want[id] != nil {
			got.remove(want[id])
			delete(want, id)
		}
		if id := random.Uint32N(next+2) | 1; got.get(id) != want[id] || got.n != len(want) {
			t.Fatalf("get(%d) = %v among %d, want %v among %d", id, got.get(id), got.n, want[id], len(want))
		}
	}
	seen := 0
	got.each(func(c *call) {
		if seen++; want[c.id] != c {
			t.Errorf("each has %d, which was removed", c.id)
		}
		got.remove(c)
	})
	if seen != len(want) || got.n != 0 {
		t.Errorf("each saw %d calls and left %d, want %d and none", seen, got.n, len(want))
	}
}
