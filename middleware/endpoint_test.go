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

// healthHeader is the whole header of an answer without details. All three bodies have the same length.
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

// assertHealth asserts everything about an answer without details: to GET and OPTIONS with the body, to HEAD without.
func assertHealth(t *testing.T, endpoint http.Handler, target string, status health.Status, retryAfter string) {
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
	constructors := map[string]func(middleware.Snapshotter, ...middleware.HealthOption) *middleware.Endpoint{
		"health": middleware.NewHealth,
		"ready":  middleware.NewReady,
	}
	for name, constructor := range constructors {
		for _, reason := range reasons() {
			t.Run(name+" answers "+reason.Status().String()+" for "+reason.String(), func(t *testing.T) {
				assertHealth(t, constructor(because(reason)), "/", reason.Status(), "7")
			})
		}
		t.Run(name+" follows the readiness: a bridged outage is warn", func(t *testing.T) {
			c := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonUnreachable), Lenient: true, VerifiedAt: time.Unix(1, 0)})
			assertHealth(t, constructor(c), "/", health.StatusWarn, "")
		})
		t.Run(name+" fails for a low balance that shall fail", func(t *testing.T) {
			c := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonLowBalance), LowBalanceFails: true})
			assertHealth(t, constructor(c), "/", health.StatusFail, "1")
		})
		t.Run(name+" tells Envoy to take a draining host out at once", func(t *testing.T) {
			c := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonVerified), Draining: true, RetryAfter: 3 * time.Second})
			rec := ask(constructor(c), http.MethodGet, "/")
			assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
			assert.Equal(t, `{"status":"fail"}`, rec.Body.String())
			want := healthHeader(health.StatusFail, "3")
			want.Set("X-Envoy-Immediate-Health-Check-Fail", "true")
			assert.Equal(t, want, rec.Header())
		})
	}

	t.Run("the answer follows the checker from poll to poll", func(t *testing.T) {
		c := because(health.ReasonStarting)
		endpoint := middleware.NewHealth(c)
		assertHealth(t, endpoint, "/", health.StatusFail, "7")
		c.set(health.State{Reasons: health.ReasonsOf(health.ReasonVerified)})
		assertHealth(t, endpoint, "/", health.StatusPass, "")
		c.set(health.State{Reasons: health.ReasonsOf(health.ReasonStale)})
		assertHealth(t, endpoint, "/", health.StatusWarn, "")
		c.set(health.State{Reasons: health.ReasonsOf(health.ReasonUnreachable), RetryAfter: time.Minute})
		assertHealth(t, endpoint, "/", health.StatusFail, "60")
	})
	t.Run("a poll reads one snapshot once the answer is rendered", func(t *testing.T) {
		c := because(health.ReasonVerified)
		endpoint := middleware.NewHealth(c)
		ask(endpoint, http.MethodGet, "/")
		before := c.asked.Load()
		ask(endpoint, http.MethodGet, "/")
		assert.Equal(t, before+1, c.asked.Load())
	})
	t.Run("a header that is added to outside does not show in other answers", func(t *testing.T) {
		endpoint := middleware.NewHealth(because(health.ReasonRejected))
		for key := range healthHeader(health.StatusFail, "7") {
			ask(endpoint, http.MethodGet, "/").Header().Add(key, "more")
		}
		assertHealth(t, endpoint, "/", health.StatusFail, "7")
	})
}

func TestMethodNotAllowed(t *testing.T) {
	c := because(health.ReasonVerified)
	endpoints := map[string]*middleware.Endpoint{
		"health": middleware.NewHealth(c), "ready": middleware.NewReady(c), "live": middleware.NewLive(), "startup": middleware.NewStartup(c),
	}
	for name, endpoint := range endpoints {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodTrace, http.MethodConnect, "PURGE", "get", ""} {
			t.Run(name+" refuses the method "+strconv.Quote(method), func(t *testing.T) {
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
	soon := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonStarting), RetryAfter: time.Second})
	later := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonRejected), RetryAfter: 40 * time.Second})
	patient := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonVerified), RetryAfter: time.Hour})
	tests := map[string]struct {
		checkers   []*checker
		want       health.Status
		retryAfter string
	}{
		"all pass":                             {[]*checker{pass, pass, pass}, health.StatusPass, ""},
		"one warning is warn":                  {[]*checker{pass, warn, pass}, health.StatusWarn, ""},
		"one failure is fail":                  {[]*checker{pass, warn, soon}, health.StatusFail, "1"},
		"a failure that comes first is fail":   {[]*checker{soon, warn, pass}, health.StatusFail, "1"},
		"the longest wait of those that fail":  {[]*checker{soon, later, soon}, health.StatusFail, "40"},
		"the wait of those that do not is not": {[]*checker{patient, soon, patient}, health.StatusFail, "1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			endpoint := middleware.NewHealth(tt.checkers[0], middleware.WithCheckers(tt.checkers[1]), middleware.WithCheckers(tt.checkers[2]))
			assertHealth(t, endpoint, "/", tt.want, tt.retryAfter)
		})
	}
	t.Run("a change of any of them is seen", func(t *testing.T) {
		first, second := because(health.ReasonVerified), because(health.ReasonVerified)
		endpoint := middleware.NewHealth(first, middleware.WithCheckers(second))
		assertHealth(t, endpoint, "/", health.StatusPass, "")
		second.set(health.State{Reasons: health.ReasonsOf(health.ReasonStale)})
		assertHealth(t, endpoint, "/", health.StatusWarn, "")
		first.set(health.State{Reasons: health.ReasonsOf(health.ReasonRejected)})
		assertHealth(t, endpoint, "/", health.StatusFail, "1")
	})
	t.Run("one that drains takes the whole service out", func(t *testing.T) {
		drained := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonVerified), Draining: true})
		for _, checkers := range [][2]*checker{{pass, drained}, {drained, pass}} {
			rec := ask(middleware.NewHealth(checkers[0], middleware.WithCheckers(checkers[1])), http.MethodGet, "/")
			assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
			assert.Equal(t, "true", rec.Header().Get("X-Envoy-Immediate-Health-Check-Fail"))
		}
	})
}

func TestLive(t *testing.T) {
	assertHealth(t, middleware.NewLive(), "/", health.StatusPass, "")
	assertHealth(t, middleware.NewLive(), "/?verbose", health.StatusPass, "")
}

func TestStartup(t *testing.T) {
	for _, reason := range reasons() {
		t.Run("before Start is done it fails, though the verdict be "+reason.String(), func(t *testing.T) {
			assertHealth(t, middleware.NewStartup(because(reason)), "/", health.StatusFail, "7")
		})
		t.Run("once Start is done it passes, though the verdict be "+reason.String(), func(t *testing.T) {
			c := newChecker(health.State{Reasons: health.ReasonsOf(reason), Started: true})
			assertHealth(t, middleware.NewStartup(c), "/", health.StatusPass, "")
		})
	}
	t.Run("draining does not take it back", func(t *testing.T) {
		c := newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonVerified), Started: true, Draining: true})
		assertHealth(t, middleware.NewStartup(c), "/", health.StatusPass, "")
	})
	t.Run("draining before Start is done tells Envoy nothing here", func(t *testing.T) {
		assertHealth(t, middleware.NewStartup(newChecker(health.State{Draining: true})), "/", health.StatusFail, "1")
	})
	t.Run("it waits for every checker", func(t *testing.T) {
		first, second := newChecker(health.State{Started: true}), newChecker(health.State{})
		endpoint := middleware.NewStartup(first, second)
		assertHealth(t, endpoint, "/", health.StatusFail, "1")
		second.set(health.State{Started: true})
		assertHealth(t, endpoint, "/", health.StatusPass, "")
	})
}
