package inject_test

import (
	"fmt"

	"google.golang.org/grpc"

	"touchstone/server/fault"
	"touchstone/server/inject"
)

func Example() {
	plan, err := fault.Parse("plan.yaml", []byte("- {match: {attempt: 1-2}, inject: {status: UNAVAILABLE}}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	faults, err := inject.New(inject.Config{Plan: plan, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(faults.Unary), grpc.StreamInterceptor(faults.Stream))
	defer server.Stop()
	fmt.Println(faults.Hits())
	// Output: [0]
}
