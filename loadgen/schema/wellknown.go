package schema

import (
	"strconv"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/apipb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/sourcecontextpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// wellKnownIndex holds the types that stand by for targets that use but do not
// serve them: many servers list google/protobuf/*.proto as imports only, and
// hardly any serves the error details that its statuses carry. They are named
// one by one, since the global registry also holds whatever else is linked in.
var wellKnownIndex = sync.OnceValue(func() *index {
	x := newIndex()
	for _, file := range []protoreflect.FileDescriptor{
		anypb.File_google_protobuf_any_proto,
		apipb.File_google_protobuf_api_proto,
		descriptorpb.File_google_protobuf_descriptor_proto,
		durationpb.File_google_protobuf_duration_proto,
		emptypb.File_google_protobuf_empty_proto,
		fieldmaskpb.File_google_protobuf_field_mask_proto,
		gofeaturespb.File_google_protobuf_go_features_proto,
		sourcecontextpb.File_google_protobuf_source_context_proto,
		structpb.File_google_protobuf_struct_proto,
		timestamppb.File_google_protobuf_timestamp_proto,
		typepb.File_google_protobuf_type_proto,
		wrapperspb.File_google_protobuf_wrappers_proto,
		rpcstatus.File_google_rpc_status_proto,
		errdetails.File_google_rpc_error_details_proto,
	} {
		x.add(file)
	}
	return x
})

// String returns the key as text that no symbol's name is.
func (k extensionKey) String() string {
	return string(k.message) + "#" + strconv.Itoa(int(k.number))
}
