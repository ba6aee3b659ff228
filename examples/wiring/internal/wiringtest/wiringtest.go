// Package wiringtest has the tests that every wiring must pass.
package wiringtest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// AccountID is the account of a [Checker].
const AccountID = "566ec2b0ff0deeaae5f9d500629de162"

// Checker is a fake whose snapshot can be replaced.
type Checker struct {
	snapshot atomic.Pointer[health.Snapshot]
}

var _ middleware.Snapshotter = (*Checker)(nil)

// NewChecker returns a checker with one reason.
func NewChecker(t *testing.T, reason health.Reason) *Checker {
	c := &Checker{}
	c.Set(t, reason)
	return c
}

// Set changes the reason.
func (c *Checker) Set(t *testing.T, reason health.Reason) {
	t.Helper()
	account, err := requester.ParseAccount([]byte(`{"id":"` + AccountID + `","balance":121.3}`))
	require.NoError(t, err)
	c.snapshot.Store(health.NewSnapshot(health.State{
		Reasons: []health.Reason{reason}, Account: account, Started: true,
		RetryAfter: 7 * time.Second,
	}))
}

// Snapshot implements middleware.Snapshotter.
func (c *Checker) Snapshot() *health.Snapshot { return c.snapshot.Load() }

// Serve runs the serve function of a program until the test ends, and returns its URL.
func Serve(
	t *testing.T, serve func(middleware.Snapshotter, net.Listener) error, c middleware.Snapshotter,
) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = serve(c, listener) // always an error: the listener is closed
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return "http://" + listener.Addr().String()
}

// Run tests the health endpoints and the gate on GET /tasks, which answers with the account's ID.
func Run(t *testing.T, serve func(middleware.Snapshotter, net.Listener) error) {
	Health(t, serve)
	t.Run("gate", func(t *testing.T) {
		checker := NewChecker(t, health.ReasonVerified)
		url := Serve(t, serve, checker)
		for _, step := range []struct {
			reason health.Reason
			want   response
		}{
			{health.ReasonVerified, response{status: http.StatusOK, body: AccountID}},
			{health.ReasonRejected, rejected},
			{health.ReasonStale, response{status: http.StatusOK, body: AccountID}},
		} {
			checker.Set(t, step.reason)
			got := ask(t, http.MethodGet, url+"/tasks")
			if step.want.status == http.StatusOK {
				got.contentType = ""
			}
			assert.Equal(t, step.want, got, step.reason)
		}
		checker.Set(t, health.ReasonRejected)
		assert.Equal(t, http.StatusNotFound, ask(t, http.MethodGet, url+"/unknown").status)
	})
}

// rejected is the response of a closed gate.
var rejected = response{
	http.StatusServiceUnavailable, "application/problem+json", "7",
	`{"type":"about:blank","title":"Service Unavailable","status":503,` +
		`"detail":"The service cannot handle this request at the moment. Try again later."}`,
}

// Health tests the health endpoints, and that the program is short enough to copy.
func Health(t *testing.T, serve func(middleware.Snapshotter, net.Listener) error) {
	t.Run("lines", func(t *testing.T) {
		source, err := os.ReadFile("main.go")
		require.NoError(t, err)
		assert.LessOrEqual(t, bytes.Count(source, []byte("\n")), 40)
	})
	for _, reason := range []health.Reason{
		health.ReasonVerified, health.ReasonStale, health.ReasonRejected,
	} {
		t.Run("health/"+reason.String(), func(t *testing.T) {
			url := Serve(t, serve, NewChecker(t, reason))
			for path, status := range map[string]health.Status{
				"/healthz":  reason.Status(),
				"/readyz":   reason.Status(),
				"/livez":    health.StatusPass,
				"/startupz": health.StatusPass,
			} {
				want := response{
					http.StatusOK, "application/health+json", "",
					`{"status":"` + status.String() + `"}`,
				}
				if status == health.StatusFail {
					want.status, want.retryAfter = http.StatusServiceUnavailable, "7"
				}
				assert.Equal(t, want, ask(t, http.MethodGet, url+path), path)
				assert.Equal(t, want, ask(t, http.MethodOptions, url+path), path)
				want.body = ""
				assert.Equal(t, want, ask(t, http.MethodHead, url+path), path)
				assert.Equal(t, http.StatusMethodNotAllowed,
					ask(t, http.MethodPost, url+path).status, path)
			}
		})
	}
}

// response is what a client gets.
type response struct {
	status                        int
	contentType, retryAfter, body string
}

func ask(t *testing.T, method, url string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return response{
		res.StatusCode, res.Header.Get("Content-Type"), res.Header.Get("Retry-After"), string(body),
	}
}
