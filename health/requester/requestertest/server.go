package requestertest

import (
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

// NewServer starts a platform on plain http. The caller must close it. For https use
// [httptest.NewTLSServer] with a [Platform].
func NewServer() *Server {
	p := NewPlatform()
	s := httptest.NewUnstartedServer(p)
	s.Start()
	return &Server{Platform: p, URL: s.URL, server: s}
}

// Client returns a client that connects to the server over TCP. The client of the Platform field
// calls it in memory.
func (s *Server) Client() *http.Client { return s.server.Client() }

// Close closes the open connections, waits for the handlers to end and frees the port. Later
// connections are refused. It can be called more than once.
func (s *Server) Close() {
	s.server.CloseClientConnections()
	s.server.Close()
}
