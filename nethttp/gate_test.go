package nethttp_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func TestGate(t *testing.T) {
	tasks := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// The gate must not wrap the ResponseWriter: Flush works.
		if err := http.NewResponseController(w).Flush(); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "tasks")
	})
	const problem = `{"type":"about:blank","title":"Service Unavailable","status":503,` +
		`"detail":"The service cannot handle this request at the moment. Try again later."}`
	closed := response{http.StatusServiceUnavailable, http.Header{
		"Content-Type":           {"application/problem+json"},
		"Content-Length":         {"147"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
		"Retry-After":            {"7"},
	}, problem}

	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		t.Run(reason.String(), func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("/tasks", nethttp.Gate(because(reason))(tasks))
			server := serve(t, mux)
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
				got := ask(t, server, method, "/tasks")
				if reason.Status() == health.StatusFail {
					assert.Equal(t, closed, got, method)
				} else {
					assert.Equal(t, "tasks", got.body, method)
				}
			}
			if reason.Status() == health.StatusFail {
				assert.Equal(t, response{closed.status, closed.header, ""}, ask(t, server, http.MethodHead, "/tasks"))
			}
		})
	}

	t.Run("one gate, several handlers", func(t *testing.T) {
		gate := nethttp.Gate(because(health.ReasonRejected),
			middleware.WithSkipper(func(r *http.Request) bool { return r.URL.Path == "/b" }))
		mux := http.NewServeMux()
		mux.Handle("/a", gate(tasks))
		mux.Handle("/b", gate(tasks))
		server := serve(t, mux)
		assert.Equal(t, http.StatusServiceUnavailable, ask(t, server, http.MethodGet, "/a").status)
		assert.Equal(t, "tasks", ask(t, server, http.MethodGet, "/b").body)
	})
}

func TestWiringPanics(t *testing.T) {
	const isNil = "the checker is nil; handle the error of health.New first"
	const newGate, routes = "middleware: NewGate: ", "middleware: Routes: "
	const transport = "nethttp: Transport: "
	good := because(health.ReasonVerified)
	mux := http.NewServeMux()
	var none *health.Checker
	tests := map[string]struct {
		call func()
		want string
	}{
		"Gate/nil checker":           {func() { nethttp.Gate((*checker)(nil)) }, newGate + isNil},
		"Gate/nil option":            {func() { nethttp.Gate(good, nil) }, newGate + "nil option"},
		"RegisterHealth/nil checker": {func() { nethttp.RegisterHealth(mux, nil) }, routes + isNil},
		"RegisterHealth/nil option":  {func() { nethttp.RegisterHealth(mux, good, nil) }, routes + "nil option"},
		"Transport/nil checker":      {func() { nethttp.Transport(nil, nil) }, transport + isNil},
		"Transport/nil pointer":      {func() { nethttp.Transport(none, nil) }, transport + isNil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { assert.PanicsWithError(t, tt.want, tt.call) })
	}
}
