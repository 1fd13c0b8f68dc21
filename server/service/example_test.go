package service_test

import (
	"fmt"

	"google.golang.org/grpc"

	"touchstone/server/detect"
	"touchstone/server/service"
)

func Example() {
	server := grpc.NewServer()
	defer server.Stop()
	detector := detect.New(detect.Config{})
	service.Register(server, service.Config{
		Detector:   detector,
		NewSummary: func() service.Summary { return detector.NewSummary() },
	})
	for _, desc := range service.Descs() {
		fmt.Println(desc.ServiceName, len(server.GetServiceInfo()[desc.ServiceName].Methods))
	}
	// Output:
	// Detect 4
	// HelloService 4
}
