package fault

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"touchstone/server/source"
)

// detailTypes are the messages that a status can carry as details.
var detailTypes = map[string]protoreflect.MessageType{
	"google.rpc.BadRequest":          (*errdetails.BadRequest)(nil).ProtoReflect().Type(),
	"google.rpc.DebugInfo":           (*errdetails.DebugInfo)(nil).ProtoReflect().Type(),
	"google.rpc.ErrorInfo":           (*errdetails.ErrorInfo)(nil).ProtoReflect().Type(),
	"google.rpc.Help":                (*errdetails.Help)(nil).ProtoReflect().Type(),
	"google.rpc.LocalizedMessage":    (*errdetails.LocalizedMessage)(nil).ProtoReflect().Type(),
	"google.rpc.PreconditionFailure": (*errdetails.PreconditionFailure)(nil).ProtoReflect().Type(),
	"google.rpc.QuotaFailure":        (*errdetails.QuotaFailure)(nil).ProtoReflect().Type(),
	"google.rpc.RequestInfo":         (*errdetails.RequestInfo)(nil).ProtoReflect().Type(),
	"google.rpc.ResourceInfo":        (*errdetails.ResourceInfo)(nil).ProtoReflect().Type(),
	"google.rpc.RetryInfo":           (*errdetails.RetryInfo)(nil).ProtoReflect().Type(),
}

// typePrefix is that of type URLs.
const typePrefix = "type.googleapis.com/"

// parseDetail reads {type: google.rpc.X, field: value...}; "@type" with a type
// URL, as protobuf's JSON form of Any has it, is the same.
func parseDetail(r *source.Reporter, n *source.Node) Detail {
	if n.Kind != source.Object {
		r.Errorf(n.Pos, "want a mapping, got %s", n.Kind)
		return Detail{}
	}
	name, fields := splitType(r, n)
	if name == "" {
		return Detail{}
	}
	mt := detailTypes[name]
	before := len(r.Errors())
	checkFields(r, fields, mt.Descriptor())
	d := Detail{Type: name, JSON: fields.JSON()}
	if _, err := d.pack(); err != nil && len(r.Errors()) == before {
		r.Errorf(n.Pos, "%s", cleanJSONError(err))
	}
	return d
}

// splitType takes the type's name apart from the fields.
func splitType(r *source.Reporter, n *source.Node) (string, *source.Node) {
	fields := &source.Node{Kind: source.Object, Pos: n.Pos}
	var types []*source.Node
	for _, f := range n.Fields {
		if f.Key == "type" || f.Key == "@type" {
			types = append(types, f.Value)
			continue
		}
		fields.Fields = append(fields.Fields, f)
	}
	if len(types) != 1 {
		e := r.Errorf(n.Pos, "a detail has one type")
		e.Hint = "{type: google.rpc.RetryInfo, retry_delay: 1s}"
		return "", nil
	}
	plain := *types[0]
	plain.Text = strings.TrimPrefix(plain.Text, typePrefix)
	return oneOf(r, &plain, "detail type", sortedKeys(detailTypes)), fields
}

// checkFields reports fields that the message does not have, where they stand.
// Well-known types have a JSON form of their own, which protojson checks.
func checkFields(r *source.Reporter, n *source.Node, md protoreflect.MessageDescriptor) {
	if n.Kind != source.Object || md.ParentFile().Package() == "google.protobuf" {
		return
	}
	names := fieldNames(md)
	for _, f := range n.Fields {
		fd := md.Fields().ByTextName(f.Key)
		if fd == nil {
			fd = md.Fields().ByJSONName(f.Key)
		}
		if fd == nil {
			e := r.Errorf(f.Pos, "%s has no field %q", md.FullName(), f.Key)
			e.Hint = source.DidYouMean(f.Key, names)
			continue
		}
		if fd.Message() == nil || fd.IsMap() {
			continue
		}
		for _, item := range r.List(f.Value) {
			checkFields(r, item, fd.Message())
		}
	}
}

// fieldNames returns the names that a message's fields go by.
func fieldNames(md protoreflect.MessageDescriptor) []string {
	var names []string
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		names = append(names, fd.TextName(), fd.JSONName())
	}
	return slices.Compact(names)
}

// pack makes the message.
func (d Detail) pack() (*anypb.Any, error) {
	mt, ok := detailTypes[d.Type]
	if !ok {
		return nil, fmt.Errorf("detail type %q is not one of google.rpc", d.Type)
	}
	m := mt.New().Interface()
	if err := protojson.Unmarshal([]byte(d.JSON), m); err != nil {
		return nil, fmt.Errorf("detail %s: %w", d.Type, err)
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return &anypb.Any{TypeUrl: typePrefix + d.Type, Value: value}, err
}

// jsonNoise is what protojson puts before its messages: a position in a text
// that the user never saw, and at random a no-break space.
var jsonNoise = regexp.MustCompile(`proto:[\s\x{a0}]*(\(line \d+:\d+\):[\s\x{a0}]*)?`)

func cleanJSONError(err error) string { return jsonNoise.ReplaceAllString(err.Error(), "") }
