package middleware_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

const problemBody = `{"type":"about:blank","title":"Service Unavailable","status":503,` +
	`"detail":"The service cannot handle this request at the moment. Try again later."}`

func closedHeader(retryAfter string) http.Header {
	return http.Header{
		"Content-Type":           {"application/problem+json"},
		"Content-Length":         {"147"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
		"Retry-After":            {retryAfter},
	}
}

// spy is a handler that remembers what it was called with.
type spy struct {
	calls int
	w     http.ResponseWriter
	r     *http.Request
}

func (s *spy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls++
	s.w, s.r = w, r
	w.WriteHeader(http.StatusTeapot)
}

func TestGate(t *testing.T) {
	for _, reason := range reasons() {
		if reason.Status() == health.StatusFail {
			t.Run(reason.String()+" closes the gate", func(t *testing.T) {
				var next spy
				rec := ask(middleware.NewGate(because(reason)).Wrap(&next), http.MethodPost, "/tasks")
				assert.Zero(t, next.calls)
				assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
				assert.Equal(t, closedHeader("7"), rec.Header())
				assert.Equal(t, problemBody, rec.Body.String())
			})
			continue
		}
		t.Run(reason.String()+" leaves the gate open, and next gets the same writer and request", func(t *testing.T) {
			var next spy
			rec, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/tasks", nil)
			middleware.NewGate(because(reason)).Wrap(&next).ServeHTTP(rec, r)
			assert.Equal(t, 1, next.calls)
			assert.Same(t, rec, next.w)
			assert.Same(t, r, next.r)
			assert.Equal(t, http.StatusTeapot, rec.Code)
			assert.Empty(t, rec.Header())
		})
	}

	t.Run("a low balance that fails closes the gate", func(t *testing.T) {
		c := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonLowBalance), LowBalanceFails: true})
		assert.Equal(t, http.StatusServiceUnavailable, ask(middleware.NewGate(c).Wrap(&spy{}), http.MethodGet, "/tasks").Code)
	})
	t.Run("draining leaves the gate open: what still arrives is answered", func(t *testing.T) {
		c := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonVerified), Draining: true})
		assert.Equal(t, http.StatusTeapot, ask(middleware.NewGate(c).Wrap(&spy{}), http.MethodGet, "/tasks").Code)
	})
	t.Run("an outage that leaves the service ready closes the gate", func(t *testing.T) {
		c := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonUnreachable), Lenient: true, VerifiedAt: time.Unix(1, 0)})
		require.True(t, c.Snapshot().Ready())
		assert.Equal(t, http.StatusServiceUnavailable, ask(middleware.NewGate(c).Wrap(&spy{}), http.MethodGet, "/tasks").Code)
	})
	t.Run("HEAD gets the same header and no body", func(t *testing.T) {
		rec := ask(middleware.NewGate(because(health.ReasonRejected)).Wrap(&spy{}), http.MethodHead, "/tasks")
		assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
		assert.Equal(t, closedHeader("7"), rec.Header())
		assert.Empty(t, rec.Body.String())
	})
	t.Run("each request reads one snapshot", func(t *testing.T) {
		c := because(health.ReasonVerified)
		gate := middleware.NewGate(c).Wrap(&spy{})
		for range 3 {
			ask(gate, http.MethodGet, "/tasks")
		}
		assert.EqualValues(t, 3, c.asked.Load())
	})
	t.Run("the gate follows the checker from request to request", func(t *testing.T) {
		c := because(health.ReasonStarting)
		gate := middleware.NewGate(c).Wrap(&spy{})
		assert.Equal(t, closedHeader("7"), ask(gate, http.MethodGet, "/tasks").Header())
		c.set(health.State{Reasons: health.ReasonsOf(health.ReasonVerified)})
		assert.Equal(t, http.StatusTeapot, ask(gate, http.MethodGet, "/tasks").Code)
		c.set(health.State{Reasons: health.ReasonsOf(health.ReasonRejected), RetryAfter: time.Minute})
		assert.Equal(t, closedHeader("60"), ask(gate, http.MethodGet, "/tasks").Header())
	})
	t.Run("two gates over one checker are independent", func(t *testing.T) {
		c := because(health.ReasonRejected)
		first, second := middleware.NewGate(c), middleware.NewGate(c)
		_, a := first.Admit(httptest.NewRequest(http.MethodGet, "/", nil))
		_, b := second.Admit(httptest.NewRequest(http.MethodGet, "/", nil))
		assert.NotSame(t, a, b)
		assert.Equal(t, a.Err(), b.Err())
	})
	t.Run("a header that is added to outside does not show in other answers", func(t *testing.T) {
		gate := middleware.NewGate(because(health.ReasonRejected)).Wrap(&spy{})
		ask(gate, http.MethodGet, "/tasks").Header().Add("Cache-Control", "private")
		assert.Equal(t, closedHeader("7"), ask(gate, http.MethodGet, "/tasks").Header())
	})
}

func TestRetryAfter(t *testing.T) {
	tests := map[string]struct {
		wait time.Duration
		want string
	}{
		"nothing known is one second":               {0, "1"},
		"less than nothing is one second":           {-time.Hour, "1"},
		"a nanosecond is one second":                {1, "1"},
		"a second is one second":                    {time.Second, "1"},
		"a little over a second is two":             {time.Second + 1, "2"},
		"half a minute":                             {30 * time.Second, "30"},
		"the longest duration does not wrap around": {1<<63 - 1, "9223372037"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newChecker(health.State{RetryAfter: tt.wait})
			assert.Equal(t, tt.want, ask(middleware.NewGate(c).Wrap(&spy{}), http.MethodGet, "/").Header().Get("Retry-After"), "gate")
			assert.Equal(t, tt.want, ask(middleware.NewHealth(c), http.MethodGet, "/").Header().Get("Retry-After"), "health")
			assert.Equal(t, tt.want, ask(middleware.NewStartup(c), http.MethodGet, "/").Header().Get("Retry-After"), "startup")
		})
	}
}

func TestWithSkipper(t *testing.T) {
	c := because(health.ReasonRejected)
	gate := func(opts ...middleware.GateOption) http.Handler { return middleware.NewGate(c, opts...).Wrap(&spy{}) }
	public := middleware.WithSkipper(func(r *http.Request) bool { return r.URL.Path == "/public" })

	t.Run("a skipped request passes, and the checker is not asked", func(t *testing.T) {
		before := c.asked.Load()
		assert.Equal(t, http.StatusTeapot, ask(gate(public), http.MethodGet, "/public").Code)
		assert.Equal(t, before, c.asked.Load())
	})
	t.Run("others do not", func(t *testing.T) {
		assert.Equal(t, http.StatusServiceUnavailable, ask(gate(public), http.MethodGet, "/private").Code)
	})
	t.Run("a skipped request has no account", func(t *testing.T) {
		var next spy
		good := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonVerified), Account: mustAccount(t, accountBody)})
		ask(middleware.NewGate(good, public, middleware.WithAccountInContext()).Wrap(&next), http.MethodGet, "/public")
		_, ok := middleware.AccountFrom(next.r.Context())
		assert.False(t, ok)
	})
	t.Run("nil skips none", func(t *testing.T) {
		assert.Equal(t, http.StatusServiceUnavailable, ask(gate(middleware.WithSkipper(nil)), http.MethodGet, "/public").Code)
	})
}

func TestWithRejectionHandler(t *testing.T) {
	cause := errors.New("401 from the platform")
	c := newChecker(health.State{Name: "orders", Reasons: health.ReasonsOf(health.ReasonRejected), Err: cause, RetryAfter: 1500 * time.Millisecond})

	t.Run("it gets the reason, the name and the cause, and Retry-After and Cache-Control are set", func(t *testing.T) {
		var got *health.Error
		gate := middleware.NewGate(c, middleware.WithRejectionHandler(func(w http.ResponseWriter, _ *http.Request, err *health.Error) {
			got = err
			http.Error(w, "back soon", http.StatusServiceUnavailable)
		}))
		rec := ask(gate.Wrap(&spy{}), http.MethodGet, "/tasks")
		assert.Equal(t, &health.Error{Name: "orders", Reason: health.ReasonRejected, Err: cause}, got)
		require.ErrorIs(t, got, cause)
		assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
		assert.Equal(t, "back soon\n", rec.Body.String())
		assert.Equal(t, http.Header{
			"Content-Type":           {"text/plain; charset=utf-8"},
			"X-Content-Type-Options": {"nosniff"},
			"Cache-Control":          {"no-store"},
			"Retry-After":            {"2"},
		}, rec.Header())
	})
	t.Run("it is not called while the gate is open", func(t *testing.T) {
		gate := middleware.NewGate(because(health.ReasonVerified), middleware.WithRejectionHandler(
			func(http.ResponseWriter, *http.Request, *health.Error) { t.Error("called") }))
		assert.Equal(t, http.StatusTeapot, ask(gate.Wrap(&spy{}), http.MethodGet, "/tasks").Code)
	})
	t.Run("nil is the default answer", func(t *testing.T) {
		rec := ask(middleware.NewGate(c, middleware.WithRejectionHandler(nil)).Wrap(&spy{}), http.MethodGet, "/tasks")
		assert.Equal(t, problemBody, rec.Body.String())
	})
}

func TestGateAdmit(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)

	t.Run("open: the request itself and no rejection", func(t *testing.T) {
		got, rejection := middleware.NewGate(because(health.ReasonStale)).Admit(r)
		assert.Same(t, r, got)
		assert.Nil(t, rejection)
	})
	t.Run("closed: one rejection for all requests under one snapshot", func(t *testing.T) {
		gate := middleware.NewGate(because(health.ReasonRejected))
		got, first := gate.Admit(r)
		_, second := gate.Admit(r)
		assert.Same(t, r, got)
		assert.Same(t, first, second)
		assert.Equal(t, health.ReasonRejected, first.Err().Reason)
	})
}

func TestProblem(t *testing.T) {
	assert.Equal(t, middleware.Problem{
		Type: "about:blank", Title: "Service Unavailable", Status: 503,
		Detail: "The service cannot handle this request at the moment. Try again later.",
	}, middleware.Unavailable())
	assert.Equal(t, "Service Unavailable: The service cannot handle this request at the moment. Try again later.", middleware.Unavailable().String())
}
