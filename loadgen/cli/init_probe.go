package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/report"
	"touchstone/loadgen/scaffold"
	"touchstone/loadgen/schema"
)

// maxProbed is how many messages of a stream are taken.
const maxProbed = 1000

// probe makes one call, sends messages, and tells what came of it. The error is
// that of a ctx that has ended.
func probe(ctx context.Context, conn *grpc.ClientConn, md protoreflect.MethodDescriptor, messages []proto.Message) (scaffold.Outcome, error) {
	// Not a deadline, which the target would hear of and might answer first.
	call, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(scaffold.Timeout, cancel)
	received, err := exchange(call, conn, md, messages)
	cut := !timer.Stop()
	if ctx.Err() != nil {
		return scaffold.Outcome{}, context.Cause(ctx)
	}
	ended := status.Convert(err)
	return scaffold.Outcome{
		Status: report.StatusName(uint32(ended.Code())), Message: ended.Message(), Received: received,
		Endless: cut || received == maxProbed,
	}, nil
}

// exchange sends all messages and takes what comes; it returns how many came,
// and the error that is the status of the call.
func exchange(ctx context.Context, conn *grpc.ClientConn, md protoreflect.MethodDescriptor, messages []proto.Message) (received int, err error) {
	desc := grpc.StreamDesc{StreamName: string(md.Name()), ClientStreams: true, ServerStreams: true}
	stream, err := conn.NewStream(ctx, &desc, "/"+schema.MethodName(md), grpc.ForceCodecV2(dynamic.RawCodec{}))
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		raw, err := proto.Marshal(m)
		if err != nil {
			return 0, err
		}
		if err := stream.SendMsg(raw); err != nil {
			break // the status follows
		}
	}
	if err := stream.CloseSend(); err != nil {
		return 0, err
	}
	for received < maxProbed {
		var raw []byte
		if err := stream.RecvMsg(&raw); errors.Is(err, io.EOF) {
			return received, nil
		} else if err != nil {
			return received, err
		}
		received++
	}
	return received, nil
}
