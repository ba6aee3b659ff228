package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// TestSnapshotsChangeUnderLoad changes the snapshots while many goroutines poll. No answer may mix
// two snapshots, and every 503 has a Retry-After.
func TestSnapshotsChangeUnderLoad(t *testing.T) {
	const pollers, polls, changes = 8, 400, 400
	c := because(health.ReasonStarting)
	second := because(health.ReasonVerified)
	details := newHealth(c, toAll, middleware.WithCheckers(second))
	plain := newHealth(c)
	gate := withAccount(c).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = middleware.AccountFrom(r.Context())
	}))

	// The Retry-After of a failing state identifies its reason.
	var states []health.State
	for _, reason := range reasons() {
		states = append(states, health.State{
			Reasons: []health.Reason{reason}, RetryAfter: time.Duration(reason) * 10 * time.Second,
		})
	}

	var wg sync.WaitGroup
	for range pollers {
		wg.Go(func() {
			for range polls {
				rec := ask(plain, http.MethodGet, "/")
				failed := rec.Code == http.StatusServiceUnavailable
				assert.Equal(t, failed, rec.Body.String() == `{"status":"fail"}`)
				assertRetryAfter(t, rec)

				rec = ask(details, http.MethodGet, "/?verbose")
				failed = rec.Code == http.StatusServiceUnavailable
				assert.Equal(t, failed, strings.HasPrefix(rec.Body.String(), `{"status":"fail"`))
				assertRetryAfter(t, rec)

				assertRetryAfter(t, ask(gate, http.MethodGet, "/"))
			}
		})
	}
	wg.Go(func() {
		for i := range changes {
			c.set(states[i%len(states)])
			second.set(states[(i*7)%len(states)])
		}
	})
	wg.Wait()

	// Whatever was rendered last, the next answer is about the current snapshot.
	c.set(health.State{Reasons: []health.Reason{health.ReasonVerified}})
	assertHealth(t, plain, "/", health.StatusPass, "")
	c.set(health.State{Reasons: []health.Reason{health.ReasonRejected}, RetryAfter: time.Minute})
	assertHealth(t, plain, "/", health.StatusFail, "60")
	assert.Equal(t, closedHeader("60"), ask(gate, http.MethodGet, "/").Header())
}

func assertRetryAfter(t *testing.T, rec *httptest.ResponseRecorder) {
	retryAfter := rec.Header().Get("Retry-After")
	if rec.Code != http.StatusServiceUnavailable {
		assert.Empty(t, retryAfter)
		return
	}
	assert.Contains(t, []string{"7", "10", "20", "30", "40", "50", "60", "70"}, retryAfter)
}
