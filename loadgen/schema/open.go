package schema

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Mode says whether and how the target's reflection service is asked.
type Mode int

// The modes. Auto asks version v1, and v1alpha of a target without v1, unless
// files are given; V1 and V1Alpha ask besides the files; Off never asks.
const (
	Auto Mode = iota
	V1
	V1Alpha
	Off
)

// modes are the names of modes, in their order.
var modes = []string{"auto", "v1", "v1alpha", "off"}

// ParseMode returns the mode of a name: auto, v1, v1alpha or off.
func ParseMode(name string) (Mode, error) {
	for i, candidate := range modes {
		if name == candidate {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("reflection mode %q: want one of %s", name, strings.Join(modes, ", "))
}

// Config says where a schema comes from. What the files declare goes before
// what the target says of the same name.
type Config struct {
	Conn        grpc.ClientConnInterface // to the target; nil: files only
	Mode        Mode                     // how to ask the target
	Headers     metadata.MD              // sent with reflection calls
	Protosets   []string                 // files that hold a FileDescriptorSet
	Protos      []string                 // .proto files
	ImportPaths []string                 // where .proto files and their imports are; none: the working directory
}

// Open reads the files and asks the target. It returns when the reflection
// stream is closed. The error is a [*Missing] when there is no schema to be
// had, a [*BadFile] when a file cannot be read.
func Open(ctx context.Context, cfg Config) (*Schema, error) {
	local, err := openFiles(ctx, cfg)
	if err != nil {
		return nil, err
	}
	haveFiles := len(cfg.Protosets)+len(cfg.Protos) > 0
	ask := cfg.Conn != nil && cfg.Mode != Off && (cfg.Mode != Auto || !haveFiles)
	if !ask {
		if !haveFiles {
			return nil, &Missing{Reason: "reflection is off, and no files are given"}
		}
		return FromFiles(local.files...), nil
	}
	remote := newReflection(ctx, cfg, local)
	b := newBuilder(newIndex(), remote)
	for _, file := range local.files {
		b.addFile(file)
	}
	if err := b.reflect(ctx, remote); err != nil {
		return nil, refused(err, cfg.Mode)
	}
	return b.schema(), nil
}

// Missing says that a target has no schema, and what to do about it.
type Missing struct {
	Reason string
	Cause  error // what the target answered; may be nil
}

// Error returns the reason, and hints on lines of their own.
func (e *Missing) Error() string {
	text := e.Reason
	if e.Cause != nil {
		text += ": " + status.Convert(e.Cause).Message()
	}
	return text + `
hint: enable reflection in the server (Go: reflection.Register(s) of google.golang.org/grpc/reflection;
      Python: reflection.enable_server_reflection(names, server) of grpc_reflection.v1alpha;
      Java: addService(ProtoReflectionServiceV1.newInstance()) of grpc-services)
hint: or hand the schema in: --protoset FILE (made by protoc --include_imports --descriptor_set_out=FILE),
      or --proto FILE.proto -I FOLDER`
}

// Unwrap returns what the target answered.
func (e *Missing) Unwrap() error { return e.Cause }

// refused turns the error of a reflection call into one that says what to do.
func refused(err error, mode Mode) error {
	switch status.Code(err) {
	case codes.Unimplemented:
		asked := "grpc.reflection.v1 or v1alpha"
		if mode != Auto {
			asked = "grpc.reflection." + modes[mode]
		}
		return &Missing{Reason: "the target has no reflection service (" + asked + ")", Cause: err}
	case codes.Unauthenticated, codes.PermissionDenied:
		return fmt.Errorf("the target refuses reflection: %w\nhint: pass credentials with -H 'name: value', or the schema with --protoset or --proto", err)
	}
	return fmt.Errorf("reflection: %w", err)
}
