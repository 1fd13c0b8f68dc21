package schema

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// maxProtoset bounds the bytes of one protoset file.
const maxProtoset = 256 << 20

// BadFile says that a protoset or .proto file is not usable.
type BadFile struct {
	Path string // "" when Cause names the file and place
	Err  error
}

// Error returns the file and the cause.
func (e *BadFile) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *BadFile) Unwrap() error { return e.Err }

// openFiles reads the protosets, then compiles the .proto files, which may
// import from the protosets.
func openFiles(ctx context.Context, cfg Config) (*index, error) {
	local := newIndex()
	local.others = wellKnownIndex()
	if err := addProtosets(local, cfg.Protosets); err != nil {
		return nil, err
	}
	if len(cfg.Protos) == 0 {
		return local, nil
	}
	files, err := compile(ctx, local, cfg.Protos, cfg.ImportPaths)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if err := local.relink(file); err != nil {
			return nil, &BadFile{file.Path(), err}
		}
	}
	return local, nil
}

// relink adds a compiled file, and what it imports, as the protobuf runtime
// would have made it from a protoset. The compiler's own descriptors know
// nothing of required fields in editions.
func (x *index) relink(file protoreflect.FileDescriptor) error {
	if x.byPath[file.Path()] != nil {
		return nil
	}
	for i := range file.Imports().Len() {
		if err := x.relink(file.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	linked, err := protodesc.NewFile(protoutil.ProtoFromFileDescriptor(file), x)
	if err != nil {
		return err
	}
	x.add(linked)
	return nil
}

// addProtosets links the files of all sets together: one set may import from
// another. Of two files with one path the first stays.
func addProtosets(local *index, paths []string) error {
	var all descriptorpb.FileDescriptorSet
	have := map[string]bool{}
	for _, path := range paths {
		set, err := readProtoset(path)
		if err != nil {
			return &BadFile{path, err}
		}
		for _, file := range set.File {
			if !have[file.GetName()] {
				have[file.GetName()] = true
				all.File = append(all.File, file)
			}
		}
	}
	addWellKnown(&all, have)
	files, err := protodesc.NewFiles(&all)
	if err != nil {
		return &BadFile{strings.Join(paths, ", "), fmt.Errorf("%w\nhint: a protoset holds all imports when made with protoc --include_imports", err)}
	}
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		local.add(file)
		return true
	})
	return nil
}

func readProtoset(path string) (*descriptorpb.FileDescriptorSet, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxProtoset+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxProtoset:
		return nil, fmt.Errorf("more than %d bytes", maxProtoset)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := (proto.UnmarshalOptions{Resolver: noTypes}).Unmarshal(data, set); err != nil || len(set.File) == 0 {
		return nil, fmt.Errorf("not a FileDescriptorSet")
	}
	return set, nil
}

// addWellKnown adds the well-known files that are imported but absent.
func addWellKnown(set *descriptorpb.FileDescriptorSet, have map[string]bool) {
	for i := 0; i < len(set.File); i++ { // grows on the way
		for _, path := range set.File[i].GetDependency() {
			file := wellKnownIndex().byPath[path]
			if file != nil && !have[path] {
				have[path] = true
				set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
			}
		}
	}
}

// compile compiles .proto files. Imports are looked for in the import paths,
// then in the protosets, then among the well-known files.
func compile(ctx context.Context, local *index, protos, importPaths []string) (linker.Files, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: importPaths},
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				file, err := local.FindFileByPath(path)
				return protocompile.SearchResult{Desc: file}, err
			}),
		}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	names := make([]string, len(protos))
	for i, path := range protos {
		names[i] = importName(path, importPaths)
	}
	files, err := compiler.Compile(ctx, names...)
	if err != nil {
		return nil, &BadFile{Err: err}
	}
	return files, nil
}

// importName returns the name that a .proto file is imported under: its path
// within the first import path that holds it.
func importName(path string, importPaths []string) string {
	for _, root := range importPaths {
		if _, err := os.Stat(filepath.Join(root, path)); err == nil {
			return filepath.ToSlash(path)
		}
		rel, err := filepath.Rel(root, path)
		if err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return filepath.ToSlash(filepath.Clean(path))
}
