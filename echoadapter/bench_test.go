package echoadapter_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// discard is a ResponseWriter that costs as little as one can, so that a benchmark shows the handler.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// statuses has one reason of each.
var statuses = []health.Reason{health.ReasonVerified, health.ReasonStale, health.ReasonRejected}

func nothing(echo.Context) error { return nil }

// passOn is middleware that does nothing: Echo v4 builds the chain for every request, which costs a closure whatever the
// middleware does.
func passOn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error { return next(c) }
}

// quiet returns an Echo whose error handler does nothing, so that a benchmark of a closed gate shows the gate.
func quiet() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = func(error, echo.Context) {}
	return e
}

// bareHealth returns what one would write by hand for one constant answer, as reason gives it.
func bareHealth(reason health.Reason) echo.HandlerFunc {
	rec := httptest.NewRecorder()
	middleware.NewHealth(because(reason)).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	status, header, body := rec.Code, rec.Header(), rec.Body.Bytes()
	mediaType, length := header["Content-Type"], header["Content-Length"]
	noStore, noSniff, retryAfter := header["Cache-Control"], header["X-Content-Type-Options"], header["Retry-After"]
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

// bareClosed is middleware that turns everything away with the same error and header as a gate.
func bareClosed(echo.HandlerFunc) echo.HandlerFunc { return refuse }

var (
	retryAfter     = []string{"7"}
	noStore        = []string{"no-store"}
	message    any = middleware.Unavailable()
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
	echoadapter.RegisterHealth(e, because(reason))
	return e
}

func serveBench(b *testing.B, h http.Handler) {
	w, r := &discard{http.Header{}}, httptest.NewRequest(http.MethodGet, "/healthz", nil)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

// callBench calls a handler whose chain is built already, without router and allocator.
func callBench(b *testing.B, h echo.HandlerFunc) {
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/healthz", nil), &discard{http.Header{}})
	b.ReportAllocs()
	for b.Loop() {
		_ = h(c)
	}
}

func BenchmarkGate(b *testing.B) {
	open, closed := echoadapter.Gate(because(health.ReasonVerified)), echoadapter.Gate(because(health.ReasonRejected))
	account := echoadapter.GateWithConfig(echoadapter.Config{Checker: because(health.ReasonVerified), AccountInContext: true})
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
	// Without Echo's pool of contexts, which under the race detector loses some on purpose.
	allocs := func(e *echo.Echo) float64 {
		w, r := &discard{http.Header{}}, httptest.NewRequest(http.MethodGet, "/healthz", nil)
		c := e.NewContext(r, w)
		return testing.AllocsPerRun(100, func() {
			clear(w.header)
			c.Reset(r, w)
			e.Router().Find(http.MethodGet, "/healthz", c)
			_ = c.Handler()(c)
		})
	}
	for _, reason := range statuses {
		t.Run("health under "+reason.String()+" allocates nothing", func(t *testing.T) {
			assert.Zero(t, allocs(registered(reason)))
		})
	}
	t.Run("the open gate allocates no more than middleware that does nothing: the closure that Echo makes per request", func(t *testing.T) {
		gate := echoadapter.Gate(because(health.ReasonVerified))
		assert.EqualValues(t, 1, allocs(gated(nothing, passOn)))
		assert.EqualValues(t, 1, allocs(gated(nothing, gate)))
	})
	t.Run("the closed gate allocates that closure and its error", func(t *testing.T) {
		gate := echoadapter.Gate(because(health.ReasonRejected))
		assert.EqualValues(t, 1, allocs(gated(refuse)))
		assert.EqualValues(t, 2, allocs(gated(nothing, gate)))
	})
	t.Run("the account costs the two more that net/http forces", func(t *testing.T) {
		gate := echoadapter.GateWithConfig(echoadapter.Config{Checker: because(health.ReasonVerified), AccountInContext: true})
		assert.EqualValues(t, 3, allocs(gated(nothing, gate)))
	})
}
