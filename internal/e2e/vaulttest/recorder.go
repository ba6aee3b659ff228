package vaulttest

import (
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Request is a request to Vault.
type Request struct {
	Method, Path string
	Header       http.Header
}

// String returns "GET /v1/secret/data/toloka".
func (r Request) String() string { return r.Method + " " + r.Path }

// Recorder is a proxy in front of a [Server] that records requests. It is safe for concurrent use.
type Recorder struct {
	// Address is the URL of the proxy.
	Address string

	mu       sync.Mutex
	requests []Request
}

// Record starts a recorder and stops it at the end of the test.
func Record(tb testing.TB, s *Server) *Recorder {
	tb.Helper()
	to, err := url.Parse(s.Address)
	if err != nil {
		tb.Fatal(err)
	}
	r := &Recorder{}
	transport := &http.Transport{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = transport
	proxy.ErrorLog = stdlog.New(io.Discard, "", 0) // some tests stop Vault
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.add(Request{Method: req.Method, Path: req.URL.Path, Header: req.Header.Clone()})
		proxy.ServeHTTP(w, req)
	}))
	tb.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	r.Address = server.URL
	return r
}

// Take returns the requests since the last call.
func (r *Recorder) Take() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.requests
	r.requests = nil
	return taken
}

// TakeLines is [Recorder.Take] as lines of "METHOD /path".
func (r *Recorder) TakeLines() []string {
	var lines []string
	for _, req := range r.Take() {
		lines = append(lines, req.String())
	}
	return lines
}

func (r *Recorder) add(req Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, req)
}
