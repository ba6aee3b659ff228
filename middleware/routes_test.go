package middleware_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestRoutes(t *testing.T) {
	c := because(health.ReasonVerified)
	tests := map[string]struct {
		opts []middleware.RoutesOption
		want []string
	}{
		"the default paths": {
			nil,
			[]string{"/healthz", "/readyz", "/livez", "/startupz"},
		},
		"a prefix": {
			[]middleware.RoutesOption{middleware.WithPrefix("/internal")},
			[]string{"/internal/healthz", "/internal/readyz", "/internal/livez", "/internal/startupz"},
		},
		"a prefix with its slash in the wrong place": {
			[]middleware.RoutesOption{middleware.WithPrefix("internal/probes/")},
			[]string{"/internal/probes/healthz", "/internal/probes/readyz", "/internal/probes/livez", "/internal/probes/startupz"},
		},
		"the prefix / is none": {
			[]middleware.RoutesOption{middleware.WithPrefix("/")},
			[]string{"/healthz", "/readyz", "/livez", "/startupz"},
		},
		"each path": {
			[]middleware.RoutesOption{
				middleware.WithHealthPath("/health"), middleware.WithReadyPath("/ready"), middleware.WithLivePath("/live"), middleware.WithStartupPath("started"),
			},
			[]string{"/health", "/ready", "/live", "/started"},
		},
		"a path and the prefix, in whatever order": {
			[]middleware.RoutesOption{middleware.WithHealthPath("/"), middleware.WithPrefix("/toloka")},
			[]string{"/toloka/", "/toloka/readyz", "/toloka/livez", "/toloka/startupz"},
		},
		"the empty path leaves an endpoint out": {
			[]middleware.RoutesOption{middleware.WithHealthPath(""), middleware.WithLivePath(""), middleware.WithPrefix("/internal")},
			[]string{"/internal/readyz", "/internal/startupz"},
		},
		"all left out": {
			[]middleware.RoutesOption{
				middleware.WithHealthPath(""), middleware.WithReadyPath(""), middleware.WithLivePath(""), middleware.WithStartupPath(""),
			},
			nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, route := range middleware.Routes(c, tt.opts...) {
				got = append(got, route.Path)
			}
			assert.Equal(t, tt.want, got)
		})
	}

	t.Run("each path has its own meaning", func(t *testing.T) {
		// Verified, but draining and not started: every endpoint says something of its own.
		c := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonVerified), Draining: true})
		got := map[string]int{}
		for _, route := range middleware.Routes(c) {
			rec := ask(route.Endpoint, http.MethodGet, route.Path)
			got[route.Path] = rec.Code
			assert.Equal(t, route.Path == "/healthz" || route.Path == "/readyz", rec.Header().Get("X-Envoy-Immediate-Health-Check-Fail") != "", route.Path)
		}
		assert.Equal(t, map[string]int{"/healthz": 503, "/readyz": 503, "/livez": 200, "/startupz": 503}, got)
	})
	t.Run("details and further checkers reach the endpoints", func(t *testing.T) {
		second := newChecker(health.State{Name: "second", Reasons: health.ReasonsOf(health.ReasonRejected)})
		got := map[string]int{}
		for _, route := range middleware.Routes(c, everybody, middleware.WithCheckers(second)) {
			rec := ask(route.Endpoint, http.MethodGet, route.Path+"?verbose")
			got[route.Path] = rec.Code
			details := route.Path == "/healthz" || route.Path == "/readyz"
			assert.Equal(t, details, len(rec.Body.String()) > len(`{"status":"fail"}`), route.Path)
		}
		assert.Equal(t, map[string]int{"/healthz": 503, "/readyz": 503, "/livez": 200, "/startupz": 503}, got)
	})
}
