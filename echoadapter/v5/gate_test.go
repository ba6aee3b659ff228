package echoadapter_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	echoadapter "github.com/tolokacheck/tolokacheck/echoadapter/v5"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/echotest"
)

func tasks(c *echo.Context) error { return c.String(http.StatusOK, "tasks") }

// call sends one request through middleware alone, without Echo's error handler.
func call(gate echo.MiddlewareFunc, next echo.HandlerFunc) (*httptest.ResponseRecorder, error) {
	rec := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/tasks", nil), rec)
	return rec, gate(next)(c)
}

func TestGate_error(t *testing.T) {
	gate := echoadapter.Gate(echotest.Because(health.ReasonRejected))
	rec, err := call(gate, tasks)
	var httpError *echo.HTTPError
	require.ErrorAs(t, err, &httpError)
	assert.Equal(t, http.StatusServiceUnavailable, httpError.StatusCode())
	assert.Equal(t, "Service Unavailable", httpError.Message)
	var cause *health.Error
	require.ErrorAs(t, err, &cause)
	assert.Equal(t, health.ReasonRejected, cause.Reason)
	assert.EqualError(t, err, "code=503, message=Service Unavailable, err="+cause.Error())
	assert.Empty(t, rec.Body.String(), "the gate itself writes nothing")

	httpError.Message = "modified by middleware"
	_, second := call(gate, tasks)
	require.ErrorAs(t, second, &httpError)
	assert.Equal(t, "Service Unavailable", httpError.Message, "a new error for each rejection")

	want := errors.New("of the handler")
	_, err = call(echoadapter.Gate(echotest.Because(health.ReasonVerified)),
		func(*echo.Context) error { return want })
	assert.Same(t, want, err)
}

func TestWiringErrors(t *testing.T) {
	const isNil = "the checker is nil; handle the error of health.New first"
	none := echoadapter.Config{}
	tests := map[string]struct {
		call func()
		want string
	}{
		"Gate":           {func() { echoadapter.Gate(nil) }, "middleware: NewGate: " + isNil},
		"GateWithConfig": {func() { echoadapter.GateWithConfig(none) }, "middleware: NewGate: " + isNil},
		"RegisterHealth": {
			func() { echoadapter.RegisterHealth(echo.New(), nil) }, "middleware: Routes: " + isNil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { assert.PanicsWithError(t, tt.want, tt.call) })
	}
}

// TestCORS tests that CORS middleware hides the verdict from no load balancer, and answers a
// preflight request before a closed gate does.
func TestCORS(t *testing.T) {
	e := echo.New()
	e.Use(echomw.CORS("https://example.com"))
	echoadapter.RegisterHealth(e, echotest.Because(health.ReasonRejected))
	e.Any("/tasks", tasks, echoadapter.Gate(echotest.Because(health.ReasonRejected)))
	options := func(path, origin string) int {
		r, rec := httptest.NewRequest(http.MethodOptions, path, nil), httptest.NewRecorder()
		if origin != "" {
			r.Header.Set("Origin", origin)
			r.Header.Set("Access-Control-Request-Method", http.MethodGet)
		}
		e.ServeHTTP(rec, r)
		return rec.Code
	}
	assert.Equal(t, http.StatusServiceUnavailable, options("/healthz", ""))
	assert.Equal(t, http.StatusNoContent, options("/tasks", "https://example.com"))
}

// router records what is registered.
type router map[string]echo.HandlerFunc

func (r router) Add(method, path string, h echo.HandlerFunc, _ ...echo.MiddlewareFunc) echo.RouteInfo {
	r[method+" "+path] = h
	return echo.RouteInfo{}
}

func TestAllocations(t *testing.T) {
	allocs := func(handler echo.HandlerFunc) float64 {
		w, r := echotest.NewDiscard(), httptest.NewRequest(http.MethodGet, "/healthz", nil)
		c := echo.New().NewContext(r, w)
		return testing.AllocsPerRun(100, func() {
			clear(w.Header())
			c.Reset(r, w)
			_ = handler(c)
		})
	}
	nothing := func(*echo.Context) error { return nil }
	routes := router{}
	echoadapter.RegisterHealth(routes, echotest.Because(health.ReasonVerified))
	assert.Zero(t, allocs(routes["GET /healthz"]))
	assert.Zero(t, allocs(echoadapter.Gate(echotest.Because(health.ReasonVerified))(nothing)))
	closed := echoadapter.Gate(echotest.Because(health.ReasonRejected))
	assert.LessOrEqual(t, allocs(closed(nothing)), 2.0, "the error")
}
