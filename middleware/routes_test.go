package middleware_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestRoutes(t *testing.T) {
	c := because(health.ReasonVerified)
	prefix, path := middleware.WithPrefix, middleware.WithPath
	tests := map[string]struct {
		opts []middleware.HealthOption
		want []string
	}{
		"default": {
			nil,
			[]string{"/healthz", "/readyz", "/livez", "/startupz"},
		},
		"prefix": {
			[]middleware.HealthOption{prefix("/internal")},
			[]string{"/internal/healthz", "/internal/readyz", "/internal/livez", "/internal/startupz"},
		},
		"prefix with misplaced slash": {
			[]middleware.HealthOption{prefix("a/b/")},
			[]string{"/a/b/healthz", "/a/b/readyz", "/a/b/livez", "/a/b/startupz"},
		},
		"prefix is a slash": {
			[]middleware.HealthOption{prefix("/")},
			[]string{"/healthz", "/readyz", "/livez", "/startupz"},
		},
		"all paths": {
			[]middleware.HealthOption{
				path("/healthz", "/health"), path("/readyz", "/ready/"),
				path("/livez", "/"), path("/startupz", "started"),
			},
			[]string{"/health", "/ready", "/", "/started"},
		},
		"path before prefix": {
			[]middleware.HealthOption{path("/healthz", "/"), prefix("/toloka")},
			[]string{"/toloka", "/toloka/readyz", "/toloka/livez", "/toloka/startupz"},
		},
		"two left out": {
			[]middleware.HealthOption{path("/healthz", ""), path("/livez", ""), prefix("/internal")},
			[]string{"/internal/readyz", "/internal/startupz"},
		},
		"all left out": {
			[]middleware.HealthOption{
				path("/healthz", ""), path("/readyz", ""), path("/livez", ""), path("/startupz", ""),
			},
			nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			routes := must(middleware.Routes(c, tt.opts...))
			assert.ElementsMatch(t, tt.want, slices.Collect(maps.Keys(routes)))
		})
	}

	t.Run("verdicts", func(t *testing.T) {
		// Verified, draining and not started: the endpoints answer differently.
		c := newChecker(health.State{Reasons: []health.Reason{health.ReasonVerified}, Draining: true})
		got := map[string]int{}
		for path, endpoint := range must(middleware.Routes(c)) {
			rec := ask(endpoint, http.MethodGet, path)
			got[path] = rec.Code
			readiness := path == "/healthz" || path == "/readyz"
			assert.Equal(t, readiness, rec.Header().Get("X-Envoy-Immediate-Health-Check-Fail") != "", path)
		}
		assert.Equal(t, map[string]int{"/healthz": 503, "/readyz": 503, "/livez": 200, "/startupz": 503}, got)
	})
	t.Run("details and several checkers", func(t *testing.T) {
		second := newChecker(health.State{Name: "second", Reasons: []health.Reason{health.ReasonRejected}})
		got := map[string]int{}
		for path, endpoint := range must(middleware.Routes(c, toAll, middleware.WithCheckers(second))) {
			rec := ask(endpoint, http.MethodGet, path+"?verbose")
			got[path] = rec.Code
			readiness := path == "/healthz" || path == "/readyz"
			assert.Equal(t, readiness, len(rec.Body.String()) > len(`{"status":"fail"}`), path)
		}
		assert.Equal(t, map[string]int{"/healthz": 503, "/readyz": 503, "/livez": 200, "/startupz": 503}, got)
	})
}
