package nethttp_test

import (
	"bufio"
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
		t.Run("over TCP, "+reason.String()+" is "+reason.Status().String(), func(t *testing.T) {
			mux := http.NewServeMux()
			nethttp.RegisterHealth(mux, because(reason))
			server := serve(t, mux)
			assertHealth(t, server, "/healthz", reason.Status())
			assertHealth(t, server, "/readyz", reason.Status())
			assertHealth(t, server, "/livez", health.StatusPass)
			assertHealth(t, server, "/startupz", health.StatusPass)
		})
	}

	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page") })
	patterns := map[string]int{ // what POST /healthz gets beside it
		"GET /":       http.StatusMethodNotAllowed,
		"/":           http.StatusOK,
		"GET /{$}":    http.StatusMethodNotAllowed,
		"/{rest...}":  http.StatusOK,
		"GET /{page}": http.StatusMethodNotAllowed,
		"POST /":      http.StatusOK,
	}
	for pattern, post := range patterns {
		t.Run("it works beside the pattern "+pattern, func(t *testing.T) {
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

	t.Run("POST is 405 with Allow", func(t *testing.T) {
		mux := http.NewServeMux()
		nethttp.RegisterHealth(mux, because(health.ReasonVerified))
		server := serve(t, mux)
		for _, path := range []string{"/healthz", "/readyz", "/livez", "/startupz"} {
			got := ask(t, server, http.MethodPost, path)
			assert.Equal(t, http.StatusMethodNotAllowed, got.status, path)
			assert.Equal(t, "GET, HEAD, OPTIONS", got.header.Get("Allow"), path)
		}
	})
	t.Run("a prefix and other paths; one left out; a path with a slash at its end stands for itself alone", func(t *testing.T) {
		mux := http.NewServeMux()
		nethttp.RegisterHealth(mux, because(health.ReasonVerified),
			middleware.WithPrefix("/internal"), middleware.WithHealthPath("/"), middleware.WithReadyPath("/ready"), middleware.WithStartupPath(""))
		server := serve(t, mux)
		assertHealth(t, server, "/internal/", health.StatusPass)
		assertHealth(t, server, "/internal/ready", health.StatusPass)
		assertHealth(t, server, "/internal/livez", health.StatusPass)
		for _, path := range []string{"/internal/startupz", "/internal/healthz", "/healthz", "/"} {
			assert.Equal(t, http.StatusNotFound, ask(t, server, http.MethodGet, path).status, path)
		}
	})
	t.Run("two checkers under two prefixes of one mux", func(t *testing.T) {
		mux := http.NewServeMux()
		nethttp.RegisterHealth(mux, because(health.ReasonVerified), middleware.WithPrefix("/orders"))
		nethttp.RegisterHealth(mux, because(health.ReasonRejected), middleware.WithPrefix("/billing"))
		server := serve(t, mux)
		assertHealth(t, server, "/orders/healthz", health.StatusPass)
		assertHealth(t, server, "/billing/healthz", health.StatusFail)
	})
	t.Run("a path that is taken panics, as ServeMux does", func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("GET /healthz", page)
		assert.Panics(t, func() { nethttp.RegisterHealth(mux, because(health.ReasonVerified)) })
	})
	t.Run("a nil checker panics", func(t *testing.T) {
		assert.PanicsWithValue(t, "middleware: nil checker: look at the error of health.New before the checker is used",
			func() { nethttp.RegisterHealth(http.NewServeMux(), nil) })
	})
}

func TestHAProxyProbe(t *testing.T) {
	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, because(health.ReasonRejected))
	server := serve(t, mux)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "OPTIONS /healthz HTTP/1.0\r\n\r\n")
	require.NoError(t, err)

	// HTTP/1.0: the server closes after the answer.
	answer, err := io.ReadAll(bufio.NewReader(conn))
	require.NoError(t, err)
	head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	assert.True(t, strings.HasPrefix(head, "HTTP/1.0 503 Service Unavailable\r\n"), head)
	assert.Contains(t, head, "\r\nContent-Length: 17\r\n")
	assert.Contains(t, head, "\r\nRetry-After: 7\r\n")
	assert.Equal(t, `{"status":"fail"}`, body)
}

func TestHandlers(t *testing.T) {
	pass, fail := because(health.ReasonVerified), because(health.ReasonRejected)
	unstarted := &checker{health.NewSnapshot(health.State{})}
	tests := map[string]struct {
		handler http.Handler
		want    string
	}{
		"Health":                    {nethttp.Health(fail), `{"status":"fail"}`},
		"Health of several":         {nethttp.Health(pass, middleware.WithCheckers(fail)), `{"status":"fail"}`},
		"Ready":                     {nethttp.Ready(pass), `{"status":"pass"}`},
		"Live":                      {nethttp.Live(), `{"status":"pass"}`},
		"Startup":                   {nethttp.Startup(fail), `{"status":"pass"}`},
		"Startup of several":        {nethttp.Startup(pass, unstarted), `{"status":"fail"}`},
		"Startup before it is done": {nethttp.Startup(unstarted), `{"status":"fail"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			tt.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
			assert.Equal(t, tt.want, rec.Body.String())
		})
	}
}
