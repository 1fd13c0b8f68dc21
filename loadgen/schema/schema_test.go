package schema_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"touchstone/loadgen/schema"
)

// chat is a file of one service; the tests write variants of it.
const chat = `edition = "2023"; package chat.v1;
import "google/protobuf/timestamp.proto"; import "google/protobuf/any.proto";
service Chat { rpc Talk (Say) returns (stream Say); rpc History (Say) returns (stream Say); }
message Say { string text = 1; google.protobuf.Timestamp at = 2; google.protobuf.Any more = 3; extensions 100 to 200; }`

// besides is a file that no service mentions: its types are met within Any and
// as extensions.
const besides = `edition = "2023"; package chat.v1; import "chat.proto";
message Card { string name = 1; } extend Say { string mood = 100; Card card = 101; }`

// compile turns proto sources, by path, into a registry.
func compile(t testing.TB, sources map[string]string) *protoregistry.Files {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)})}
	var paths []string
	for path := range sources {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	compiled, err := compiler.Compile(t.Context(), paths...)
	if err != nil {
		t.Fatal(err)
	}
	files := new(protoregistry.Files)
	var register func(protoreflect.FileDescriptor)
	register = func(file protoreflect.FileDescriptor) {
		if _, err := files.FindFileByPath(file.Path()); err == nil {
			return
		}
		for i := range file.Imports().Len() {
			register(file.Imports().Get(i).FileDescriptor)
		}
		if err := files.RegisterFile(file); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range compiled {
		register(file)
	}
	return files
}

// options make a reflection service tell of the files, not of this program.
func options(files *protoregistry.Files) reflection.ServerOptions {
	return reflection.ServerOptions{Services: serviceNames(files), DescriptorResolver: files, ExtensionResolver: extensions{dynamicpb.NewTypes(files)}}
}

// extensions adds what a reflection service needs besides.
type extensions struct{ *dynamicpb.Types }

func (extensions) RangeExtensionsByMessage(protoreflect.FullName, func(protoreflect.ExtensionType) bool) {
}

// serviceList names services in the form that a grpc.Server does.
type serviceList map[string]grpc.ServiceInfo

func (l serviceList) GetServiceInfo() map[string]grpc.ServiceInfo { return l }

func serviceNames(files *protoregistry.Files) serviceList {
	list := serviceList{}
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			list[string(file.Services().Get(i).FullName())] = grpc.ServiceInfo{}
		}
		return true
	})
	return list
}

// withV1 registers reflection v1 for the files.
func withV1(files *protoregistry.Files) func(*grpc.Server) {
	return func(s *grpc.Server) {
		reflectv1.RegisterServerReflectionServer(s, reflection.NewServerV1(options(files)))
	}
}

// withV1Alpha registers v1alpha only.
func withV1Alpha(files *protoregistry.Files) func(*grpc.Server) {
	return func(s *grpc.Server) {
		reflectv1alpha.RegisterServerReflectionServer(s, reflection.NewServer(options(files)))
	}
}

// serve starts a server in memory and returns a connection to it.
func serve(t testing.TB, register func(*grpc.Server), opts ...grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(opts...)
	register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		<-done
	})
	return conn
}

func open(t testing.TB, cfg schema.Config) *schema.Schema {
	t.Helper()
	s, err := schema.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func names(s *schema.Schema) []string {
	var all []string
	for _, sd := range s.Services() {
		all = append(all, string(sd.FullName()))
	}
	return all
}

func TestOpenByReflection(t *testing.T) {
	files := compile(t, map[string]string{"chat.proto": chat})
	tests := []struct {
		name     string
		register func(*grpc.Server)
		mode     schema.Mode
	}{
		{"auto asks v1", withV1(files), schema.Auto},
		{"auto falls back to v1alpha", withV1Alpha(files), schema.Auto},
		{"v1 alone", withV1(files), schema.V1},
		{"v1alpha alone", withV1Alpha(files), schema.V1Alpha},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, schema.Config{Conn: serve(t, test.register), Mode: test.mode})
				if diff := cmp.Diff([]string{"chat.v1.Chat"}, names(s)); diff != "" {
					t.Errorf("services (-want +got):\n%s", diff)
				}
				for _, name := range []string{"chat.v1.Chat/Talk", "/chat.v1.Chat/Talk", "chat.v1.Chat.Talk"} {
					if md, err := s.Method(name); err != nil || !md.IsStreamingServer() {
						t.Errorf("Method(%q) = %v, %v", name, md, err)
					}
				}
			})
		})
	}
}

func TestOpenWithoutSchema(t *testing.T) {
	files := compile(t, map[string]string{"chat.proto": chat})
	nothing := func(*grpc.Server) {}
	tests := []struct {
		name     string
		register func(*grpc.Server)
		mode     schema.Mode
		want     string
	}{
		{"no reflection at all", nothing, schema.Auto, "no reflection service (grpc.reflection.v1 or v1alpha)"},
		{"v1 asked of a v1alpha server", withV1Alpha(files), schema.V1, "no reflection service (grpc.reflection.v1)"},
		{"v1alpha asked of a v1 server", withV1(files), schema.V1Alpha, "no reflection service (grpc.reflection.v1alpha)"},
		{"off, and no files", withV1(files), schema.Off, "reflection is off"},
		{"a reflection service that lists nothing", withV1(new(protoregistry.Files)), schema.Auto, "lists no services"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := schema.Open(t.Context(), schema.Config{Conn: serve(t, test.register), Mode: test.mode})
				missing, ok := errors.AsType[*schema.Missing](err)
				if !ok || !strings.Contains(missing.Error(), test.want) {
					t.Fatalf("Open: %v, want Missing with %q", err, test.want)
				}
				for _, advice := range []string{"reflection.Register(s)", "enable_server_reflection", "ProtoReflectionServiceV1", "--protoset", "--proto"} {
					if !strings.Contains(err.Error(), advice) {
						t.Errorf("the message does not tell of %s:\n%v", advice, err)
					}
				}
			})
		})
	}
}

// Two targets whose files have one path and one set of names, but different
// fields, live in one process; neither is what this program has linked in.
func TestClashingTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := compile(t, map[string]string{"detect.proto": `syntax = "proto3"; service Detect { rpc detect (R) returns (R); } message R { string a = 1; }`})
		second := compile(t, map[string]string{"detect.proto": `syntax = "proto3"; service Detect { rpc detect (R) returns (R); } message R { int64 b = 1; bool c = 7; }`})
		before := protoregistry.GlobalFiles.NumFiles()
		var fields []string
		for _, files := range []*protoregistry.Files{first, second} {
			s := open(t, schema.Config{Conn: serve(t, withV1(files))})
			md, err := s.Method("Detect/detect")
			if err != nil {
				t.Fatal(err)
			}
			mt, err := s.Types().FindMessageByName("R")
			if err != nil || mt.Descriptor() != md.Input() {
				t.Errorf("type R is not that of the target: %v", err)
			}
			for i := range md.Input().Fields().Len() {
				fields = append(fields, string(md.Input().Fields().Get(i).Name()))
			}
		}
		if diff := cmp.Diff([]string{"a", "b", "c"}, fields); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		if after := protoregistry.GlobalFiles.NumFiles(); after != before {
			t.Errorf("the global registry grew from %d to %d files", before, after)
		}
	})
}

func TestTypesThatNoServiceMentions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := compile(t, map[string]string{"chat.proto": chat, "besides.proto": besides})
		s := open(t, schema.Config{Conn: serve(t, withV1(files))})
		types := s.Types()
		if mt, err := types.FindMessageByURL("type.example/chat.v1.Card"); err != nil || mt.Descriptor().Fields().ByName("name") == nil {
			t.Errorf("Card: %v", err)
		}
		if xt, err := types.FindExtensionByName("chat.v1.mood"); err != nil || xt.TypeDescriptor().Number() != 100 {
			t.Errorf("mood: %v", err)
		}
		if xt, err := types.FindExtensionByNumber("chat.v1.Say", 101); err != nil || xt.TypeDescriptor().Name() != "card" {
			t.Errorf("extension 101: %v", err)
		}
		for _, name := range []protoreflect.FullName{"chat.v1.Nothing", "chat.v1.Chat", "", "..", "grpc.testing.SimpleRequest"} {
			if _, err := types.FindMessageByName(name); err != protoregistry.NotFound {
				t.Errorf("FindMessageByName(%q): %v, want NotFound itself", name, err)
			}
		}
		if _, err := types.FindExtensionByNumber("chat.v1.Say", 150); err != protoregistry.NotFound {
			t.Errorf("extension 150: %v, want NotFound itself", err)
		}
		for _, name := range []protoreflect.FullName{"google.rpc.BadRequest", "google.protobuf.Struct"} {
			if _, err := types.FindMessageByName(name); err != nil {
				t.Errorf("%s does not stand by: %v", name, err)
			}
		}
	})
}

func TestStreamIsClosedAfterUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var active atomic.Int32
		files := compile(t, map[string]string{"chat.proto": chat, "besides.proto": besides})
		conn := serve(t, withV1(files), grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			active.Add(1)
			defer active.Add(-1)
			return handle(srv, stream)
		}))
		s := open(t, schema.Config{Conn: conn})
		synctest.Wait()
		if n := active.Load(); n != 0 {
			t.Errorf("%d streams are open after Open", n)
		}
		if _, err := s.Types().FindMessageByName("chat.v1.Card"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := active.Load(); n != 0 {
			t.Errorf("%d streams are open after a question", n)
		}
	})
}

func TestHeadersReachReflection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := compile(t, map[string]string{"chat.proto": chat})
		guard := grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			md, _ := metadata.FromIncomingContext(stream.Context())
			if !slices.Equal(md["authorization"], []string{"Bearer x"}) {
				return status.Error(codes.Unauthenticated, "who are you?")
			}
			return handle(srv, stream)
		})
		conn := serve(t, withV1(files), guard)
		open(t, schema.Config{Conn: conn, Headers: metadata.Pairs("authorization", "Bearer x")})
		if _, err := schema.Open(t.Context(), schema.Config{Conn: conn}); err == nil || !strings.Contains(err.Error(), "who are you?") || !strings.Contains(err.Error(), "-H") {
			t.Errorf("Open without header: %v, want the refusal and a hint", err)
		}
	})
}

func TestHints(t *testing.T) {
	files := compile(t, map[string]string{"chat.proto": chat})
	file, err := files.FindFileByPath("chat.proto")
	if err != nil {
		t.Fatal(err)
	}
	s := schema.FromFiles(file)
	tests := []struct{ name, wrong, hint string }{
		{"a letter too few", "chat.v1.Chat/Tak", `did you mean "chat.v1.Chat/Talk"?`},
		{"another case", "chat.v1.chat/talk", `did you mean "chat.v1.Chat/Talk"?`},
		{"no package", "Chat/Talk", `did you mean "chat.v1.Chat/Talk"?`},
		{"only the method", "History", `did you mean "chat.v1.Chat/History"?`},
		{"a dot for the slash", "chat.v1.Chat.Histry", `did you mean "chat.v1.Chat/History"?`},
		{"nothing like it", "shop.Cart/Checkout", ""},
		{"nothing at all", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := s.Method(test.wrong)
			notFound, ok := errors.AsType[*schema.NotFound](err)
			if !ok || test.hint != "" && notFound.Hint != test.hint {
				t.Errorf("Method(%q): %v, want hint %q", test.wrong, err, test.hint)
			}
		})
	}
}

func TestSymbols(t *testing.T) {
	files := compile(t, map[string]string{"all.proto": `syntax = "proto2"; package p;
service S { rpc M (A) returns (A); } message A { optional int32 f = 1; oneof o { bool g = 2; } extensions 9; } enum E { V = 0; } extend A { optional E x = 9; }`})
	file, err := files.FindFileByPath("all.proto")
	if err != nil {
		t.Fatal(err)
	}
	s := schema.FromFiles(file)
	for _, name := range []string{"p.S", "p.S.M", "p.A", "p.A.f", "p.A.o", "p.E", "p.V", "p.x"} {
		if d, err := s.Symbol(name); err != nil || string(d.FullName()) != name {
			t.Errorf("Symbol(%q) = %v, %v", name, d, err)
		}
	}
	for _, name := range []string{"p", "p.S.N", "p.A.h", "", ".", "p..A"} {
		if d, err := s.Symbol(name); err == nil {
			t.Errorf("Symbol(%q) = %v, want an error", name, d)
		}
	}
}

func TestParseMode(t *testing.T) {
	for name, want := range map[string]schema.Mode{"auto": schema.Auto, "v1": schema.V1, "v1alpha": schema.V1Alpha, "off": schema.Off} {
		if got, err := schema.ParseMode(name); err != nil || got != want {
			t.Errorf("ParseMode(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := schema.ParseMode("v2"); err == nil {
		t.Error("ParseMode takes v2")
	}
}

func ExampleSchema_Method() {
	file := compiled()
	s := schema.FromFiles(file)
	method, _ := s.Method("Greeter/Greet")
	fmt.Println(schema.MethodName(method), "takes", method.Input().Name())
	_, err := s.Method("Greeter/Gret")
	fmt.Println(err)
	// Output:
	// Greeter/Greet takes Name
	// the target offers no method "Greeter/Gret"
	// hint: did you mean "Greeter/Greet"?
}

func compiled() protoreflect.FileDescriptor {
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{
		"greet.proto": `syntax = "proto3"; service Greeter { rpc Greet (Name) returns (Name); } message Name {}`})}}
	files, err := compiler.Compile(context.Background(), "greet.proto")
	if err != nil {
		panic(err)
	}
	return files[0]
}
