package echotest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// AccountID is the account of [Because].
const AccountID = "566ec2b0ff0deeaae5f9d500629de162"

// Checker is a fake whose snapshot stays the same.
type Checker struct{ snapshot *health.Snapshot }

// Snapshot returns the snapshot.
func (c *Checker) Snapshot() *health.Snapshot { return c.snapshot }

// Because returns a started checker with one reason and an account.
func Because(reason health.Reason) *Checker {
	account, err := requester.ParseAccount([]byte(`{"id":"` + AccountID + `","balance":121.3}`))
	if err != nil {
		panic(err)
	}
	return &Checker{health.NewSnapshot(health.State{
		Reasons: []health.Reason{reason}, RetryAfter: 7 * time.Second, Started: true,
		Account: account,
	})}
}

// Serve starts a real server for one test.
func Serve(t *testing.T, h http.Handler) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// Response is a complete answer without the Date.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Ask returns the answer to a request without a body.
func Ask(t *testing.T, server *httptest.Server, method, path string) Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	require.NoError(t, err)
	res, err := server.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	res.Header.Del("Date")
	return Response{res.StatusCode, res.Header, string(body)}
}

// AssertHealth asserts the complete answers to GET, HEAD and OPTIONS.
func AssertHealth(t *testing.T, server *httptest.Server, path string, status health.Status) {
	t.Helper()
	code, header := http.StatusOK, http.Header{
		"Content-Type":           {"application/health+json"},
		"Content-Length":         {"17"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
	}
	if status == health.StatusFail {
		code = http.StatusServiceUnavailable
		header.Set("Retry-After", "7")
	}
	body := `{"status":"` + status.String() + `"}`
	assert.Equal(t, Response{code, header, body}, Ask(t, server, http.MethodGet, path), "GET "+path)
	assert.Equal(t, Response{code, header, ""}, Ask(t, server, http.MethodHead, path), "HEAD "+path)
	assert.Equal(t, Response{code, header, body}, Ask(t, server, http.MethodOptions, path),
		"OPTIONS "+path)
}

// Rejected is the answer of Echo's default error handler to a request that a gate rejects.
func Rejected() Response {
	return Response{http.StatusServiceUnavailable, http.Header{
		"Content-Type":   {"application/json"},
		"Content-Length": {"34"},
		"Cache-Control":  {"no-store"},
		"Retry-After":    {"7"},
	}, `{"message":"Service Unavailable"}` + "\n"}
}

// Problem is the answer of a gate with ProblemDetails to a request that it rejects.
func Problem() Response {
	return Response{http.StatusServiceUnavailable, http.Header{
		"Content-Type":           {"application/problem+json"},
		"Content-Length":         {"147"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
		"Retry-After":            {"7"},
	}, `{"type":"about:blank","title":"Service Unavailable","status":503,` +
		`"detail":"The service cannot handle this request at the moment. Try again later."}`}
}

// Discard is a ResponseWriter that costs next to nothing.
type Discard struct{ header http.Header }

// NewDiscard returns a Discard with an empty header.
func NewDiscard() *Discard { return &Discard{http.Header{}} }

// Header returns the header.
func (d *Discard) Header() http.Header { return d.header }

// WriteHeader does nothing.
func (d *Discard) WriteHeader(int) {}

// Write does nothing.
func (d *Discard) Write(b []byte) (int, error) { return len(b), nil }
