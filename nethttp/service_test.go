package nethttp_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// TestService runs a real checker behind a real server from before Start until Close.
func TestService(t *testing.T) {
	checker := newChecker()
	defer checker.Close()
	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker)
	mux.Handle("/tasks", nethttp.Gate(checker)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	server := serve(t, mux)
	codes := func() map[string]int {
		got := map[string]int{}
		for _, path := range []string{"/healthz", "/readyz", "/livez", "/startupz", "/tasks"} {
			res := ask(t, server, http.MethodGet, path)
			got[path] = res.status
			assert.Equal(t, res.status == http.StatusServiceUnavailable, res.header.Get("Retry-After") != "", path)
		}
		return got
	}
	const up, down = http.StatusOK, http.StatusServiceUnavailable

	assert.Equal(t, map[string]int{
		"/healthz": down, "/readyz": down, "/livez": up, "/startupz": down, "/tasks": down,
	}, codes(), "before Start")
	require.NoError(t, checker.Start(t.Context()))
	assert.Equal(t, map[string]int{
		"/healthz": up, "/readyz": up, "/livez": up, "/startupz": up, "/tasks": up,
	}, codes(), "verified")
	checker.Drain()
	assert.Equal(t, map[string]int{
		"/healthz": down, "/readyz": down, "/livez": up, "/startupz": up, "/tasks": up,
	}, codes(), "draining")
	draining := ask(t, server, http.MethodGet, "/healthz")
	assert.Equal(t, "true", draining.header.Get("X-Envoy-Immediate-Health-Check-Fail"))
	require.NoError(t, checker.Close())
	require.Equal(t, health.ReasonClosed, checker.Snapshot().Reason())
	assert.Equal(t, map[string]int{
		"/healthz": down, "/readyz": down, "/livez": up, "/startupz": up, "/tasks": down,
	}, codes(), "closed")
}
