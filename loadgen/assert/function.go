package assert

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Limits on what an expression may do: they bound time and memory.
const (
	maxBytes = 128 << 20  // of bytes(n)
	maxList  = 1 << 20    // of lists.range(n)
	maxCost  = 20_000_000 // of one evaluation, in units of CEL: seconds at most
)

// runVariable is the hidden variable that holds the [run]. No identifier of CEL
// is spelt so.
const runVariable = "@run"

// functions are those that CEL does not have. Some are not functions of their
// arguments alone: macros hand them the run as well.
type functions struct{ p *provider }

// LibraryName is the name under which CEL keeps these functions apart.
func (functions) LibraryName() string { return "touchstone" }

// ProgramOptions returns the limits on evaluations.
func (functions) ProgramOptions() []cel.ProgramOption {
	return []cel.ProgramOption{cel.CostLimit(maxCost), cel.EvalOptions(cel.OptOptimize)}
}

// CompileOptions returns the declarations.
func (f functions) CompileOptions() []cel.EnvOption {
	return []cel.EnvOption{
		withRun("uuid", 0), withRun("now", 0), withRun("bytes", 1), withRun("random", 1),
		cel.Function("@uuid", cel.Overload("touchstone_uuid", []*cel.Type{cel.DynType}, cel.StringType,
			cel.UnaryBinding(func(r ref.Val) ref.Val { return types.String(r.(*run).uuid()) }))),
		cel.Function("@now", cel.Overload("touchstone_now", []*cel.Type{cel.DynType}, cel.TimestampType,
			cel.UnaryBinding(func(r ref.Val) ref.Val { return types.Timestamp{Time: r.(*run).now()} }))),
		cel.Function("@bytes",
			cel.Overload("touchstone_bytes_int", []*cel.Type{cel.DynType, cel.IntType}, cel.BytesType, cel.BinaryBinding(randomBytes)),
			cel.Overload("touchstone_bytes_string", []*cel.Type{cel.DynType, cel.StringType}, cel.BytesType, cel.BinaryBinding(convertBytes)),
			cel.Overload("touchstone_bytes_bytes", []*cel.Type{cel.DynType, cel.BytesType}, cel.BytesType, cel.BinaryBinding(convertBytes))),
		cel.Function("@random", cel.Overload("touchstone_random", []*cel.Type{cel.DynType, cel.IntType}, cel.IntType, cel.BinaryBinding(randomInt))),
		cel.Function("json",
			cel.Overload("touchstone_json_string", []*cel.Type{cel.StringType}, cel.DynType, cel.UnaryBinding(f.json)),
			cel.Overload("touchstone_json_bytes", []*cel.Type{cel.BytesType}, cel.DynType, cel.UnaryBinding(f.json))),
		cel.Function("base64",
			cel.Overload("touchstone_base64_bytes", []*cel.Type{cel.BytesType}, cel.StringType, cel.UnaryBinding(encodeBase64)),
			cel.Overload("touchstone_base64_string", []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(encodeBase64))),
	}
}

// withRun makes a call of name one of @name, with the run before the arguments.
func withRun(name string, args int) cel.EnvOption {
	return cel.Macros(cel.GlobalMacro(name, args,
		func(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
			return eh.NewCall("@"+name, append([]ast.Expr{eh.NewIdent(runVariable)}, args...)...), nil
		}))
}

// uuid returns a version 4 UUID (RFC 9562).
func (r *run) uuid() string {
	b := r.bytes(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (r *run) bytes(n int) []byte {
	b := make([]byte, n)
	r.random.Read(b) // never fails
	return b
}

func randomBytes(r, n ref.Val) ref.Val {
	size := int64(n.(types.Int))
	if size < 0 || size > maxBytes {
		return types.NewErr("bytes(%d): not within 0 and %d", size, maxBytes)
	}
	return types.Bytes(r.(*run).bytes(int(size)))
}

func randomInt(r, n ref.Val) ref.Val {
	limit := int64(n.(types.Int))
	if limit < 1 {
		return types.NewErr("random(%d): the limit has to be at least 1", limit)
	}
	return types.Int(rand.New(r.(*run).random).Int64N(limit))
}

// convertBytes is what bytes() does in standard CEL.
func convertBytes(_, v ref.Val) ref.Val { return v.ConvertToType(types.BytesType) }

func encodeBase64(v ref.Val) ref.Val {
	return types.String(base64.StdEncoding.EncodeToString(rawBytes(v)))
}

// rawBytes returns the bytes of a string or bytes value.
func rawBytes(v ref.Val) []byte {
	if b, ok := v.(types.Bytes); ok {
		return b
	}
	return []byte(v.(types.String))
}

func (f functions) json(v ref.Val) ref.Val {
	value, err := decodeJSON(rawBytes(v))
	if err != nil {
		return types.NewErr("json(): %v", err)
	}
	return f.p.NativeToValue(value)
}

// decodeJSON reads one JSON text. Numbers keep their digits.
func decodeJSON(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, fmt.Errorf("%.60q is not JSON: %w", text, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%.60q is not JSON: text after the value", text)
	}
	return value, nil
}
