package requestertest

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
)

// Server is a [Platform] that listens on a loopback port.
type Server struct {
	*Platform
	// URL is where it listens, such as http://127.0.0.1:35671, for requester.WithBaseURL.
	URL string

	server *httptest.Server
}

// NewServer starts a platform on plain http. Close it when it is no longer needed.
func NewServer(opts ...Option) *Server { return newServer((*httptest.Server).Start, opts) }

// NewTLSServer starts a platform on https with a certificate that only [Server.Client] trusts.
func NewTLSServer(opts ...Option) *Server { return newServer((*httptest.Server).StartTLS, opts) }

func newServer(start func(*httptest.Server), opts []Option) *Server {
	p := NewPlatform(opts...)
	s := httptest.NewUnstartedServer(p)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are what some tests are about
	start(s)
	return &Server{Platform: p, URL: s.URL, server: s}
}

// Client returns a client that talks to the server over TCP and trusts its certificate; the
// Platform's own talks to it in memory.
func (s *Server) Client() *http.Client { return s.server.Client() }

// Close breaks the connections that are open, waits for the handlers to end and frees the
// port: later requests are refused. It may be called more than once.
func (s *Server) Close() {
	s.server.CloseClientConnections()
	s.server.Close()
}
