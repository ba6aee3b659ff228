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
	"github.com/tolokacheck/tolokacheck/middleware"
)

// checker is a fake whose snapshot stays the same.
type checker struct{ snapshot *health.Snapshot }

func (c *checker) Snapshot() *health.Snapshot { return c.snapshot }

func because(reason health.Reason) *checker {
	return &checker{health.NewSnapshot(health.State{Reasons: []health.Reason{reason}})}
}

func tasks(c *echo.Context) error { return c.String(http.StatusOK, "tasks") }

// call sends one request through middleware alone, without Echo's error handler.
func call(gate echo.MiddlewareFunc, next echo.HandlerFunc) (*httptest.ResponseRecorder, error) {
	rec := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/tasks", nil), rec)
	return rec, gate(next)(c)
}

func TestGate_error(t *testing.T) {
	gate := echoadapter.Gate(because(health.ReasonRejected))
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
	_, err = call(echoadapter.Gate(because(health.ReasonVerified)),
		func(*echo.Context) error { return want })
	assert.Same(t, want, err)
}

func TestWiringErrors(t *testing.T) {
	const isNil = "the checker is nil; handle the error of health.New first"
	closed := because(health.ReasonRejected)
	both := echoadapter.Config{
		Checker: closed, ProblemDetails: true,
		ErrorHandler: func(*echo.Context, *health.Error) error { return nil },
	}
	mw, err := both.ToMiddleware()
	assert.Nil(t, mw)
	assert.EqualError(t, err, "echoadapter: Config has both ProblemDetails and ErrorHandler: set one of them")

	tests := map[string]struct {
		call func()
		want string
	}{
		"Gate":           {func() { echoadapter.Gate(nil) }, "middleware: NewGate: " + isNil},
		"GateWithConfig": {func() { echoadapter.GateWithConfig(both) }, err.Error()},
		"Health":         {func() { echoadapter.Health(nil) }, "middleware: NewHealth: " + isNil},
		"Startup":        {func() { echoadapter.Startup(nil) }, "middleware: NewStartup: " + isNil},
		"RegisterHealth": {
			func() { echoadapter.RegisterHealth(echo.New(), nil) }, "middleware: Routes: " + isNil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { assert.PanicsWithError(t, tt.want, tt.call) })
	}
}

func TestHandlers(t *testing.T) {
	pass, fail := because(health.ReasonVerified), because(health.ReasonRejected)
	tests := map[string]struct {
		handler echo.HandlerFunc
		want    string
	}{
		"Health":         {echoadapter.Health(fail), `{"status":"fail"}`},
		"Health/several": {echoadapter.Health(pass, middleware.WithCheckers(fail)), `{"status":"fail"}`},
		"Live":           {echoadapter.Live(), `{"status":"pass"}`},
		"Startup":        {echoadapter.Startup(pass), `{"status":"fail"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, rec := echo.New(), httptest.NewRecorder()
			e.GET("/", tt.handler)
			e.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
			assert.Equal(t, tt.want, rec.Body.String())
		})
	}
}

// TestCORS tests that CORS middleware hides the verdict from no load balancer, and answers a
// preflight request before a closed gate does.
func TestCORS(t *testing.T) {
	e := echo.New()
	e.Use(echomw.CORS("https://example.com"))
	echoadapter.RegisterHealth(e, because(health.ReasonRejected))
	e.Any("/tasks", tasks, echoadapter.Gate(because(health.ReasonRejected)))
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

func TestAllocations(t *testing.T) {
	allocs := func(handler echo.HandlerFunc) float64 {
		w, r := &discard{http.Header{}}, httptest.NewRequest(http.MethodGet, "/healthz", nil)
		c := echo.New().NewContext(r, w)
		return testing.AllocsPerRun(100, func() {
			clear(w.header)
			c.Reset(r, w)
			_ = handler(c)
		})
	}
	nothing := func(*echo.Context) error { return nil }
	assert.Zero(t, allocs(echoadapter.Health(because(health.ReasonVerified))))
	assert.Zero(t, allocs(echoadapter.Gate(because(health.ReasonVerified))(nothing)))
	assert.LessOrEqual(t, allocs(echoadapter.Gate(because(health.ReasonRejected))(nothing)), 2.0, "the error")
}

// discard is a ResponseWriter that costs next to nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
