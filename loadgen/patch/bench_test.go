package patch

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// detect is a message such as the load of a JSON-carrying service needs.
const detect = `{"string": "{\"request_type\":\"TEXT\",\"request_id\":\"%s\",\"content\":\"%s\"}", "i64": "%s", "inner": {"next": {"name": "user-%s"}}}`

// BenchmarkMessage makes a message for each call by patching, and the other two
// ways: by encoding a message whose fields are set, and by reading JSON. The
// metric x is how many times slower they are than patching.
func BenchmarkMessage(b *testing.B) {
	p, _, err := compile(b, fmt.Sprintf(detect, "${uuid()}", "${row.text}", "${i}", "${i}"))
	if err != nil {
		b.Fatal(err)
	}
	perOp := map[string]float64{}
	measure := func(name string, make func(k int) error) {
		b.Run("by="+name, func(b *testing.B) {
			b.ReportAllocs()
			k := 0
			for b.Loop() {
				if err := make(k); err != nil {
					b.Fatal(err)
				}
				k++
			}
			perOp[name] = float64(b.Elapsed()) / float64(b.N)
			b.ReportMetric(perOp[name]/perOp["patch"], "x")
		})
	}
	buffer, now := make([]byte, 0, 1<<12), time.Now()
	measure("patch", func(k int) error {
		buffer = p.Append(buffer[:0], Call{K: k, Now: now})
		return nil
	})
	md := descriptor(b)
	id := expr{kind: uuid}
	measure("marshal", func(k int) error {
		m := dynamicpb.NewMessage(md)
		text := marshal(rows[k%3].(map[string]any)["text"])
		m.Set(md.Fields().ByName("string"), protoreflect.ValueOfString(`{"request_type":"TEXT","request_id":"`+string(id.text(nil, 5, Call{K: k}))+`","content":`+text+`}`))
		m.Set(md.Fields().ByName("i64"), protoreflect.ValueOfInt64(int64(k)))
		next := m.Mutable(md.Fields().ByName("inner")).Message()
		next = next.Mutable(next.Descriptor().Fields().ByName("next")).Message()
		next.Set(next.Descriptor().Fields().ByName("name"), protoreflect.ValueOfString("user-"+strconv.Itoa(k)))
		_, err := proto.MarshalOptions{}.MarshalAppend(buffer[:0], m)
		return err
	})
	measure("json", func(k int) error {
		text, ok := rows[k%3].(map[string]any)["text"].(string)
		if !ok {
			return errors.New("no text")
		}
		quoted := marshal(text)
		m := dynamicpb.NewMessage(md)
		inner := marshal(`{"request_type":"TEXT","request_id":"` + string(id.text(nil, 5, Call{K: k})) + `","content":` + quoted + `}`)
		document := `{"string":` + inner + `,"i64":"` + strconv.Itoa(k) + `","inner":{"next":{"name":"user-` + strconv.Itoa(k) + `"}}}`
		if err := protojson.Unmarshal([]byte(document), m); err != nil {
			return err
		}
		_, err := proto.MarshalOptions{}.MarshalAppend(buffer[:0], m)
		return err
	})
}
