package diff_test

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"touchstone/loadgen/diff"
	"touchstone/proto/detect"
)

func Example() {
	comparer, err := diff.New(diff.Rules{Ignore: []string{"Detect/detect message.data.took_ms"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := func(text string) diff.Answer {
		data, _ := proto.Marshal(&detect.DetectResponse{Data: text}) // it has no required fields
		return diff.Answer{Messages: [][]byte{data}}
	}
	result := comparer.Compare(&diff.Call{
		Method: "Detect/detect", Output: (&detect.DetectResponse{}).ProtoReflect().Descriptor(),
		Want: answer(`{"label": "normal", "took_ms": 3}`), Got: answer(`{"took_ms": 5, "label": "ad"}`),
	})
	for _, d := range result.Differences {
		fmt.Println(d.Path, d.Kind, d.Want, d.Got)
	}
	fmt.Println(result.Ignored, "ignored")
	// Output:
	// message.data.label changed "normal" "ad"
	// 1 ignored
}
