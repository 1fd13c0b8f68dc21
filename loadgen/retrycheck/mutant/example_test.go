package mutant_test

import (
	"fmt"

	"touchstone/loadgen/retrycheck/mutant"
)

func ExampleDefects() {
	fmt.Println(mutant.Defects()[:3])
	// Output: [GOAWAY ends all streams OK without a message a deadline for each attempt]
}
