package schema_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"touchstone/loadgen/schema"
)

// liar is a reflection service that answers as it likes.
type liar struct {
	reflectv1.UnimplementedServerReflectionServer
	services []string
	symbol   func(name string) [][]byte // nil: not found
	file     func(path string) [][]byte
	code     codes.Code // of what is not found
}

func (l liar) ServerReflectionInfo(stream reflectv1.ServerReflection_ServerReflectionInfoServer) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(l.answer(request)); err != nil {
			return err
		}
	}
}

func (l liar) answer(request *reflectv1.ServerReflectionRequest) *reflectv1.ServerReflectionResponse {
	var files [][]byte
	switch q := request.MessageRequest.(type) {
	case *reflectv1.ServerReflectionRequest_ListServices:
		list := &reflectv1.ListServiceResponse{}
		for _, name := range l.services {
			list.Service = append(list.Service, &reflectv1.ServiceResponse{Name: name})
		}
		return &reflectv1.ServerReflectionResponse{MessageResponse: &reflectv1.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}}
	case *reflectv1.ServerReflectionRequest_FileContainingSymbol:
		if l.symbol != nil {
			files = l.symbol(q.FileContainingSymbol)
		}
	case *reflectv1.ServerReflectionRequest_FileByFilename:
		if l.file != nil {
			files = l.file(q.FileByFilename)
		}
	}
	if files == nil {
		code := l.code
		if code == codes.OK {
			code = codes.NotFound
		}
		return &reflectv1.ServerReflectionResponse{MessageResponse: &reflectv1.ServerReflectionResponse_ErrorResponse{
			ErrorResponse: &reflectv1.ErrorResponse{ErrorCode: int32(code), ErrorMessage: "not here"}}}
	}
	return &reflectv1.ServerReflectionResponse{MessageResponse: &reflectv1.ServerReflectionResponse_FileDescriptorResponse{
		FileDescriptorResponse: &reflectv1.FileDescriptorResponse{FileDescriptorProto: files}}}
}

func encode(t testing.TB, files ...*descriptorpb.FileDescriptorProto) [][]byte {
	t.Helper()
	var all [][]byte
	for _, file := range files {
		data, err := proto.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

// described returns a file of a registry as a proto.
func described(t testing.TB, files *protoregistry.Files, path string) *descriptorpb.FileDescriptorProto {
	t.Helper()
	file, err := files.FindFileByPath(path)
	if err != nil {
		t.Fatal(err)
	}
	return protodesc.ToFileDescriptorProto(file)
}

func openLiar(t *testing.T, l liar) (*schema.Schema, error) {
	t.Helper()
	conn := serve(t, func(s *grpc.Server) { reflectv1.RegisterServerReflectionServer(s, l) })
	return schema.Open(t.Context(), schema.Config{Conn: conn})
}

// importing is a file that imports another one, and declares service S.
func importing(path, imported string) *descriptorpb.FileDescriptorProto {
	return &descriptorpb.FileDescriptorProto{Name: &path, Syntax: proto.String("proto3"), Dependency: []string{imported},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S")}}}
}

func TestLies(t *testing.T) {
	good := compile(t, map[string]string{"chat.proto": chat})
	file := described(t, good, "chat.proto")
	broken := proto.Clone(file).(*descriptorpb.FileDescriptorProto)
	broken.MessageType[0].Field[1].TypeName = proto.String(".chat.v1.Nowhere")
	tests := []struct {
		name string
		liar liar
		want string
	}{
		{"a listed service that is not found", liar{services: []string{"chat.v1.Chat"}}, "symbol not found"},
		{"a file that does not declare the service", liar{services: []string{"chat.v1.Other"}, symbol: func(string) [][]byte { return encode(t, file) }}, "chat.v1.Other"},
		{"a field of a type that does not exist", liar{services: []string{"chat.v1.Chat"}, symbol: func(string) [][]byte { return encode(t, broken) }}, "chat.v1.Nowhere"},
		{"bytes that are no descriptor", liar{services: []string{"S"}, symbol: func(string) [][]byte { return [][]byte{{0xff, 0xff}} }}, `"S"`},
		{"no files at all", liar{services: []string{"S"}, symbol: func(string) [][]byte { return [][]byte{} }}, `"S"`},
		{"a name that is no name", liar{services: []string{"a b\x1b[31m"}}, `a b\x1b[31m`},
		{"a file that imports itself", liar{services: []string{"S"},
			symbol: func(string) [][]byte { return encode(t, importing("a.proto", "a.proto")) }}, "cyclic"},
		{"two files that import each other", liar{services: []string{"S"},
			symbol: func(string) [][]byte {
				return encode(t, importing("a.proto", "b.proto"), importing("b.proto", "a.proto"))
			}}, "cyclic"},
		{"imports without end", liar{services: []string{"S"},
			symbol: func(string) [][]byte { return encode(t, importing("x.proto", "x.proto.x")) },
			file:   func(path string) [][]byte { return encode(t, importing(path, path+"x")) }}, "depth"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if _, err := openLiar(t, test.liar); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Open: %v, want an error with %q", err, test.want)
				}
			})
		})
	}
}

// One broken service leaves the others usable, and says what is wrong when it
// is asked for.
func TestBrokenServiceAmongGoodOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := described(t, compile(t, map[string]string{"chat.proto": chat}), "chat.proto")
		s, err := openLiar(t, liar{services: []string{"gone.Service", "chat.v1.Chat"}, symbol: func(name string) [][]byte {
			if strings.HasPrefix(name, "chat.") {
				return encode(t, file)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Method("chat.v1.Chat/Talk"); err != nil {
			t.Error(err)
		}
		if _, err := s.Method("gone.Service/M"); err == nil || !strings.Contains(err.Error(), "symbol not found") {
			t.Errorf("Method of the broken service: %v", err)
		}
	})
}

// Servers often do not serve google/protobuf/*.proto, and not all of them say
// so with NOT_FOUND.
func TestWellKnownTypesThatAreNotServed(t *testing.T) {
	for _, code := range []codes.Code{codes.NotFound, codes.Unknown, codes.Internal, codes.InvalidArgument} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := described(t, compile(t, map[string]string{"chat.proto": chat}), "chat.proto")
				s, err := openLiar(t, liar{services: []string{"chat.v1.Chat"}, code: code, symbol: func(string) [][]byte { return encode(t, file) }})
				if err != nil {
					t.Fatal(err)
				}
				md, err := s.Method("chat.v1.Chat/Talk")
				if err != nil {
					t.Fatal(err)
				}
				if at := md.Input().Fields().ByName("at").Message(); at.IsPlaceholder() || at.Fields().Len() != 2 {
					t.Errorf("Timestamp is %v", at)
				}
			})
		})
	}
}

// A target's own well-known types go before those of this program.
func TestOwnWellKnownTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		empty := &descriptorpb.FileDescriptorProto{Name: proto.String("google/protobuf/empty.proto"), Package: proto.String("google.protobuf"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Empty"), Field: []*descriptorpb.FieldDescriptorProto{
				{Name: proto.String("not_so"), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_BOOL.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}}}}}
		main := importing("s.proto", "google/protobuf/empty.proto")
		s, err := openLiar(t, liar{services: []string{"S"},
			symbol: func(string) [][]byte { return encode(t, main) },
			file:   func(string) [][]byte { return encode(t, empty) }})
		if err != nil {
			t.Fatal(err)
		}
		mt, err := s.Types().FindMessageByName("google.protobuf.Empty")
		if err != nil || mt.Descriptor().Fields().ByName(protoreflect.Name("not_so")) == nil {
			t.Errorf("Empty is not that of the target: %v", err)
		}
	})
}

// A file that imports ever more files is cut off by the number of answers.
func TestAnswersAreBounded(t *testing.T) {
	asked := 0
	wide := func(path string) *descriptorpb.FileDescriptorProto {
		file := importing(path, path+"0")
		file.Service = nil
		for i := 1; i < 50; i++ {
			file.Dependency = append(file.Dependency, fmt.Sprintf("%s-%d", path, i))
		}
		return file
	}
	_, err := openLiar(t, liar{services: []string{"S", "T"},
		symbol: func(string) [][]byte { return encode(t, importing("x", "y")) },
		file: func(path string) [][]byte {
			asked++
			if strings.Count(path, "-") >= 4 {
				return encode(t, &descriptorpb.FileDescriptorProto{Name: &path, Syntax: proto.String("proto3")})
			}
			file := wide(path)
			file.Dependency = file.Dependency[1:]
			return encode(t, file)
		}})
	if err == nil || !strings.Contains(err.Error(), "exceed") || asked > 21_000 {
		t.Errorf("Open after %d answers: %v, want the limit", asked, err)
	}
}
