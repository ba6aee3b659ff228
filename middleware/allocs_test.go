package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// allocs returns how many allocations one request costs once the answer is rendered.
func allocs(h http.Handler, method, target string) float64 {
	w, r := newDiscard(), httptest.NewRequest(method, target, nil)
	return testing.AllocsPerRun(100, func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	})
}

func TestAllocations(t *testing.T) {
	for _, reason := range reasons() {
		c := because(reason)
		started := newChecker(health.State{Reasons: health.ReasonsOf(reason), Started: true})
		handlers := map[string]http.Handler{
			"the gate":                        middleware.NewGate(c).Wrap(nothing),
			"health":                          middleware.NewHealth(c),
			"health with a policy":            middleware.NewHealth(c, everybody),
			"health over three":               middleware.NewHealth(c, middleware.WithCheckers(because(health.ReasonVerified), because(health.ReasonStale))),
			"health while draining":           middleware.NewHealth(newChecker(health.State{Reasons: health.ReasonsOf(reason), Draining: true})),
			"ready":                           middleware.NewReady(c),
			"startup before Start is done":    middleware.NewStartup(c),
			"startup after Start is done":     middleware.NewStartup(started),
			"live":                            middleware.NewLive(),
			"a gate that skips everything":    middleware.NewGate(c, middleware.WithSkipper(func(*http.Request) bool { return true })).Wrap(nothing),
			"a gate with a rejection handler": middleware.NewGate(c, middleware.WithRejectionHandler(func(http.ResponseWriter, *http.Request, *health.Error) {})).Wrap(nothing),
		}
		for name, h := range handlers {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost} {
				for _, target := range []string{"/", "/?verbose", "/?a=b&c=d"} {
					t.Run(name+" under "+reason.String()+" allocates nothing for "+method+" "+target, func(t *testing.T) {
						assert.Zero(t, allocs(h, method, target))
					})
				}
			}
		}
	}

	t.Run("the account in the context costs the two that net/http forces", func(t *testing.T) {
		gate := middleware.NewGate(verified(t, accountBody), middleware.WithAccountInContext()).Wrap(nothing)
		assert.EqualValues(t, 2, allocs(gate, http.MethodGet, "/"))
	})
	t.Run("to look the account up costs nothing", func(t *testing.T) {
		first, second := verified(t, accountBody), verified(t, otherBody)
		ctx := through(t, httptest.NewRequest(http.MethodGet, "/", nil), withAccount(first), withAccount(second)).Context()
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			_, _ = middleware.AccountFrom(ctx)
			_, _ = middleware.AccountOf(ctx, first)
		}))
	})
}
