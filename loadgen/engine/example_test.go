package engine_test

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"touchstone/loadgen/engine"
	"touchstone/loadgen/pace"
	"touchstone/loadgen/transport"
)

func Example() {
	target := newFakeTarget(func(time.Duration) (time.Duration, codes.Code) { return 0, codes.OK })
	load, err := engine.Run(context.Background(), engine.Config{
		Name:      "greetings",
		Transport: target, // usually transport.NewChannel(conn)
		Next: func(k int) *transport.Request {
			return &transport.Request{Method: "/HelloService/SayHello", Messages: [][]byte{nil}}
		},
		Schedule: pace.Poisson(2000, 1),
		Requests: 100,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(load.Scheduled, load.Sent, load.Dropped, load.Statuses)
	// Output: 100 100 0 map[OK:100]
}
