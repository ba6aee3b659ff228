package pollers_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/faults"
)

// platform is the fake platform on an address that it can stop and start listening on.
type platform struct {
	*requestertest.Platform
	address string
	server  *http.Server
	calls   faults.Times // until other faults are set
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{Platform: requestertest.NewPlatform(), address: process.Reserve(t)}
	p.SetFaults(p.calls.Fault())
	p.listen(t)
	t.Cleanup(p.refuse)
	return p
}

func (p *platform) url() string { return "http://" + p.address }

// refuse stops the platform: connections are refused until listen.
func (p *platform) refuse() { _ = p.server.Close() }

func (p *platform) listen(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", p.address)
	require.NoError(t, err)
	p.server = &http.Server{Handler: p.Platform}
	go func(server *http.Server) { _ = server.Serve(listener) }(p.server) // it always ends with an error
}
