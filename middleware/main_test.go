package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checker is a fake whose verdict the test sets. It counts its calls.
type checker struct {
	snapshot atomic.Pointer[health.Snapshot]
	calls    atomic.Int64
}

func (c *checker) Snapshot() *health.Snapshot {
	c.calls.Add(1)
	return c.snapshot.Load()
}

func (c *checker) set(s health.State) { c.snapshot.Store(health.NewSnapshot(s)) }

func newChecker(s health.State) *checker {
	c := &checker{}
	c.set(s)
	return c
}

// because returns a checker with one reason.
func because(reason health.Reason) *checker {
	return newChecker(health.State{
		Reasons: []health.Reason{reason}, RetryAfter: 7 * time.Second,
	})
}

// verified returns a checker with the account of a requester document.
func verified(t testing.TB, account string) *checker {
	return newChecker(health.State{
		Reasons: []health.Reason{health.ReasonVerified}, Account: mustAccount(t, account),
	})
}

// reasons returns all reasons, from closed to verified.
func reasons() []health.Reason {
	var all []health.Reason
	for r := health.ReasonClosed; r <= health.ReasonVerified; r++ {
		all = append(all, r)
	}
	return all
}

// ask serves one request in memory.
func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	return rec
}

// must panics with the error of a constructor: a mistake in the test.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newGate(c middleware.Snapshotter, opts ...middleware.GateOption) *middleware.Gate {
	return must(middleware.NewGate(c, opts...))
}

// newHealth returns the endpoint of /healthz and /readyz.
func newHealth(c middleware.Snapshotter, opts ...middleware.HealthOption) http.Handler {
	return must(middleware.Routes(c, opts...))["/healthz"]
}

func newStartup(c middleware.Snapshotter, more ...middleware.Snapshotter) http.Handler {
	return must(middleware.Routes(c, middleware.WithCheckers(more...)))["/startupz"]
}

func newLive() http.Handler {
	return must(middleware.Routes(because(health.ReasonRejected)))["/livez"]
}

func mustAccount(t testing.TB, body string) *requester.Account {
	account, err := requester.ParseAccount([]byte(body))
	require.NoError(t, err)
	return account
}

func mustToken(t testing.TB, value string) credentials.Token {
	token, err := credentials.ParseToken(value)
	require.NoError(t, err)
	return token
}
