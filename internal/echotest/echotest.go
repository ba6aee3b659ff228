// Package echotest has the tests that the adapters for both versions of Echo must pass.
package echotest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	// WriteError is what the ErrorHandler writes with status 503.
	WriteError func(*health.Error) string
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
			e.RegisterHealth("", because(reason))
			server := serve(t, e)
			for _, slash := range []string{"", "/"} {
				assertHealth(t, server, "/healthz"+slash, reason.Status())
				assertHealth(t, server, "/readyz"+slash, reason.Status())
				assertHealth(t, server, "/livez"+slash, health.StatusPass)
				assertHealth(t, server, "/startupz"+slash, health.StatusPass)
			}
		})
	}
	t.Run("other methods", func(t *testing.T) {
		e := version(false)
		e.RegisterHealth("", because(health.ReasonVerified))
		server := serve(t, e)
		for _, path := range []string{"/healthz", "/readyz", "/livez", "/startupz", "/healthz/"} {
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
				got := ask(t, server, method, path)
				assert.Equal(t, http.StatusMethodNotAllowed, got.status, path)
				allowed := strings.Split(got.header.Get("Allow"), ", ")
				slices.Sort(allowed)
				assert.Equal(t, []string{"GET", "HEAD", "OPTIONS"}, allowed, path)
			}
		}
	})
	t.Run("catch-all route", func(t *testing.T) {
		e := version(false)
		e.Any("/*")
		e.RegisterHealth("", because(health.ReasonStale))
		assertHealth(t, serve(t, e), "/healthz", health.StatusWarn)
	})
	t.Run("group and options", func(t *testing.T) {
		e := version(false)
		e.RegisterHealth("/internal", because(health.ReasonRejected),
			middleware.WithPrefix("/toloka"), middleware.WithPath("/healthz", "/health"),
			middleware.WithPath("/startupz", ""))
		server := serve(t, e)
		assertHealth(t, server, "/internal/toloka/health", health.StatusFail)
		assertHealth(t, server, "/internal/toloka/readyz", health.StatusFail)
		assertHealth(t, server, "/internal/toloka/livez", health.StatusPass)
		for _, path := range []string{
			"/internal/toloka/startupz", "/internal/toloka/healthz", "/healthz",
		} {
			assert.Equal(t, http.StatusNotFound, ask(t, server, http.MethodGet, path).status, path)
		}
	})
	t.Run("root", func(t *testing.T) {
		e := version(false)
		e.RegisterHealth("", because(health.ReasonStale), middleware.WithPath("/healthz", "/"))
		assertHealth(t, serve(t, e), "/", health.StatusWarn)
	})
	t.Run("AddTrailingSlash", func(t *testing.T) {
		e := version(false)
		e.AddTrailingSlash()
		e.RegisterHealth("", because(health.ReasonRejected))
		assertHealth(t, serve(t, e), "/healthz", health.StatusFail)
	})
}

// rejected is the answer of Echo's default error handler to a rejected request.
var rejected = response{http.StatusServiceUnavailable, http.Header{
	"Content-Type":   {"application/json"},
	"Content-Length": {"34"},
	"Cache-Control":  {"no-store"},
	"Retry-After":    {"7"},
}, `{"message":"Service Unavailable"}` + "\n"}

func testGate(t *testing.T, version Version) {
	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		t.Run(reason.String(), func(t *testing.T) {
			gate := Gate{Checker: because(reason)}
			e := version(false)
			e.Any("/route", gate)
			e.Group("/group", gate, "")
			server := serve(t, e)
			for _, request := range [][2]string{
				{http.MethodGet, "/route"}, {http.MethodPost, "/route"}, {http.MethodOptions, "/route"},
				{http.MethodGet, "/group"},
			} {
				got := ask(t, server, request[0], request[1])
				if reason.Status() == health.StatusFail {
					assert.Equal(t, rejected, got, request)
				} else {
					assert.Equal(t, "no account", got.body, request)
				}
			}
			if reason.Status() == health.StatusFail {
				got := ask(t, server, http.MethodHead, "/route")
				assert.Equal(t, http.StatusServiceUnavailable, got.status)
				assert.Equal(t, "7", got.header.Get("Retry-After"))
				assert.Empty(t, got.body)
			}
		})
	}
}

func testConfig(t *testing.T, version Version) {
	closed := because(health.ReasonRejected)
	t.Run("Skipper", func(t *testing.T) {
		e := version(false)
		e.Use(Gate{Checker: closed, Skip: "/public"})
		e.Any("/public")
		e.Any("/private")
		server := serve(t, e)
		assert.Equal(t, "no account", ask(t, server, http.MethodGet, "/public").body)
		assert.Equal(t, rejected, ask(t, server, http.MethodGet, "/private"))
	})
	t.Run("ErrorHandler", func(t *testing.T) {
		e := version(false)
		e.Any("/tasks", Gate{Checker: closed, WriteError: func(err *health.Error) string {
			return "because: " + err.Reason.String()
		}})
		got := ask(t, serve(t, e), http.MethodGet, "/tasks")
		assert.Equal(t, response{http.StatusServiceUnavailable, http.Header{
			"Content-Type":   {"text/plain; charset=UTF-8"},
			"Content-Length": {"17"},
			"Cache-Control":  {"no-store"},
			"Retry-After":    {"7"},
		}, "because: rejected"}, got)
	})
	t.Run("ProblemDetails", func(t *testing.T) {
		e := version(false)
		e.Any("/tasks", Gate{Checker: closed, ProblemDetails: true})
		server := serve(t, e)
		want := response{http.StatusServiceUnavailable, http.Header{
			"Content-Type":           {"application/problem+json"},
			"Content-Length":         {"147"},
			"Cache-Control":          {"no-store"},
			"X-Content-Type-Options": {"nosniff"},
			"Retry-After":            {"7"},
		}, `{"type":"about:blank","title":"Service Unavailable","status":503,` +
			`"detail":"The service cannot handle this request at the moment. Try again later."}`}
		assert.Equal(t, want, ask(t, server, http.MethodPost, "/tasks"))
		want.body = ""
		assert.Equal(t, want, ask(t, server, http.MethodHead, "/tasks"))
	})
	t.Run("AccountInContext", func(t *testing.T) {
		e := version(false)
		e.Any("/tasks", Gate{Checker: because(health.ReasonVerified), AccountInContext: true})
		assert.Equal(t, accountID, ask(t, serve(t, e), http.MethodGet, "/tasks").body)
	})
}

// testUnknownPaths tests what a closed gate on a group does with paths that have no route.
func testUnknownPaths(t *testing.T, version Version) {
	closed := Gate{Checker: because(health.ReasonRejected)}
	const unavailable, notFound = http.StatusServiceUnavailable, http.StatusNotFound
	tests := map[string]struct {
		keepNotFound      bool
		wire              func(e Echo)
		unknown, inPrefix int // statuses of GET /unknown and GET /api/unknown
	}{
		"route":             {false, func(e Echo) { e.Any("/api/tasks", closed) }, notFound, notFound},
		"group with prefix": {false, func(e Echo) { e.Group("/api", closed, "/tasks") }, notFound, unavailable},
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
			server := serve(t, e)
			assert.Equal(t, unavailable, ask(t, server, http.MethodGet, "/api/tasks").status)
			assert.Equal(t, tt.unknown, ask(t, server, http.MethodGet, "/unknown").status)
			assert.Equal(t, tt.inPrefix, ask(t, server, http.MethodGet, "/api/unknown").status)
		})
	}
}

const accountID = "566ec2b0ff0deeaae5f9d500629de162"

// checker is a fake whose snapshot stays the same.
type checker struct{ snapshot *health.Snapshot }

func (c *checker) Snapshot() *health.Snapshot { return c.snapshot }

// because returns a checker with one reason and an account.
func because(reason health.Reason) *checker {
	account, err := requester.ParseAccount([]byte(`{"id":"` + accountID + `","balance":121.3}`))
	if err != nil {
		panic(err)
	}
	return &checker{health.NewSnapshot(health.State{
		Reasons: []health.Reason{reason}, RetryAfter: 7 * time.Second, Started: true, Account: account,
	})}
}

func serve(t *testing.T, e Echo) *httptest.Server {
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return server
}

// response is a complete answer without the Date.
type response struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, server *httptest.Server, method, path string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	require.NoError(t, err)
	res, err := server.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	res.Header.Del("Date")
	return response{res.StatusCode, res.Header, string(body)}
}

// assertHealth asserts the complete answers to GET, HEAD and OPTIONS.
func assertHealth(t *testing.T, server *httptest.Server, path string, status health.Status) {
	t.Helper()
	code, header := http.StatusOK, http.Header{
		"Content-Type":           {"application/health+json"},
		"Content-Length":         {"17"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
	}
	if status == health.StatusFail {
		code = http.StatusServiceUnavailable
		header.Set("Retry-After", "7")
	}
	body := `{"status":"` + status.String() + `"}`
	assert.Equal(t, response{code, header, body}, ask(t, server, http.MethodGet, path), "GET "+path)
	assert.Equal(t, response{code, header, ""}, ask(t, server, http.MethodHead, path), "HEAD "+path)
	assert.Equal(t, response{code, header, body}, ask(t, server, http.MethodOptions, path), "OPTIONS "+path)
}
