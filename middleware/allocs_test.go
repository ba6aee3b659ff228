package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// allocs returns the allocations of one request once the answer is rendered.
func allocs(h http.Handler, method, target string) float64 {
	w, r := newDiscard(), httptest.NewRequest(method, target, nil)
	return testing.AllocsPerRun(100, func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	})
}

func TestAllocations_none(t *testing.T) {
	skipAll := middleware.WithSkipper(func(*http.Request) bool { return true })
	ignore := middleware.WithRejectionHandler(func(http.ResponseWriter, *http.Request, *middleware.Rejection) {})
	two := middleware.WithCheckers(because(health.ReasonVerified), because(health.ReasonStale))
	bearer := middleware.WithDetails(middleware.BearerToken(mustToken(t, "ops-token")))
	local := middleware.WithDetails(middleware.LoopbackOnly)
	for _, reason := range reasons() {
		c := because(reason)
		started := newChecker(health.State{Reasons: []health.Reason{reason}, Started: true})
		draining := newChecker(health.State{Reasons: []health.Reason{reason}, Draining: true})
		handlers := map[string]http.Handler{
			"gate":             newGate(c).Wrap(nothing),
			"gate/skipped":     newGate(c, skipAll).Wrap(nothing),
			"gate/handler":     newGate(c, ignore).Wrap(nothing),
			"health":           newHealth(c),
			"health/details":   newHealth(c, toAll),
			"health/bearer":    newHealth(c, bearer),
			"health/loopback":  newHealth(c, local),
			"health/three":     newHealth(c, two),
			"health/draining":  newHealth(draining),
			"startup/starting": newStartup(c),
			"startup/started":  newStartup(started),
			"live":             newLive(),
		}
		for name, h := range handlers {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost} {
				for _, target := range []string{"/", "/?verbose", "/?a=b&c=d"} {
					t.Run(name+"/"+reason.String()+"/"+method+" "+target, func(t *testing.T) {
						assert.Zero(t, allocs(h, method, target))
					})
				}
			}
		}
	}
}

func TestAllocations_account(t *testing.T) {
	t.Run("gate", func(t *testing.T) {
		gate := withAccount(verified(t, accountBody)).Wrap(nothing)
		assert.EqualValues(t, 2, allocs(gate, http.MethodGet, "/"), "the context and the request")
	})
	t.Run("lookup", func(t *testing.T) {
		first, second := verified(t, accountBody), verified(t, otherBody)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		ctx := admit(t, r, withAccount(first), withAccount(second)).Context()
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			_, _ = middleware.AccountFrom(ctx)
			_, _ = middleware.AccountOf(ctx, first)
		}))
	})
}
