package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/schema"
)

// suite is the package of the suite's messages.
const suite = "connectrpc.conformance.v1."

// load compiles the suite's .proto files.
func load(ctx context.Context, folder string) (schema.Types, error) {
	s, err := schema.Open(ctx, schema.Config{
		Protos: []string{"connectrpc/conformance/v1/client_compat.proto"}, ImportPaths: []string{folder}, Mode: schema.Off,
	})
	if err != nil {
		return nil, err
	}
	return s.Types(), nil
}

// message is a message whose fields are known by name only.
type message struct{ protoreflect.Message }

func (a *adapter) message(name string) message {
	t, err := a.types.FindMessageByName(protoreflect.FullName(suite + name))
	if err != nil {
		panic(err) // the suite of this version has it
	}
	return message{t.New()}
}

func (m message) field(name string) protoreflect.FieldDescriptor {
	return m.Descriptor().Fields().ByName(protoreflect.Name(name))
}

func (m message) get(name string) protoreflect.Value { return m.Get(m.field(name)) }
func (m message) has(name string) bool               { return m.Has(m.field(name)) }
func (m message) sub(name string) message            { return message{m.get(name).Message()} }
func (m message) enum(name string) protoreflect.Name {
	n := m.get(name).Enum()
	return m.field(name).Enum().Values().ByNumber(n).Name()
}

// all returns the elements of a repeated field of messages.
func (m message) all(name string) []message {
	list := m.get(name).List()
	out := make([]message, list.Len())
	for i := range out {
		out[i] = message{list.Get(i).Message()}
	}
	return out
}

func (m message) set(name string, value any) { m.Set(m.field(name), protoreflect.ValueOf(value)) }

// mutable returns a field that is a message, made if need be.
func (m message) mutable(name string) message { return message{m.Mutable(m.field(name)).Message()} }

// append adds an element to a repeated field of messages.
func (m message) append(name string) message {
	return message{m.Mutable(m.field(name)).List().AppendMutable().Message()}
}

// serve answers each request on in with a response on out, in any order.
// Messages are preceded by their length, in four bytes.
func serve(ctx context.Context, a *adapter, in io.Reader, out io.Writer) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	var mu sync.Mutex // guards out and failed
	var failed error
	slots := make(chan struct{}, parallel)
	for {
		req := a.message("ClientCompatRequest")
		if err := read(in, req); err != nil {
			if errors.Is(err, io.EOF) {
				calls.Wait()
				return failed
			}
			return err
		}
		slots <- struct{}{}
		calls.Go(func() {
			res := a.answer(ctx, req)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, write(out, res))
			<-slots
		})
	}
}

// parallel is how many calls are made at a time.
const parallel = 8

func read(in io.Reader, m message) error {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return err
	}
	data := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(in, data); err != nil {
		return fmt.Errorf("read a request: %w", err)
	}
	return proto.Unmarshal(data, m.Interface())
}

func write(out io.Writer, m message) error {
	data, err := proto.Marshal(m.Interface())
	if err != nil {
		return err
	}
	_, err = out.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}
