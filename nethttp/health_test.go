package nethttp_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func TestRegisterHealth(t *testing.T) {
	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		t.Run(reason.String(), func(t *testing.T) {
			mux := http.NewServeMux()
			nethttp.RegisterHealth(mux, because(reason))
			server := serve(t, mux)
			assertHealth(t, server, "/healthz", reason.Status())
			assertHealth(t, server, "/readyz", reason.Status())
			assertHealth(t, server, "/livez", health.StatusPass)
			assertHealth(t, server, "/startupz", health.StatusPass)
		})
	}
}

var page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })

func TestRegisterHealth_otherPatterns(t *testing.T) {
	patterns := map[string]int{ // the answer to POST /healthz
		"GET /":                  http.StatusMethodNotAllowed,
		"/":                      http.StatusOK,
		"GET /{$}":               http.StatusMethodNotAllowed,
		"/{rest...}":             http.StatusOK,
		"GET /{page}":            http.StatusMethodNotAllowed,
		"GET /{page}/":           http.StatusMethodNotAllowed,
		"/{page}/{$}":            http.StatusOK,
		"GET /{language}/about":  http.StatusMethodNotAllowed,
		"/healthz/":              http.StatusOK,
		"GET /healthz/{part}":    http.StatusMethodNotAllowed,
		"POST /":                 http.StatusOK,
		"GET other.example.com/": http.StatusMethodNotAllowed,
	}
	for pattern, post := range patterns {
		t.Run(pattern, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle(pattern, page)
			nethttp.RegisterHealth(mux, because(health.ReasonStale))
			server := serve(t, mux)
			assertHealth(t, server, "/healthz", health.StatusWarn)
			got := ask(t, server, http.MethodPost, "/healthz")
			assert.Equal(t, post, got.status)
			if post == http.StatusMethodNotAllowed {
				assert.Equal(t, "GET, HEAD, OPTIONS", got.header.Get("Allow"))
			}
		})
	}
}

func TestRegisterHealth_paths(t *testing.T) {
	t.Run("slash at the end", func(t *testing.T) {
		mux := http.NewServeMux()
		nethttp.RegisterHealth(mux, because(health.ReasonRejected))
		server := serve(t, mux)
		assertHealth(t, server, "/healthz/", health.StatusFail)
		assertHealth(t, server, "/readyz/", health.StatusFail)
		assertHealth(t, server, "/livez/", health.StatusPass)
		assertHealth(t, server, "/startupz/", health.StatusPass)
		assert.Equal(t, http.StatusNotFound, ask(t, server, http.MethodGet, "/healthz/x").status)
	})
	t.Run("options", func(t *testing.T) {
		mux := http.NewServeMux()
		nethttp.RegisterHealth(mux, because(health.ReasonVerified),
			middleware.WithPrefix("/internal"), middleware.WithPath("/healthz", "/"),
			middleware.WithPath("/readyz", "/ready"), middleware.WithPath("/startupz", ""))
		server := serve(t, mux)
		assertHealth(t, server, "/internal", health.StatusPass)
		assertHealth(t, server, "/internal/", health.StatusPass)
		assertHealth(t, server, "/internal/ready", health.StatusPass)
		assertHealth(t, server, "/internal/livez", health.StatusPass)
		for _, path := range []string{"/internal/startupz", "/internal/healthz", "/healthz", "/"} {
			assert.Equal(t, http.StatusNotFound, ask(t, server, http.MethodGet, path).status, path)
		}
	})
	t.Run("root", func(t *testing.T) {
		mux := http.NewServeMux()
		nethttp.RegisterHealth(mux, because(health.ReasonVerified), middleware.WithPath("/healthz", "/"))
		server := serve(t, mux)
		assertHealth(t, server, "/", health.StatusPass)
		assert.Equal(t, http.StatusNotFound, ask(t, server, http.MethodGet, "/other").status)
	})
	t.Run("other methods", func(t *testing.T) {
		mux := http.NewServeMux()
		nethttp.RegisterHealth(mux, because(health.ReasonVerified))
		server := serve(t, mux)
		for _, path := range []string{"/healthz", "/readyz", "/livez", "/startupz", "/healthz/"} {
			got := ask(t, server, http.MethodPost, path)
			assert.Equal(t, http.StatusMethodNotAllowed, got.status, path)
			assert.Equal(t, "GET, HEAD, OPTIONS", got.header.Get("Allow"), path)
		}
	})
	t.Run("two checkers", func(t *testing.T) {
		mux := http.NewServeMux()
		nethttp.RegisterHealth(mux, because(health.ReasonVerified), middleware.WithPrefix("/orders"))
		nethttp.RegisterHealth(mux, because(health.ReasonRejected), middleware.WithPrefix("/billing"))
		server := serve(t, mux)
		assertHealth(t, server, "/orders/healthz", health.StatusPass)
		assertHealth(t, server, "/billing/healthz", health.StatusFail)
	})
	t.Run("path already registered", func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("GET /healthz", page)
		assert.Panics(t, func() { nethttp.RegisterHealth(mux, because(health.ReasonVerified)) })
	})
}

// exactRouter is a Mux that, like chi's, matches methods and paths exactly.
type exactRouter map[string]http.Handler

func (m exactRouter) Handle(pattern string, h http.Handler) { m[pattern] = h }

func (m exactRouter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, ok := m[r.Method+" "+r.URL.Path]
	if !ok {
		h = http.NotFoundHandler()
	}
	h.ServeHTTP(w, r)
}

func TestRegisterHealth_otherRouter(t *testing.T) {
	router := exactRouter{}
	nethttp.RegisterHealth(router, because(health.ReasonRejected), middleware.WithPath("/livez", "/"))
	server := serve(t, router)
	assertHealth(t, server, "/healthz", health.StatusFail)
	assertHealth(t, server, "/", health.StatusPass)
	for pattern := range router {
		assert.NotContains(t, pattern, "{", "only ServeMux has {$}")
	}
}

// TestOptionsAsterisk shows that Go's server answers Apache's probe itself.
func TestOptionsAsterisk(t *testing.T) {
	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, because(health.ReasonRejected))
	assert.Contains(t, raw(t, serve(t, mux), "OPTIONS * HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK\r\n")
}

func TestHAProxyProbe(t *testing.T) {
	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, because(health.ReasonRejected))
	answer := raw(t, serve(t, mux), "OPTIONS /healthz HTTP/1.0\r\n\r\n")
	head, body, _ := strings.Cut(answer, "\r\n\r\n")
	assert.True(t, strings.HasPrefix(head, "HTTP/1.0 503 Service Unavailable\r\n"), head)
	assert.Contains(t, head, "\r\nContent-Length: 17\r\n")
	assert.Contains(t, head, "\r\nRetry-After: 7\r\n")
	assert.Equal(t, `{"status":"fail"}`, body)
}

// raw sends an HTTP/1.0 request, after which the server closes the connection, and returns the
// answer.
func raw(t *testing.T, server *httptest.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(answer)
}
