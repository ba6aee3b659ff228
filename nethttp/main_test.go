package nethttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checker is a fake whose snapshot stays the same.
type checker struct{ snapshot *health.Snapshot }

func (c *checker) Snapshot() *health.Snapshot { return c.snapshot }

// because returns a checker with one reason.
func because(reason health.Reason) *checker {
	return &checker{health.NewSnapshot(health.State{
		Reasons: []health.Reason{reason}, RetryAfter: 7 * time.Second, Started: true,
	})}
}

// serve starts a real server for one test.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// response is a complete answer without the Date.
type response struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, server *httptest.Server, method, path string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	require.NoError(t, err)
	res, err := server.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	res.Header.Del("Date")
	return response{res.StatusCode, res.Header, string(body)}
}

func healthHeader(status health.Status) http.Header {
	h := http.Header{
		"Content-Type":           {"application/health+json"},
		"Content-Length":         {"17"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
	}
	if status == health.StatusFail {
		h.Set("Retry-After", "7")
	}
	return h
}

// assertHealth asserts the complete answers to GET, HEAD and OPTIONS.
func assertHealth(t *testing.T, server *httptest.Server, path string, status health.Status) {
	t.Helper()
	code := http.StatusOK
	if status == health.StatusFail {
		code = http.StatusServiceUnavailable
	}
	want := response{code, healthHeader(status), `{"status":"` + status.String() + `"}`}
	assert.Equal(t, want, ask(t, server, http.MethodGet, path), "GET "+path)
	assert.Equal(t, want, ask(t, server, http.MethodOptions, path), "OPTIONS "+path)
	want.body = ""
	assert.Equal(t, want, ask(t, server, http.MethodHead, path), "HEAD "+path)
}
