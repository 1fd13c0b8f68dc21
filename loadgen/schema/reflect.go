package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	reflectv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Limits on what a target may answer, so that one that lies without end ends.
const (
	maxServices  = 10_000
	maxAnswers   = 20_000          // reflection responses in the life of a Schema
	maxAnswered  = 256 << 20       // their bytes
	maxAnswer    = 64 << 20        // bytes of one of them
	lookupWindow = 5 * time.Second // for one question after opening
)

// noTypes resolves no extensions: options of descriptors stay unknown fields,
// rather than becoming types of this program.
var noTypes = new(protoregistry.Types)

// errTooMuch says that the target exceeded a limit.
var errTooMuch = errors.New("the target's answers to reflection exceed the limit")

// reflection asks the reflection service of one target. Its methods must not
// be called concurrently.
type reflection struct {
	client *grpcreflect.Client
	conn   *boundedConn
}

// newReflection returns a reflection that lacks a stream until it is asked.
// Files that the target does not serve are taken from local, then from the
// well-known ones.
func newReflection(ctx context.Context, cfg Config, local *index) *reflection {
	conn := &boundedConn{ClientConnInterface: cfg.Conn, headers: cfg.Headers}
	opts := []grpcreflect.ClientOption{
		grpcreflect.WithAllowMissingFileDescriptors(),
		grpcreflect.WithFallbackResolvers(local, noTypes),
	}
	// The client keeps one context for all its streams; boundedConn ends each
	// stream with the context of the question that it serves.
	ctx = context.WithoutCancel(ctx)
	r := &reflection{conn: conn}
	switch cfg.Mode {
	case V1:
		r.client = grpcreflect.NewClientV1(ctx, reflectv1.NewServerReflectionClient(conn), opts...)
	case V1Alpha:
		r.client = grpcreflect.NewClientV1Alpha(ctx, reflectv1alpha.NewServerReflectionClient(conn), opts...)
	default:
		r.client = grpcreflect.NewClientAuto(ctx, conn, opts...)
	}
	return r
}

// reflect adds all services that the target lists. A service whose files are
// not usable is kept as broken: the others still work.
func (b *builder) reflect(ctx context.Context, r *reflection) error {
	defer r.during(ctx)()
	names, err := r.client.ListServices()
	switch {
	case err != nil:
		return r.cause(ctx, err)
	case len(names) > maxServices:
		return fmt.Errorf("%d services: %w", len(names), errTooMuch)
	case len(names) == 0:
		return &Missing{Reason: "the target's reflection service lists no services"}
	}
	for _, name := range names {
		sd, err := r.service(name)
		if err := r.cause(ctx, nil); err != nil {
			return err
		}
		if err != nil {
			b.broken[name] = err
			continue
		}
		b.types.known.add(sd.ParentFile())
		b.addService(sd)
	}
	if len(b.services) == 0 {
		return fmt.Errorf("none of the target's %d services is usable: %q: %w", len(names), names[0], b.broken[names[0]])
	}
	return nil
}

// service returns the descriptor of a service.
func (r *reflection) service(name protoreflect.FullName) (protoreflect.ServiceDescriptor, error) {
	if !name.IsValid() {
		return nil, fmt.Errorf("the target lists a service of the name %q", name)
	}
	file, err := r.client.FileContainingSymbol(name)
	if err != nil {
		return nil, err
	}
	if sd := file.Services().ByName(name.Name()); sd != nil && sd.FullName() == name {
		return sd, nil
	}
	return nil, fmt.Errorf("the target says that %q declares it, which is not so", file.Path())
}

// symbol asks for the file that declares a message, enum or extension.
func (r *reflection) symbol(name protoreflect.FullName) (protoreflect.FileDescriptor, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupWindow)
	defer cancel()
	defer r.during(ctx)()
	return r.client.FileContainingSymbol(name)
}

// extension asks for the file that declares an extension.
func (r *reflection) extension(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.FileDescriptor, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupWindow)
	defer cancel()
	defer r.during(ctx)()
	return r.client.FileContainingExtension(message, number)
}

// during lets streams live as long as ctx at most, until the function that it
// returns is called, which also closes the stream.
func (r *reflection) during(ctx context.Context) func() {
	r.conn.setContext(ctx)
	return r.client.Reset
}

// cause returns what really ended a question: the context, or a limit, or else
// err.
func (r *reflection) cause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.conn.spent():
		return errTooMuch
	}
	return err
}
