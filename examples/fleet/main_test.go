//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/examples/internal/exampletest"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

func TestMain(m *testing.M) { exampletest.Main(m) }

// replica is a running service.
type replica struct {
	*exampletest.Process
	url string
}

// start starts a replica that shares through the Redis at redisURL, and waits until it is ready.
func start(t *testing.T, platform *requestertest.Server, token, redisURL string) *replica {
	t.Helper()
	p := exampletest.Start(t, exampletest.Command{Secrets: []string{token}, Env: []string{
		"LISTEN_ADDR=127.0.0.1:0", "TOLOKA_BASE_URL=" + platform.URL, "TOLOKA_TOKEN=" + token,
		"CHECK_INTERVAL=10s", "REDIS_URL=" + redisURL,
	}})
	var listening struct{ Address string }
	require.NoError(t, json.Unmarshal([]byte(p.StderrLine(t, `"msg":"listening"`)), &listening))
	r := &replica{p, "http://" + listening.Address}
	exampletest.Eventually(t, r.url+"/startupz", http.StatusOK, `{"status":"pass"}`)
	exampletest.Expect(t, http.MethodGet, r.url+"/healthz", http.StatusOK, `{"status":"pass"}`)
	return r
}

func newPlatform(t *testing.T) (platform *requestertest.Server, token string) {
	t.Helper()
	platform = requestertest.NewServer()
	t.Cleanup(platform.Close)
	return platform, platform.IssueToken("").Reveal()
}

// TestFleet is about the wiring. internal/e2e/fleet runs the example with a real Redis that breaks.
func TestFleet(t *testing.T) {
	store := miniredis.RunT(t)
	store.RequireUserAuth("toloka", "correct-horse-battery")
	redisURL := "redis://toloka:correct-horse-battery@" + store.Addr()
	platform, token := newPlatform(t)

	first, second := start(t, platform, token, redisURL), start(t, platform, token, redisURL)
	assert.Equal(t, 1, platform.Count(), "the second replica takes the answer of the first")
	for _, r := range []*replica{first, second} {
		account := exampletest.Ask(t, http.MethodGet, r.url+"/account")
		assert.Equal(t, http.StatusOK, account.Status)
		assert.Contains(t, account.Body, `"id":"566ec2b0ff0deeaae5f9d500629de162"`)
		r.Signal(t, syscall.SIGTERM)
		assert.Zero(t, r.Wait(t))
		assert.NotContains(t, r.Stderr(), "correct-horse")
		assert.NotContains(t, r.Stderr(), "shared store")
	}
}

func TestAlone(t *testing.T) {
	platform, token := newPlatform(t)
	start(t, platform, token, "")
	start(t, platform, token, "")
	assert.Equal(t, 2, platform.Count())
}

func TestRedisIsAway(t *testing.T) {
	platform, token := newPlatform(t)
	r := start(t, platform, token, "redis://127.0.0.1:1") // a privileged port that nothing uses
	r.StderrLine(t, `"level":"WARN"`, `"msg":"toloka credential: the shared store does not answer"`,
		"connection refused")
}

func TestBadRedisURL(t *testing.T) {
	for name, url := range map[string]string{
		"another_scheme": "http://toloka:correct-horse-battery@localhost:6379",
		"no_port_number": "redis://toloka:correct-horse-battery@localhost:port",
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := exampletest.Run(t, exampletest.Command{
				Secrets: []string{"correct-horse-battery"}, Env: []string{"REDIS_URL=" + url},
			})
			assert.Equal(t, 1, code)
			assert.Contains(t, stderr,
				`"error":"REDIS_URL: not a URL like redis://user:password@host:6379/0"`)
		})
	}
}
