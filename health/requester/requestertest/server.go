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
	// URL is its base URL, such as http://127.0.0.1:35671, for requester.WithBaseURL.
	URL string

	server *httptest.Server
}

// NewServer starts a platform on plain http. The caller must close it.
func NewServer() *Server { return newServer((*httptest.Server).Start) }

// NewTLSServer starts a platform on https with a certificate that only [Server.Client] trusts. The
// caller must close it.
func NewTLSServer() *Server { return newServer((*httptest.Server).StartTLS) }

func newServer(start func(*httptest.Server)) *Server {
	p := NewPlatform()
	s := httptest.NewUnstartedServer(p)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // some tests let handshakes fail
	start(s)
	return &Server{Platform: p, URL: s.URL, server: s}
}

// Client returns a client that connects to the server over TCP and trusts its certificate. The
// client of the Platform field calls it in memory.
func (s *Server) Client() *http.Client { return s.server.Client() }

// Close closes the open connections, waits for the handlers to end and frees the port. Later
// connections are refused. It can be called more than once.
func (s *Server) Close() {
	s.server.CloseClientConnections()
	s.server.Close()
}
