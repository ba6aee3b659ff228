package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// healthHeader returns the complete header of an answer without details.
func healthHeader(status health.Status, retryAfter string) http.Header {
	h := http.Header{
		"Content-Type":           {"application/health+json"},
		"Content-Length":         {"17"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
	}
	if status == health.StatusFail {
		h.Set("Retry-After", retryAfter)
	}
	return h
}

// assertHealth asserts the complete answers to GET, OPTIONS and HEAD without details.
func assertHealth(
	t *testing.T, endpoint http.Handler, target string, status health.Status, retryAfter string,
) {
	t.Helper()
	code := http.StatusOK
	if status == health.StatusFail {
		code = http.StatusServiceUnavailable
	}
	bodies := map[string]string{
		http.MethodGet:     `{"status":"` + status.String() + `"}`,
		http.MethodOptions: `{"status":"` + status.String() + `"}`,
		http.MethodHead:    "",
	}
	for method, body := range bodies {
		rec := ask(endpoint, method, target)
		assert.Equal(t, code, rec.Code, method)
		assert.Equal(t, healthHeader(status, retryAfter), rec.Header(), method)
		assert.Equal(t, body, rec.Body.String(), method)
	}
}

func TestHealth(t *testing.T) {
	for _, reason := range reasons() {
		t.Run(reason.String(), func(t *testing.T) {
			assertHealth(t, newHealth(because(reason)), "/", reason.Status(), "7")
		})
	}
	t.Run("ready while unreachable", func(t *testing.T) {
		c := newChecker(health.State{
			Reasons: []health.Reason{health.ReasonUnreachable}, KeepReady: true, VerifiedAt: time.Unix(1, 0),
		})
		assertHealth(t, newHealth(c), "/", health.StatusWarn, "")
	})
	t.Run("low balance that fails", func(t *testing.T) {
		c := newChecker(health.State{Reasons: []health.Reason{health.ReasonInsufficientBalance}})
		assertHealth(t, newHealth(c), "/", health.StatusFail, "1")
	})
	t.Run("draining", func(t *testing.T) {
		c := newChecker(health.State{
			Reasons: []health.Reason{health.ReasonVerified}, Draining: true, RetryAfter: 3 * time.Second,
		})
		rec := ask(newHealth(c), http.MethodGet, "/")
		assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
		assert.Equal(t, `{"status":"fail"}`, rec.Body.String())
		want := healthHeader(health.StatusFail, "3")
		want.Set("X-Envoy-Immediate-Health-Check-Fail", "true")
		assert.Equal(t, want, rec.Header())
	})
	t.Run("follows the checker", func(t *testing.T) {
		c := because(health.ReasonStarting)
		endpoint := newHealth(c)
		assertHealth(t, endpoint, "/", health.StatusFail, "7")
		c.set(health.State{Reasons: []health.Reason{health.ReasonVerified}})
		assertHealth(t, endpoint, "/", health.StatusPass, "")
		c.set(health.State{Reasons: []health.Reason{health.ReasonStale}})
		assertHealth(t, endpoint, "/", health.StatusWarn, "")
		c.set(health.State{Reasons: []health.Reason{health.ReasonUnreachable}, RetryAfter: time.Minute})
		assertHealth(t, endpoint, "/", health.StatusFail, "60")
	})
	t.Run("one snapshot per poll", func(t *testing.T) {
		c := because(health.ReasonVerified)
		endpoint := newHealth(c)
		ask(endpoint, http.MethodGet, "/")
		before := c.calls.Load()
		ask(endpoint, http.MethodGet, "/")
		assert.Equal(t, before+1, c.calls.Load())
	})
	t.Run("header modified by outer middleware", func(t *testing.T) {
		endpoint := newHealth(because(health.ReasonRejected))
		for key := range healthHeader(health.StatusFail, "7") {
			ask(endpoint, http.MethodGet, "/").Header().Add(key, "more")
		}
		assertHealth(t, endpoint, "/", health.StatusFail, "7")
	})
}

func TestMethodNotAllowed(t *testing.T) {
	c := because(health.ReasonVerified)
	endpoints := map[string]http.Handler{
		"health": newHealth(c), "live": newLive(), "startup": newStartup(c),
	}
	methods := []string{
		http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodTrace,
		http.MethodConnect, "PURGE", "get", "",
	}
	for name, endpoint := range endpoints {
		for _, method := range methods {
			t.Run(name+"/"+strconv.Quote(method), func(t *testing.T) {
				rec, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
				r.Method = method
				endpoint.ServeHTTP(rec, r)
				assert.Equal(t, http.StatusMethodNotAllowed, rec.Code)
				assert.Equal(t, http.Header{
					"Content-Type":           {"application/problem+json"},
					"Content-Length":         {"124"},
					"Cache-Control":          {"no-store"},
					"X-Content-Type-Options": {"nosniff"},
					"Allow":                  {"GET, HEAD, OPTIONS"},
				}, rec.Header())
				assert.Equal(t, `{"type":"about:blank","title":"Method Not Allowed","status":405,`+
					`"detail":"A health endpoint answers GET, HEAD and OPTIONS."}`, rec.Body.String())
			})
		}
	}
}

func TestWithCheckers(t *testing.T) {
	pass, warn := because(health.ReasonVerified), because(health.ReasonStale)
	wait := func(reason health.Reason, d time.Duration) *checker {
		return newChecker(health.State{Reasons: []health.Reason{reason}, RetryAfter: d})
	}
	soon := wait(health.ReasonStarting, time.Second)
	later := wait(health.ReasonRejected, 40*time.Second)
	patient := wait(health.ReasonVerified, time.Hour)
	tests := map[string]struct {
		checkers   []*checker
		want       health.Status
		retryAfter string
	}{
		"all pass":                           {[]*checker{pass, pass, pass}, health.StatusPass, ""},
		"one warns":                          {[]*checker{pass, warn, pass}, health.StatusWarn, ""},
		"last fails":                         {[]*checker{pass, warn, soon}, health.StatusFail, "1"},
		"first fails":                        {[]*checker{soon, warn, pass}, health.StatusFail, "1"},
		"longest wait of those that fail":    {[]*checker{soon, later, soon}, health.StatusFail, "40"},
		"wait of those that pass is ignored": {[]*checker{patient, soon, patient}, health.StatusFail, "1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			endpoint := newHealth(tt.checkers[0],
				middleware.WithCheckers(tt.checkers[1]), middleware.WithCheckers(tt.checkers[2]))
			assertHealth(t, endpoint, "/", tt.want, tt.retryAfter)
		})
	}
	t.Run("any changes", func(t *testing.T) {
		first, second := because(health.ReasonVerified), because(health.ReasonVerified)
		endpoint := newHealth(first, middleware.WithCheckers(second))
		assertHealth(t, endpoint, "/", health.StatusPass, "")
		second.set(health.State{Reasons: []health.Reason{health.ReasonStale}})
		assertHealth(t, endpoint, "/", health.StatusWarn, "")
		first.set(health.State{Reasons: []health.Reason{health.ReasonRejected}})
		assertHealth(t, endpoint, "/", health.StatusFail, "1")
	})
	t.Run("any drains", func(t *testing.T) {
		drained := newChecker(health.State{Reasons: []health.Reason{health.ReasonVerified}, Draining: true})
		for _, checkers := range [][2]*checker{{pass, drained}, {drained, pass}} {
			rec := ask(newHealth(checkers[0], middleware.WithCheckers(checkers[1])), http.MethodGet, "/")
			assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
			assert.Equal(t, "true", rec.Header().Get("X-Envoy-Immediate-Health-Check-Fail"))
		}
	})
}

func TestLive(t *testing.T) {
	assertHealth(t, newLive(), "/", health.StatusPass, "")
	assertHealth(t, newLive(), "/?verbose", health.StatusPass, "")
}

func TestStartup(t *testing.T) {
	for _, reason := range reasons() {
		t.Run("before Start/"+reason.String(), func(t *testing.T) {
			assertHealth(t, newStartup(because(reason)), "/", health.StatusFail, "7")
		})
		t.Run("after Start/"+reason.String(), func(t *testing.T) {
			c := newChecker(health.State{Reasons: []health.Reason{reason}, Started: true})
			assertHealth(t, newStartup(c), "/", health.StatusPass, "")
		})
	}
	t.Run("draining after Start", func(t *testing.T) {
		c := newChecker(health.State{
			Reasons: []health.Reason{health.ReasonVerified}, Started: true, Draining: true,
		})
		assertHealth(t, newStartup(c), "/", health.StatusPass, "")
	})
	t.Run("draining before Start", func(t *testing.T) {
		assertHealth(t, newStartup(newChecker(health.State{Draining: true})), "/", health.StatusFail, "1")
	})
	t.Run("several checkers", func(t *testing.T) {
		first, second := newChecker(health.State{Started: true}), newChecker(health.State{})
		endpoint := newStartup(first, second)
		assertHealth(t, endpoint, "/", health.StatusFail, "1")
		second.set(health.State{Started: true})
		assertHealth(t, endpoint, "/", health.StatusPass, "")
	})
}
