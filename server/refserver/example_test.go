package refserver_test

import (
	"context"
	"fmt"
	"net"

	"touchstone/server/refserver"
)

func Example() {
	server, err := refserver.New(refserver.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, shutdown := context.WithCancel(context.Background())
	shutdown() // a server would end it at SIGTERM
	fmt.Println(server.Serve(ctx, listener))
	// Output: <nil>
}
