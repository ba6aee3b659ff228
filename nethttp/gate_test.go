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
		// Whatever the server's own writer can do must stay possible: nothing wraps it.
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
		t.Run("over TCP, "+reason.String(), func(t *testing.T) {
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

	t.Run("one gate serves several handlers", func(t *testing.T) {
		gate := nethttp.Gate(because(health.ReasonRejected), middleware.WithSkipper(func(r *http.Request) bool { return r.URL.Path == "/b" }))
		mux := http.NewServeMux()
		mux.Handle("/a", gate(tasks))
		mux.Handle("/b", gate(tasks))
		server := serve(t, mux)
		assert.Equal(t, http.StatusServiceUnavailable, ask(t, server, http.MethodGet, "/a").status)
		assert.Equal(t, "tasks", ask(t, server, http.MethodGet, "/b").body)
	})
	t.Run("a nil checker panics when the gate is made, not at the first request", func(t *testing.T) {
		assert.PanicsWithValue(t, "middleware: nil checker: look at the error of health.New before the checker is used",
			func() { nethttp.Gate((*checker)(nil)) })
	})
	t.Run("a nil handler panics when it is wrapped, as one that is registered does", func(t *testing.T) {
		gate := nethttp.Gate(because(health.ReasonVerified))
		assert.PanicsWithValue(t, "middleware: Gate.Wrap: nil handler", func() { gate(nil) })
		assert.PanicsWithValue(t, "middleware: Gate.Wrap: nil handler", func() { gate(http.HandlerFunc(nil)) })
	})
	t.Run("a nil option is passed over", func(t *testing.T) {
		assert.NotPanics(t, func() {
			nethttp.Gate(because(health.ReasonVerified), nil)
			nethttp.Health(because(health.ReasonVerified), nil)
			nethttp.RegisterHealth(http.NewServeMux(), because(health.ReasonVerified), nil)
		})
	})
}
