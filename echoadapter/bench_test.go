package echoadapter_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/echotest"
)

// statuses has one reason of each status.
var statuses = []health.Reason{health.ReasonVerified, health.ReasonStale, health.ReasonRejected}

func nothing(echo.Context) error { return nil }

// passOn is middleware that does nothing. Echo v4 builds the chain for every request, so any
// middleware costs a closure.
func passOn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error { return next(c) }
}

// quiet returns an Echo whose error handler does nothing, so that a benchmark of a closed gate
// measures the gate.
func quiet() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = func(error, echo.Context) {}
	return e
}

// bareHealth returns a hand-written handler with one constant answer, that for reason.
func bareHealth(reason health.Reason) echo.HandlerFunc {
	rec := httptest.NewRecorder()
	registered(reason).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	status, header, body := rec.Code, rec.Header(), rec.Body.Bytes()
	mediaType, length := header["Content-Type"], header["Content-Length"]
	noStore, noSniff := header["Cache-Control"], header["X-Content-Type-Options"]
	retryAfter := header["Retry-After"]
	return func(c echo.Context) error {
		h := c.Response().Header()
		h["Content-Type"] = mediaType
		h["Content-Length"] = length
		h["Cache-Control"] = noStore
		h["X-Content-Type-Options"] = noSniff
		if retryAfter != nil {
			h["Retry-After"] = retryAfter
		}
		c.Response().WriteHeader(status)
		_, err := c.Response().Write(body)
		return err
	}
}

// bareClosed is middleware that rejects everything with the same error and header as a gate.
func bareClosed(echo.HandlerFunc) echo.HandlerFunc { return refuse }

var (
	retryAfter     = []string{"7"}
	noStore        = []string{"no-store"}
	message    any = "Service Unavailable"
	errRefused     = &health.Error{Reason: health.ReasonRejected}
)

func refuse(c echo.Context) error {
	h := c.Response().Header()
	h["Retry-After"] = retryAfter
	h["Cache-Control"] = noStore
	return &echo.HTTPError{Code: http.StatusServiceUnavailable, Message: message, Internal: errRefused}
}

func gated(h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Echo {
	e := quiet()
	e.GET("/healthz", h, m...)
	return e
}

func registered(reason health.Reason) *echo.Echo {
	e := quiet()
	echoadapter.RegisterHealth(e, echotest.Because(reason))
	return e
}

func serveBench(b *testing.B, h http.Handler) {
	w, r := echotest.NewDiscard(), httptest.NewRequest(http.MethodGet, "/healthz", nil)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.Header())
		h.ServeHTTP(w, r)
	}
}

// callBench measures a handler whose chain is already built, without the router.
func callBench(b *testing.B, h echo.HandlerFunc) {
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/healthz", nil), echotest.NewDiscard())
	b.ReportAllocs()
	for b.Loop() {
		_ = h(c)
	}
}

func BenchmarkGate(b *testing.B) {
	open := echoadapter.Gate(echotest.Because(health.ReasonVerified))
	closed := echoadapter.Gate(echotest.Because(health.ReasonRejected))
	account := echoadapter.GateWithConfig(echoadapter.Config{
		Checker: echotest.Because(health.ReasonVerified), AccountInContext: true,
	})
	b.Run("open/bare", func(b *testing.B) { serveBench(b, gated(nothing)) })
	b.Run("open/bare with middleware", func(b *testing.B) { serveBench(b, gated(nothing, passOn)) })
	b.Run("open/gate", func(b *testing.B) { serveBench(b, gated(nothing, open)) })
	b.Run("open/gate with account", func(b *testing.B) { serveBench(b, gated(nothing, account)) })
	b.Run("open/bare middleware alone", func(b *testing.B) { callBench(b, passOn(nothing)) })
	b.Run("open/gate alone", func(b *testing.B) { callBench(b, open(nothing)) })
	b.Run("closed/bare", func(b *testing.B) { serveBench(b, gated(refuse)) })
	b.Run("closed/bare with middleware", func(b *testing.B) { serveBench(b, gated(nothing, bareClosed)) })
	b.Run("closed/gate", func(b *testing.B) { serveBench(b, gated(nothing, closed)) })
}

func BenchmarkHealth(b *testing.B) {
	for _, reason := range statuses {
		b.Run(reason.Status().String()+"/bare", func(b *testing.B) { serveBench(b, gated(bareHealth(reason))) })
		b.Run(reason.Status().String()+"/health", func(b *testing.B) { serveBench(b, registered(reason)) })
	}
}

func TestAllocations(t *testing.T) {
	// Without Echo's pool of contexts: under the race detector sync.Pool drops items at random.
	allocs := func(e *echo.Echo) float64 {
		w, r := echotest.NewDiscard(), httptest.NewRequest(http.MethodGet, "/healthz", nil)
		c := e.NewContext(r, w)
		return testing.AllocsPerRun(100, func() {
			clear(w.Header())
			c.Reset(r, w)
			e.Router().Find(http.MethodGet, "/healthz", c)
			_ = c.Handler()(c)
		})
	}
	for _, reason := range statuses {
		t.Run("health/"+reason.String(), func(t *testing.T) {
			assert.Zero(t, allocs(registered(reason)))
		})
	}
	t.Run("open gate", func(t *testing.T) {
		gate := echoadapter.Gate(echotest.Because(health.ReasonVerified))
		assert.EqualValues(t, 1, allocs(gated(nothing, passOn)))
		assert.EqualValues(t, 1, allocs(gated(nothing, gate)))
	})
	t.Run("closed gate", func(t *testing.T) {
		gate := echoadapter.Gate(echotest.Because(health.ReasonRejected))
		assert.EqualValues(t, 1, allocs(gated(refuse)))
		assert.EqualValues(t, 2, allocs(gated(nothing, gate)), "the closure and the error")
	})
	t.Run("problem details", func(t *testing.T) {
		gate := echoadapter.GateWithConfig(echoadapter.Config{
			Checker: echotest.Because(health.ReasonRejected), ProblemDetails: true,
		})
		assert.EqualValues(t, 1, allocs(gated(nothing, gate)), "the closure")
	})
	t.Run("account", func(t *testing.T) {
		gate := echoadapter.GateWithConfig(echoadapter.Config{
			Checker: echotest.Because(health.ReasonVerified), AccountInContext: true,
		})
		assert.EqualValues(t, 3, allocs(gated(nothing, gate)), "the closure, the context and the request")
	})
}
