package scenario_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"touchstone/loadgen/dynamic"
	"touchstone/loadgen/scenario"
	"touchstone/loadgen/schema"
	"touchstone/server/source"
)

// play is a program with the scope that it runs in.
type play struct {
	t       *testing.T
	schema  *schema.Schema
	program *scenario.Program
	vars    *scenario.Vars
}

// newPlay compiles the steps of a text, which start in its first line.
func newPlay(t *testing.T, text string) *play {
	t.Helper()
	p, err := compile(t, "version: 1\n"+text)
	if err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) { return "secret", name == "PW" }
	v, err := p.NewVars(env, 7)
	if err != nil {
		t.Fatal(err)
	}
	return &play{t, testSchema(t), p, v}
}

// reply builds a response of the first step's method, or of the i-th's.
func (p *play) reply(i int, text string) proto.Message {
	p.t.Helper()
	return p.build(p.program.Steps[i].Method.Output(), text)
}

func (p *play) build(md protoreflect.MessageDescriptor, text string) proto.Message {
	p.t.Helper()
	f := source.NewFile("reply", text)
	n, err := source.ParseYAML(f, []byte(text))
	if err != nil {
		p.t.Fatal(err)
	}
	r := &source.Reporter{File: f}
	m := dynamic.Build(r, md, n, p.schema.Types())
	if r.Err() != nil {
		p.t.Fatal(r.Err())
	}
	return m
}

// kinds spells out the operations of a step.
func kinds(ops []scenario.Op) string {
	var names []string
	for _, op := range ops {
		name := strings.TrimPrefix(fmt.Sprintf("%T", op), "*scenario.")
		if repeat, ok := op.(*scenario.Repeat); ok {
			name = fmt.Sprintf("%d x (%s)", repeat.Count, kinds(repeat.Do))
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// requests returns what a step sends, as JSON.
func (p *play) requests(i int) string {
	p.t.Helper()
	msgs, err := p.program.Steps[i].Requests(p.vars)
	if err != nil {
		p.t.Fatal(err)
	}
	var texts []string
	for _, m := range msgs {
		texts = append(texts, dynamic.JSON(m, p.schema.Types()))
	}
	return strings.Join(texts, " ")
}

// finish runs a step's checks on messages and an outcome, as a runner does for
// a step in its short form, and returns the findings one a line.
func (p *play) finish(i int, msgs []proto.Message, out scenario.Outcome) string {
	p.t.Helper()
	var findings []scenario.Finding
	for _, op := range p.program.Steps[i].Ops {
		switch op := op.(type) {
		case *scenario.Recv:
			findings = append(findings, op.Check(p.vars, msgs[0], 0)...)
			msgs = msgs[1:]
		case *scenario.RecvAll:
			for k, m := range msgs {
				findings = append(findings, op.CheckEach(p.vars, m, k)...)
			}
			findings = append(findings, op.CheckAll(p.vars, msgs)...)
		case *scenario.End:
			out.Types = p.schema.Types()
			findings = append(findings, op.Check(p.vars, out)...)
		}
	}
	var lines []string
	for _, f := range findings {
		lines = append(lines, fmt.Sprintf("%d:%d %s", f.Pos.Line, f.Pos.Col, f))
	}
	return strings.Join(lines, "\n")
}

// ok is the outcome of a call that went well.
func ok() scenario.Outcome {
	return scenario.Outcome{
		Status: status.New(codes.OK, ""), Header: metadata.Pairs("x-region", "eu"),
		Trailer: metadata.Pairs("x-n", "1", "x-n", "2", "x-bin", "\x00\x01"), Duration: 20 * time.Millisecond, Sent: 1, Received: 1,
	}
}

func TestShortForms(t *testing.T) {
	tests := []struct{ name, step, want string }{
		{"unary", `{call: HelloService/SayHello, send: {greeting: x}}`, "Send HalfClose RecvAll End"},
		{"unary without a request sends the empty one", `{call: HelloService/SayHello}`, "Send HalfClose RecvAll End"},
		{"a stream of requests", `{call: HelloService/LotsOfGreetings, send: [{}, {repeat: 3, message: {}}]}`, "Send 3 x (Send) HalfClose RecvAll End"},
		{"no requests", `{call: HelloService/LotsOfGreetings}`, "HalfClose RecvAll End"},
		{"a message whose fields are called so", `{call: HelloService/LotsOfGreetings, send: [{greeting: repeat}]}`, "Send HalfClose RecvAll End"},
		{"cancelled at the beginning", `{call: HelloService/LotsOfGreetings, cancel: after_begin}`, "Cancel End"},
		{"cancelled after a message", `{call: HelloService/BidiHello, send: [{}], cancel: {after_messages: 2}}`, "Send 2 x (Recv) Cancel End"},
		{"a script without its end", `{call: HelloService/BidiHello, script: [{send: {}}, {recv: {}}]}`, "Send Recv HalfClose End"},
		{"a script with its end", `{call: HelloService/BidiHello, script: [{send: {}}, {recv: {}}, end]}`, "Send Recv End"},
		{"a unary script closes by itself", `{call: HelloService/SayHello, script: [{send: {}}, {recv: {}}, half_close]}`, "Send HalfClose Recv End"},
		{"everything", `{call: HelloService/BidiHello, script: [{repeat: 2, do: [{send: {}}, {recv_until: {reply: x}}]}, {recv_none: {for: 1s}}, {sleep: 1s}, half_close, {recv_all: {}}, {end: {}}]}`,
			"2 x (Send RecvUntil) RecvNone Sleep HalfClose RecvAll End"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPlay(t, "steps: ["+test.step+"]")
			if got := kinds(p.program.Steps[0].Ops); got != test.want {
				t.Errorf("%s is %s, want %s", test.step, got, test.want)
			}
		})
	}
}

func TestWhatIsSent(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"expressions keep their type", "vars: {n: 2}\nsteps: [{call: chat.v1.Chat/History, send: {room: 'r${n}', limit: '${n + 1}'}}]", `{"room":"r2","limit":3}`},
		{"numbers become text where text is wanted", "vars: {n: 2}\nsteps: [{call: chat.v1.Chat/Echo, send: {text: '${n}', tags: ['${n}'], said: [{text: '${n}'}], by_id: {1: {text: '${n}'}}}}]", `{"text":"2","tags":["2"],"said":[{"text":"2"}],"byId":{"1":{"text":"2"}}}`},
		{"repeats count", "steps: [{call: HelloService/LotsOfGreetings, send: [{greeting: first}, {repeat: 2, message: {greeting: '${i}'}}]}]", `{"greeting":"first"} {"greeting":"0"} {"greeting":"1"}`},
		{"JSON text keeps its order and digits", "steps: [{call: HelloService/SayHello, send_json: {greeting: {z: 9007199254740993, a: [1.50, null, <b>]}}}]", `{"greeting":"{\"z\":9007199254740993,\"a\":[1.50,null,\"<b>\"]}"}`},
		{"JSON text of a string is quoted", "steps: [{call: HelloService/SayHello, send_json: {greeting: x}}]", `{"greeting":"\"x\""}`},
		{"expressions within JSON text", "vars: {n: 2}\nsteps: [{call: HelloService/SayHello, send_json: {greeting: {n: '${n}', s: 'a\"${n}'}}}]", `{"greeting":"{\"n\":2,\"s\":\"a\\\"2\"}"}`},
		{"a whole message from the environment's JSON", "vars: {m: {greeting: hi}}\nsteps: [{call: HelloService/SayHello, send: '${m}'}]", `{"greeting":"hi"}`},
		{"escaped", "steps: [{call: HelloService/SayHello, send: {greeting: '$${x}'}}]", `{"greeting":"${x}"}`},
		{"vars see those before", "vars: {a: x, b: '${a}${a}'}\nsteps: [{call: HelloService/SayHello, send: {greeting: '${b}'}}]", `{"greeting":"xx"}`},
		{"the first row, unless for each", "data: {rows: [{a: x}, {a: y}]}\nsteps: [{call: HelloService/SayHello, send: {greeting: '${row.a}'}}]", `{"greeting":"x"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := newPlay(t, test.text).requests(0); got != test.want {
				t.Errorf("sends %s, want %s", got, test.want)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	p := newPlay(t, `
metadata: {x-all: a, x-both: file}
steps:
  - call: HelloService/SayHello
    metadata: {x-both: step, x-list: [a, "${1 + 1}"], x-n: 5, x-raw-bin: AAE, x-made-bin: "${b'abc'}", authorization: "Bearer ${env.PW}"}
`)
	md, err := p.program.Steps[0].Metadata(p.vars)
	if err != nil {
		t.Fatal(err)
	}
	want := metadata.MD{"x-all": {"a"}, "x-both": {"step"}, "x-list": {"a", "2"}, "x-n": {"5"}, "x-raw-bin": {"\x00\x01"},
		"x-made-bin": {"abc"}, "authorization": {"Bearer secret"}}
	if diff := cmp.Diff(want, md); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestMistakesAtRunTimeHaveAPlace(t *testing.T) {
	tests := []struct{ name, step, want string }{
		{"no environment variable", `{call: HelloService/SayHello, send: {greeting: "${env.NOPE}"}}`, "test.yaml:2:62: environment variable NOPE is not set"},
		{"a value that does not fit", `{call: chat.v1.Chat/History, send: {limit: "${size(env.PW) * 1000000000}"}}`, `test.yaml:2:52: int32 "limit": 6000000000 is not within`},
		{"metadata that cannot be sent", `{call: HelloService/SayHello, metadata: {a: "${'\\n'}"}}`, `test.yaml:2:53: metadata a: character '\n' is not allowed`},
		{"binary metadata that is not", `{call: HelloService/SayHello, metadata: {a-bin: "${'*'}"}}`, `is not base64`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPlay(t, "steps: ["+test.step+"]")
			_, err := p.program.Steps[0].Requests(p.vars)
			if err == nil {
				_, err = p.program.Steps[0].Metadata(p.vars)
			}
			if _, ok := errors.AsType[source.Errors](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%T %v, want %s", err, err, test.want)
			}
		})
	}
}

func TestExpectations(t *testing.T) {
	tests := []struct {
		name, expect, reply, want string
	}{
		{"nothing in particular", `{}`, `{user_id: u}`, ``},
		{"a message", `{message: {user_id: "*", quota: 5}}`, `{user_id: u, quota: 5}`, ``},
		{"another message", `{message: {user_id: ada}}`, `{user_id: bob}`, `2:96 message.user_id: want "ada", got "bob"`},
		{"exact", `{message: {user_id: u}, exact: true}`, `{user_id: u, quota: 5}`, `message.quota: want unset (exact), got 5`},
		{"an assertion", `{assert: ['msg.quota > 5', 'msg.quota == 5']}`, `{quota: 5}`, `2:87 assert: want msg.quota > 5, got msg.quota is 5`},
		{"an assertion on the outcome", `{assert: ['status == "OK" && count == 1 && took < duration("1s") && header["x-region"] == "eu" && trailer["x-n"] == "1,2" && size(messages) == 1']}`, `{}`, ``},
		{"the status", `{status: NOT_FOUND}`, `{}`, `2:85 status: want NOT_FOUND, got OK`},
		{"one of several", `{status: [NOT_FOUND, 0]}`, `{}`, ``},
		{"headers", `{header: {x-region: eu, x-no: null}, trailer: {x-n: [1, "2"], x-bin: AAE=}}`, `{}`, ``},
		{"a header with several values needs one of them", `{trailer: {x-n: 2}}`, `{}`, ``},
		{"another header", `{header: {x-region: us}}`, `{}`, `header.x-region: want "us", got "eu"`},
		{"a missing header", `{header: {x-no: "*"}}`, `{}`, `header.x-no: want "*" (present and not empty), got nothing`},
		{"too many values", `{trailer: {x-n: [1]}}`, `{}`, `trailer.x-n: want 1 values, got 2 values: ["1" "2"]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPlay(t, "steps: [{call: chat.v1.Chat/Login, send: {user: ada, password: x}, expect: "+test.expect+"}]")
			got := p.finish(0, []proto.Message{p.reply(0, test.reply)}, ok())
			if got == "" != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("finds\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestExpectationsOnErrors(t *testing.T) {
	failed, err := status.New(codes.InvalidArgument, "bad content").WithDetails(
		&errdetails.RequestInfo{RequestId: "r1"},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "content", Description: "not JSON"}}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, expect, want string }{
		{"status and message", `{status: INVALID_ARGUMENT, status_message: {$re: content}}`, ``},
		{"a detail", `{status: 3, details: [{type: google.rpc.BadRequest, field_violations: [{field: content}]}]}`, ``},
		{"details by type", `{status: 3, details: {google.rpc.RequestInfo: {request_id: r1}}}`, ``},
		{"the wrong status says why", `{}`, `status: want OK, got INVALID_ARGUMENT: bad content`},
		{"the wrong status is all that is said", `{message: {reply: x}, assert: ['msg.reply == "x"'], trailer: {a: b}}`, `2:47 status: want OK`},
		{"another detail", `{status: 3, details: [{type: google.rpc.BadRequest, field_violations: [{field: id}]}]}`, `details[google.rpc.BadRequest].field_violations[0].field: want "id", got "content"`},
		{"no such detail", `{status: 3, details: [{type: google.rpc.RetryInfo}]}`, `details: want google.rpc.RetryInfo, got google.rpc.RequestInfo, google.rpc.BadRequest`},
		{"no message to assert on", `{status: 3, assert: ['msg.reply == "x"']}`, `assert: msg has no value here`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPlay(t, "steps: [{call: HelloService/SayHello, expect: "+test.expect+"}]")
			out := ok()
			out.Status, out.Received = failed, 0
			got := p.finish(0, nil, out)
			if got == "" != (test.want == "") || !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
				t.Errorf("finds\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestExpectationsOnStreams(t *testing.T) {
	tests := []struct{ name, expect, want string }{
		{"how many", `{count: 2}`, ``},
		{"not so many", `{count: 3+}`, `count: want 3+, got 2`},
		{"each", `{each: ['msg.seq == index + 1', {room: "*"}]}`, ``},
		{"each of them is named", `{each: ['msg.seq == 1']}`, `message[1]: want msg.seq == 1, got msg.seq is 2`},
		{"a list", `{messages: [{seq: 1}, {seq: 2}]}`, ``},
		{"a longer list", `{messages: [{seq: 1}, {seq: 2}, {}]}`, `messages: want 3 messages, got 2 messages`},
		{"another list", `{messages: [{seq: 2}, {seq: 2}]}`, `message[0].seq: want 2, got 1`},
		{"in any order", `{messages: [{seq: 2}, {}], unordered: true}`, ``},
		{"not in any order either", `{messages: [{seq: 2}, {seq: 2}], unordered: true}`, `messages: no message (of its own) matches {"seq":2}`},
		{"all together", `{assert: ['messages.all(m, m.room == "lobby") && messages[1].seq == 2 && msg.seq == 2']}`, ``},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPlay(t, "steps: [{call: chat.v1.Chat/History, expect: "+test.expect+"}]")
			msgs := []proto.Message{p.reply(0, "{room: lobby, seq: 1}"), p.reply(0, "{room: lobby, seq: 2}")}
			out := ok()
			out.Received = 2
			got := p.finish(0, msgs, out)
			if got == "" != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("finds\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestCaptures(t *testing.T) {
	p := newPlay(t, `
steps:
  - call: chat.v1.Chat/Login
    expect: {message: {user_id: "*"}}
    save: {token: msg.access_token, region: 'header["x-region"]'}
  - call: chat.v1.Chat/History
    send: {room: "${token}/${region}"}
`)
	if got := p.finish(0, []proto.Message{p.reply(0, "{access_token: t}")}, ok()); got == "" {
		t.Fatal("the pattern matched")
	}
	if got := p.finish(0, []proto.Message{p.reply(0, "{user_id: u, access_token: t}")}, ok()); got != "" {
		t.Fatal(got)
	}
	if got := p.requests(1); got != `{"room":"t/eu"}` {
		t.Errorf("sends %s", got)
	}
}

func TestACaptureThatWasNotMadeIsMissing(t *testing.T) {
	p := newPlay(t, "steps: [{call: chat.v1.Chat/Login, save: {token: msg.access_token}}, {call: chat.v1.Chat/History, send: {room: '${token}'}}]")
	if _, err := p.program.Steps[1].Requests(p.vars); err == nil || !strings.Contains(err.Error(), "token has no value here") {
		t.Errorf("Requests: %v", err)
	}
}

func TestWhatAStepNeeds(t *testing.T) {
	p := newPlay(t, `
vars: {room: lobby}
steps:
  - call: chat.v1.Chat/Login
    save: {token: msg.access_token, id: msg.user_id, quota: msg.quota}
  - call: chat.v1.Chat/History
    metadata: {authorization: "${token}"}
    send: {room: "${room}"}
    expect: {each: ['msg.seq < quota'], messages: [{from: "${id}"}]}
`)
	for i, want := range []string{"[]", "[id quota token]"} {
		if got := fmt.Sprint(p.program.Steps[i].Needs); got != want {
			t.Errorf("step %d needs %s, want %s", i+1, got, want)
		}
	}
}

func TestMessagesOfAnEarlierCallAreForgotten(t *testing.T) {
	p := newPlay(t, "steps: [{call: chat.v1.Chat/History, expect: {assert: ['size(messages) == count']}}]")
	for range 2 {
		if got := p.finish(0, []proto.Message{p.reply(0, "{}")}, ok()); got != "" {
			t.Fatal(got)
		}
	}
}

func TestScriptsReceive(t *testing.T) {
	p := newPlay(t, `
steps:
  - call: chat.v1.Chat/Talk
    script:
      - send: {join: {room: lobby}}
      - recv: {joined: {room: lobby}}
        save: {me: msg.joined.member_id}
        assert: ['index == 0']
      - recv_until: 'msg.said.from == me'
        max: 5
        save: {seq: msg.said.seq}
      - recv_until: {said: {seq: "${seq + 1}"}}
`)
	ops := p.program.Steps[0].Ops
	if got := ops[1].(*scenario.Recv).Check(p.vars, p.reply(0, "{joined: {room: lobby, member_id: m}}"), 0); got != nil {
		t.Fatal(got)
	}
	until := ops[2].(*scenario.RecvUntil)
	for text, want := range map[string]bool{"{said: {from: x}}": false, "{said: {from: m, seq: 4}}": true} {
		msg := p.reply(0, text)
		if got, err := until.Until(p.vars, msg, 1); got != want || err != nil {
			t.Errorf("until on %s is %v, %v", text, got, err)
		}
	}
	if got := until.Check(p.vars, p.reply(0, "{said: {from: m, seq: 4}}"), 1); got != nil {
		t.Fatal(got)
	}
	if got, err := ops[3].(*scenario.RecvUntil).Until(p.vars, p.reply(0, "{said: {seq: 5}}"), 2); !got || err != nil {
		t.Errorf("until by pattern: %v, %v", got, err)
	}
}

func TestDefaultStatusOfACancelledCall(t *testing.T) {
	p := newPlay(t, "steps: [{call: HelloService/LotsOfReplies, cancel: after_begin}]")
	out := ok()
	out.Status = status.New(codes.Canceled, "context canceled")
	if got := p.finish(0, nil, out); got != "" {
		t.Error(got)
	}
}

func TestRowsAndCalls(t *testing.T) {
	read := func(name string) ([]byte, error) {
		if name != "testdata/rows.csv" {
			return nil, os.ErrNotExist
		}
		return []byte("id,text\n1,a\n2,\"b,c\"\n"), nil
	}
	f, err := scenario.Parse("testdata/x.yaml", []byte("version: 1\ndata: rows.csv\nsteps: [{call: HelloService/SayHello, for_each: row, send: {greeting: '${row.text} ${i}'}}]\nload: [{step: step-1, arrival: {closed: 1}, requests: 5}]"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := scenario.Compile(f, testSchema(t), scenario.Options{ReadFile: read})
	if err != nil {
		t.Fatal(err)
	}
	p := &play{t: t, schema: testSchema(t), program: program}
	root, err := program.NewVars(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !program.Steps[0].ForEach || program.Rows() != 2 || program.Steps[0].Static() || len(program.Loads) != 1 {
		t.Errorf("%+v with %d rows", program.Steps[0], program.Rows())
	}
	p.vars = program.RowVars(root, 1)
	if got := p.requests(0); got != `{"greeting":"b,c 1"}` {
		t.Errorf("row 1 sends %s", got)
	}
	p.vars = program.CallVars(root, 5)
	if got := p.requests(0); got != `{"greeting":"b,c 5"}` {
		t.Errorf("call 5 sends %s", got)
	}
}

func TestLoads(t *testing.T) {
	p := newPlay(t, `
steps: [{id: hello, call: HelloService/SayHello}]
load:
  - {step: hello, arrival: {poisson: 30/m}, duration: 30s, warmup: 5s, max_in_flight: 20, connections: 2, transport: channel, thresholds: ['response.p99 < 50ms']}
  - {name: second, step: hello, arrival: {closed: 8}, requests: 100}
`)
	first, second := p.program.Loads[0], p.program.Loads[1]
	if first.Name != "hello" || first.Arrival.String() != "poisson 0.5/s" || first.Duration != 30*time.Second ||
		first.Warmup != 5*time.Second || first.MaxInFlight != 20 || first.Connections != 2 || first.Transport != "channel" || len(first.Thresholds) != 1 {
		t.Errorf("%+v", first)
	}
	if second.Name != "second" || second.Arrival.String() != "closed 8" || second.Requests != 100 || second.Parts[0].Step != p.program.Steps[0] {
		t.Errorf("%+v", second)
	}
	if !first.Parts[0].Step.Static() {
		t.Error("a step without expressions is not static")
	}
}

func TestAttempts(t *testing.T) {
	p := newPlay(t, "steps: [{call: HelloService/SayHello, attempts: {count: 2-3, transparent: 0, backoff: [100ms, 1s], previous_attempts: [0, 1]}}]")
	a := p.program.Steps[0].Attempts
	if *a.Count != (scenario.Range{Min: 2, Max: 3}) || *a.Transparent != (scenario.Range{}) || len(a.Backoff.Gaps) != 2 || len(a.Previous) != 2 {
		t.Errorf("%+v", a)
	}
}

func Example() {
	text := `version: 1
steps:
  - call: Detect/detect
    sned: {content: "{}"}
`
	_, err := scenario.Parse("first.yaml", []byte(text))
	fmt.Println(err)
	// Output:
	// first.yaml:4:5: unknown field "sned"
	//     4 |     sned: {content: "{}"}
	//       |     ^
	// hint: did you mean "send"?
}
