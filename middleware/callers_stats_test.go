package middleware_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// Each request is counted once, by the response that it gets.
func TestCallers_requestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t)
		good, other := w.platform.IssueToken("1"), w.platform.IssueToken("2")
		w.send(nil)
		w.send([]string{"Bearer " + good.Reveal()})
		for range 3 {
			assert.Equal(t, 200, w.use(good))
		}
		assert.Equal(t, 401, w.use(made(0)))
		assert.Equal(t, 401, w.use(made(0)))
		rec, _ := w.send([]string{authorization(other)}, middleware.AllowAccounts("1"))
		assert.Equal(t, 403, rec.Code)
		w.platform.SetFaults(requestertest.Status(500))
		time.Sleep(ttl)
		assert.Equal(t, staleStatus, w.use(good))
		assert.Equal(t, 503, w.use(made(1)))

		stats := w.callers.Stats()
		var want middleware.CallersStats
		want.Requests.NoToken = 2
		want.Requests.Verified = 3
		want.Requests.Refused = 2
		want.Requests.NotAllowed = 1
		want.Requests.Stale = 1
		want.Requests.Unavailable = 1
		assert.Equal(t, want.Requests, stats.Requests)
		assert.Zero(t, stats.Skipped)
		assert.Equal(t, map[requester.Class]uint64{
			requester.Verified: 2, requester.Rejected: 1, requester.Unavailable: 2,
			requester.RateLimited: 0, requester.Malformed: 0, requester.Misdirected: 0, requester.Cancelled: 0,
		}, stats.Calls)
		assert.Equal(t, middleware.CallersTokens{Entries: 2, Breaker: "closed"}, stats.Verified)
		assert.Equal(t, middleware.CallersTokens{Entries: 2, Breaker: "closed"}, stats.Unproven)
	})
}

// Calls that are not made are counted by the reason.
func TestCallers_skippedCounts(t *testing.T) {
	type skipped = struct{ Budget, InFlight, Breaker, RateLimit uint64 }
	for name, tt := range map[string]struct {
		options []middleware.CallersOption
		fault   requestertest.Fault
		tokens  int // used one after the other
		want    skipped
	}{
		"budget": {
			options: []middleware.CallersOption{middleware.WithUnknownBudget(1, 2)},
			tokens:  5, want: skipped{Budget: 3},
		},
		"breaker":    {fault: requestertest.Status(500), tokens: 5, want: skipped{Breaker: 2}},
		"rate limit": {fault: requestertest.RateLimited("30"), tokens: 5, want: skipped{RateLimit: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newCallersWorld(t, tt.options...)
				w.platform.SetFaults(tt.fault)
				for i := range tt.tokens {
					w.use(made(i))
				}
				stats := w.callers.Stats()
				assert.Equal(t, tt.want, skipped(stats.Skipped))
				assert.EqualValues(t, tt.tokens, stats.Requests.Refused+stats.Requests.Unavailable)
			})
		})
	}
}

// Calls in flight are counted by kind of token, and those over the limit as skipped.
func TestCallers_inFlightCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t, middleware.WithMaxInFlight(2))
		good := w.platform.IssueToken("1")
		assert.Equal(t, 200, w.use(good))
		time.Sleep(ttl)
		release := w.platform.Hold()
		var all sync.WaitGroup
		all.Go(func() { assert.Equal(t, 200, w.use(good)) })
		for i := range 2 {
			all.Go(func() { assert.Equal(t, 401, w.use(made(i))) })
		}
		synctest.Wait()
		assert.Equal(t, 503, w.use(made(2)))
		stats := w.callers.Stats()
		assert.Equal(t, 1, stats.Verified.InFlight)
		assert.Equal(t, 2, stats.Unproven.InFlight)
		assert.EqualValues(t, 1, stats.Skipped.InFlight)
		release()
		all.Wait()
		stats = w.callers.Stats()
		assert.Zero(t, stats.Verified.InFlight+stats.Unproven.InFlight)
	})
}

// What a full cache removes is counted, and what is replaced, refused or forgotten is not.
func TestCallers_evictionCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const entries, more = 100, 30
		w := newCallersWorld(t, middleware.WithMaxCallers(entries),
			middleware.WithUnknownBudget(1e6, 1e6))
		first := w.platform.IssueToken("1")
		assert.Equal(t, 200, w.use(first))
		w.callers.Forget(first)
		time.Sleep(ttl)
		for range entries + more {
			assert.Equal(t, 200, w.use(w.platform.IssueToken("1")))
		}
		for i := range entries + 2*more {
			assert.Equal(t, 401, w.use(made(i)))
		}
		stats := w.callers.Stats()
		assert.Equal(t, entries, stats.Verified.Entries)
		assert.EqualValues(t, more, stats.Verified.Evictions)
		assert.Equal(t, entries, stats.Unproven.Entries)
		assert.EqualValues(t, 2*more, stats.Unproven.Evictions)
	})
}

func TestCallers_Stats_notFromNewCallers(t *testing.T) {
	for name, callers := range map[string]*middleware.Callers{"nil": nil, "zero": new(middleware.Callers)} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, middleware.CallersStats{}, callers.Stats()) })
	}
}
