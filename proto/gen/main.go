// Command gen compiles the .proto files under proto/ and writes the Go code of
// each beside it. It needs Go only: the compiler is protocompile, and the two
// plugins are tools pinned in go.mod.
//
//	go run ./proto/gen
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// plugins are the tools of go.mod that turn descriptors into Go code, each
// with its parameter.
var plugins = [][2]string{
	{"protoc-gen-go", "paths=source_relative"},
	{"protoc-gen-go-grpc", "paths=source_relative,require_unimplemented_servers=true"},
}

func main() {
	if err := run(context.Background(), "proto"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run generates the code of every .proto file in the folders directly under
// root.
func run(ctx context.Context, root string) error {
	paths, err := filepath.Glob(filepath.Join(root, "*", "*.proto"))
	if err != nil {
		return err
	}
	for i, path := range paths {
		if paths[i], err = filepath.Rel(root, path); err != nil {
			return err
		}
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, paths...)
	if err != nil {
		return err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: paths}
	for _, file := range files {
		request.ProtoFile = addFile(request.ProtoFile, file)
	}
	for _, plugin := range plugins {
		request.Parameter = proto.String(plugin[1])
		if err := generate(ctx, root, plugin[0], request); err != nil {
			return fmt.Errorf("%s: %w", plugin[0], err)
		}
	}
	return nil
}

// addFile appends file to files after all that it imports.
func addFile(files []*descriptorpb.FileDescriptorProto, file protoreflect.FileDescriptor) []*descriptorpb.FileDescriptorProto {
	imports := file.Imports()
	for i := range imports.Len() {
		files = addFile(files, imports.Get(i).FileDescriptor)
	}
	have := func(f *descriptorpb.FileDescriptorProto) bool { return f.GetName() == file.Path() }
	if slices.ContainsFunc(files, have) {
		return files
	}
	return append(files, protodesc.ToFileDescriptorProto(file))
}

// generate runs one plugin and writes the files that it answers with.
func generate(ctx context.Context, root, plugin string, request *pluginpb.CodeGeneratorRequest) error {
	in, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return err
	}
	if response.Error != nil {
		return fmt.Errorf("%s", response.GetError())
	}
	for _, file := range response.File {
		if err := os.WriteFile(filepath.Join(root, file.GetName()), []byte(file.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
