// Package echotest has the tests that the adapters for both versions of Echo must pass.
package echotest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// Echo is one version of Echo with its adapter. Its routes answer with [Answer].
type Echo interface {
	http.Handler
	// RegisterHealth registers the health endpoints in a group, or without a group if it is "".
	RegisterHealth(group string, c middleware.Snapshotter, opts ...middleware.HealthOption)
	// Use puts a gate in front of all routes.
	Use(Gate)
	// Any registers a route for all methods.
	Any(path string, gate ...Gate)
	// Group registers GET path in a group with a gate.
	Group(prefix string, gate Gate, path string)
	// AddTrailingSlash adds Echo's middleware of that name.
	AddTrailingSlash()
}

// Gate is the configuration of a gate.
type Gate struct {
	Checker          middleware.Snapshotter
	Skip             string // a path
	AccountInContext bool
	ProblemDetails   bool
}

// Version makes an Echo. With keepNotFound, the adapter's documented way keeps unknown paths of a
// closed group 404.
type Version func(keepNotFound bool) Echo

// Answer returns the body of a route: the ID of the account in its context.
func Answer(account *requester.Account, ok bool) string {
	if !ok {
		return "no account"
	}
	return account.ID()
}

// Run runs all tests.
func Run(t *testing.T, version Version) {
	t.Run("health", func(t *testing.T) { testHealth(t, version) })
	t.Run("gate", func(t *testing.T) { testGate(t, version) })
	t.Run("config", func(t *testing.T) { testConfig(t, version) })
	t.Run("unknown paths", func(t *testing.T) { testUnknownPaths(t, version) })
}

func testHealth(t *testing.T, version Version) {
	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		t.Run(reason.String(), func(t *testing.T) {
			e := version(false)
			e.RegisterHealth("", Because(reason))
			server := Serve(t, e)
			for _, slash := range []string{"", "/"} {
				AssertHealth(t, server, "/healthz"+slash, reason.Status())
				AssertHealth(t, server, "/readyz"+slash, reason.Status())
				AssertHealth(t, server, "/livez"+slash, health.StatusPass)
				AssertHealth(t, server, "/startupz"+slash, health.StatusPass)
			}
		})
	}
	t.Run("other methods", func(t *testing.T) {
		e := version(false)
		e.RegisterHealth("", Because(health.ReasonVerified))
		server := Serve(t, e)
		for _, path := range []string{"/healthz", "/readyz", "/livez", "/startupz", "/healthz/"} {
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
				got := Ask(t, server, method, path)
				assert.Equal(t, http.StatusMethodNotAllowed, got.Status, path)
				allowed := strings.Split(got.Header.Get("Allow"), ", ")
				slices.Sort(allowed)
				assert.Equal(t, []string{"GET", "HEAD", "OPTIONS"}, allowed, path)
			}
		}
	})
	t.Run("catch-all route", func(t *testing.T) {
		e := version(false)
		e.Any("/*")
		e.RegisterHealth("", Because(health.ReasonStale))
		AssertHealth(t, Serve(t, e), "/healthz", health.StatusWarn)
	})
	t.Run("group and options", func(t *testing.T) {
		e := version(false)
		e.RegisterHealth("/internal", Because(health.ReasonRejected),
			middleware.WithPrefix("/toloka"), middleware.WithPath("/healthz", "/health"),
			middleware.WithPath("/startupz", ""))
		server := Serve(t, e)
		AssertHealth(t, server, "/internal/toloka/health", health.StatusFail)
		AssertHealth(t, server, "/internal/toloka/readyz", health.StatusFail)
		AssertHealth(t, server, "/internal/toloka/livez", health.StatusPass)
		for _, path := range []string{
			"/internal/toloka/startupz", "/internal/toloka/healthz", "/healthz",
		} {
			assert.Equal(t, http.StatusNotFound, Ask(t, server, http.MethodGet, path).Status, path)
		}
	})
	t.Run("root", func(t *testing.T) {
		e := version(false)
		e.RegisterHealth("", Because(health.ReasonStale), middleware.WithPath("/healthz", "/"))
		AssertHealth(t, Serve(t, e), "/", health.StatusWarn)
	})
	t.Run("AddTrailingSlash", func(t *testing.T) {
		e := version(false)
		e.AddTrailingSlash()
		e.RegisterHealth("", Because(health.ReasonRejected))
		AssertHealth(t, Serve(t, e), "/healthz", health.StatusFail)
	})
}

func testGate(t *testing.T, version Version) {
	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		t.Run(reason.String(), func(t *testing.T) {
			gate := Gate{Checker: Because(reason)}
			e := version(false)
			e.Any("/route", gate)
			e.Group("/group", gate, "")
			server := Serve(t, e)
			for _, request := range [][2]string{
				{http.MethodGet, "/route"}, {http.MethodPost, "/route"},
				{http.MethodOptions, "/route"},
				{http.MethodGet, "/group"},
			} {
				got := Ask(t, server, request[0], request[1])
				if reason.Status() == health.StatusFail {
					assert.Equal(t, Rejected(), got, request)
				} else {
					assert.Equal(t, "no account", got.Body, request)
				}
			}
			if reason.Status() == health.StatusFail {
				got := Ask(t, server, http.MethodHead, "/route")
				assert.Equal(t, http.StatusServiceUnavailable, got.Status)
				assert.Equal(t, "7", got.Header.Get("Retry-After"))
				assert.Empty(t, got.Body)
			}
		})
	}
}

func testConfig(t *testing.T, version Version) {
	closed := Because(health.ReasonRejected)
	t.Run("Skipper", func(t *testing.T) {
		e := version(false)
		e.Use(Gate{Checker: closed, Skip: "/public"})
		e.Any("/public")
		e.Any("/private")
		server := Serve(t, e)
		assert.Equal(t, "no account", Ask(t, server, http.MethodGet, "/public").Body)
		assert.Equal(t, Rejected(), Ask(t, server, http.MethodGet, "/private"))
	})
	t.Run("ProblemDetails", func(t *testing.T) {
		e := version(false)
		e.Any("/tasks", Gate{Checker: closed, ProblemDetails: true})
		server := Serve(t, e)
		want := Problem()
		assert.Equal(t, want, Ask(t, server, http.MethodPost, "/tasks"))
		want.Body = ""
		assert.Equal(t, want, Ask(t, server, http.MethodHead, "/tasks"))
	})
	t.Run("AccountInContext", func(t *testing.T) {
		e := version(false)
		e.Any("/tasks", Gate{Checker: Because(health.ReasonVerified), AccountInContext: true})
		assert.Equal(t, AccountID, Ask(t, Serve(t, e), http.MethodGet, "/tasks").Body)
	})
}

// testUnknownPaths tests what a closed gate on a group does with paths that have no route.
func testUnknownPaths(t *testing.T, version Version) {
	closed := Gate{Checker: Because(health.ReasonRejected)}
	const unavailable, notFound = http.StatusServiceUnavailable, http.StatusNotFound
	tests := map[string]struct {
		keepNotFound      bool
		wire              func(e Echo)
		unknown, inPrefix int // statuses of GET /unknown and GET /api/unknown
	}{
		"route": {
			false, func(e Echo) { e.Any("/api/tasks", closed) }, notFound, notFound,
		},
		"group with prefix": {
			false, func(e Echo) { e.Group("/api", closed, "/tasks") }, notFound, unavailable,
		},
		"group without prefix": {
			false, func(e Echo) { e.Group("", closed, "/api/tasks") }, unavailable, unavailable,
		},
		"group without prefix, keep 404": {
			true, func(e Echo) { e.Group("", closed, "/api/tasks") }, notFound, notFound,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := version(tt.keepNotFound)
			tt.wire(e)
			server := Serve(t, e)
			assert.Equal(t, unavailable, Ask(t, server, http.MethodGet, "/api/tasks").Status)
			assert.Equal(t, tt.unknown, Ask(t, server, http.MethodGet, "/unknown").Status)
			assert.Equal(t, tt.inPrefix, Ask(t, server, http.MethodGet, "/api/unknown").Status)
		})
	}
}
