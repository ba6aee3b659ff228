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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checker is a fake whose verdict the test sets. It counts how often it was asked.
type checker struct {
	snapshot atomic.Pointer[health.Snapshot]
	asked    atomic.Int64
}

func (c *checker) Snapshot() *health.Snapshot {
	c.asked.Add(1)
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
	return newChecker(health.State{Reasons: health.ReasonsOf(reason), RetryAfter: 7 * time.Second})
}

// reasons are all there are, from closed to verified.
func reasons() []health.Reason {
	var all []health.Reason
	for r := health.ReasonClosed; r <= health.ReasonVerified; r++ {
		all = append(all, r)
	}
	return all
}

// ask serves one request from memory.
func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	return rec
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
