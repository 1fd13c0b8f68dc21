//go:build unix

package main

import "time"

// work is what the peers are asked to do.
type work struct {
	Name   string `json:"name"`
	Method string `json:"method"`
	Kind   string `json:"kind"`
	// Messages that each call sends.
	Messages int `json:"messages"`
	// Calls of the cheap peers; the others make fewer, so that a round does not
	// take minutes.
	Calls int `json:"calls"`
}

// The kinds of work. HelloService is the smallest service of all four kinds:
// what is measured is the client.
var works = []work{
	{Name: "unary", Method: "HelloService/SayHello", Kind: "unary", Messages: 1, Calls: 200_000},
	{Name: "server stream, 10 replies", Method: "HelloService/LotsOfReplies", Kind: "server_stream", Messages: 1, Calls: 50_000},
	{Name: "bidi, 2 messages", Method: "HelloService/BidiHello", Kind: "bidi_stream", Messages: 2, Calls: 50_000},
}

// greeting makes the message 50 bytes long.
const greeting = "a greeting of forty-eight bytes, as benches have"

// job is one run of one peer: a closed loop with so many calls, or, with a rate,
// calls for a time.
type job struct {
	work        work
	calls       int
	connections int
	callers     int // over all connections
	rate        float64
	duration    time.Duration
	address     string
	folder      string // for the files of this run
}

// closed returns a job of the closed loop.
func closed(w work, calls int, address string) job {
	return job{work: w, calls: calls, connections: 2, callers: 100, address: address}
}

// baseCalls is how many calls a process makes to show what it costs without
// any: its CPU time is taken off.
const baseCalls = 200

// truth is the p99 of the response times in a load at a constant rate whose
// server stands still for a time: calls that are due while it does wait from
// then until its end, so that the waits are evenly spread from none to all of
// it.
func truth(duration, freeze time.Duration) time.Duration {
	return freeze - duration/100
}
