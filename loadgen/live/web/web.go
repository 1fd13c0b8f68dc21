// Package web serves the report of a run while it goes on, as a page that
// renews itself.
//
// A server on a loopback address is for everybody on this machine. On any other
// address the page is below a path that nobody can guess, which is printed and
// nowhere else: a report tells what a target answers.
package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"touchstone/loadgen/render/html"
	"touchstone/loadgen/report"
)

// Limits on what viewers can ask of the process that puts on a load.
const (
	maxConnections = 16
	freshFor       = time.Second // a page is made once in this time, for all viewers
	readTime       = 5 * time.Second
	writeTime      = 20 * time.Second
	maxHeader      = 16 << 10
	endTime        = time.Second // for what is under way at the end
)

// Server serves the page of one run.
type Server struct {
	listener net.Listener
	token    string // "" on loopback
	server   *http.Server
	done     sync.WaitGroup

	snapshot func() *report.Report

	mu   sync.Mutex // guards what follows: one page is made at a time
	page []byte
	made time.Time
}

// Listen starts to serve the report that snapshot returns, which is asked from
// other goroutines, and at most once a second. An address without a host, such
// as ":8090", is on loopback. The caller calls Close.
func Listen(ctx context.Context, address string, snapshot func() *report.Report) (*Server, error) {
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{listener: listener, snapshot: snapshot}
	if !isLoopback(listener.Addr()) {
		s.token = rand.Text()
	}
	s.server = &http.Server{
		Handler: s, ReadHeaderTimeout: readTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: writeTime, MaxHeaderBytes: maxHeader,
	}
	s.done.Go(func() { _ = s.server.Serve(netutil.LimitListener(listener, maxConnections)) }) // Close ends it
	return s, nil
}

func isLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// URL is where the page is.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + s.path() }

func (s *Server) path() string {
	if s.token == "" {
		return "/"
	}
	return "/" + s.token + "/"
}

// Close stops serving, and returns when nobody is served any more.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close() // a viewer takes too long
	}
	s.done.Wait()
}

// ServeHTTP answers with the page.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "the page can only be read", http.StatusMethodNotAllowed)
	case s.token == "" && !isLocalName(r.Host):
		// A name that somebody has made point to this machine would let a page
		// from elsewhere read this one.
		http.Error(w, "ask for it by the address of this machine", http.StatusForbidden)
	case subtle.ConstantTimeCompare([]byte(r.URL.Path), []byte(s.path())) != 1:
		http.NotFound(w, r)
	default:
		s.serve(w)
	}
}

// isLocalName reports whether a Host header is a name of the loopback address.
func isLocalName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Server) serve(w http.ResponseWriter) {
	page, err := s.current()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for name, value := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Content-Length": fmt.Sprint(len(page)),
	} {
		w.Header().Set(name, value)
	}
	_, _ = w.Write(page) // a viewer may have gone
}

// current returns the page, made anew when it is old.
func (s *Server) current() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.page != nil && time.Since(s.made) < freshFor {
		return s.page, nil
	}
	var b bytes.Buffer
	if err := html.WriteLive(&b, s.snapshot()); err != nil {
		return nil, err
	}
	s.page, s.made = b.Bytes(), time.Now()
	return s.page, nil
}
