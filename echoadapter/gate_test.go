package echoadapter_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/echotest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func tasks(c echo.Context) error { return c.String(http.StatusOK, "tasks") }

// call sends one request through middleware alone, without Echo's error handler.
func call(gate echo.MiddlewareFunc, next echo.HandlerFunc) (*httptest.ResponseRecorder, error) {
	rec := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/tasks", nil), rec)
	return rec, gate(next)(c)
}

func TestGate(t *testing.T) {
	t.Run("Pre", func(t *testing.T) {
		e := echo.New()
		e.Pre(echoadapter.Gate(echotest.Because(health.ReasonRejected)))
		e.GET("/tasks", tasks)
		assert.Equal(t, echotest.Rejected(), echotest.Ask(t, echotest.Serve(t, e), http.MethodGet, "/tasks"))
	})
	t.Run("error of the handler", func(t *testing.T) {
		want := errors.New("of the handler")
		_, err := call(echoadapter.Gate(echotest.Because(health.ReasonVerified)),
			func(echo.Context) error { return want })
		assert.Same(t, want, err)
	})
}

func TestGate_error(t *testing.T) {
	t.Run("HTTPError", func(t *testing.T) {
		rec, err := call(echoadapter.Gate(echotest.Because(health.ReasonRejected)), tasks)
		httpError, ok := err.(*echo.HTTPError) // as Echo's default handler does
		require.True(t, ok)
		assert.Equal(t, http.StatusServiceUnavailable, httpError.Code)
		assert.Equal(t, "Service Unavailable", httpError.Message.(string))
		var cause *health.Error
		require.ErrorAs(t, err, &cause)
		assert.Equal(t, health.ReasonRejected, cause.Reason)
		assert.Same(t, cause, httpError.Internal)
		assert.Equal(t, http.Header{"Retry-After": {"7"}, "Cache-Control": {"no-store"}}, rec.Header())
		assert.Empty(t, rec.Body.String(), "the gate itself writes nothing")
		assert.EqualError(t, err, "code=503, message=Service Unavailable, internal="+cause.Error())
	})
	t.Run("one per rejection", func(t *testing.T) {
		gate := echoadapter.Gate(echotest.Because(health.ReasonRejected))
		_, first := call(gate, tasks)
		_, second := call(gate, tasks)
		assert.NotSame(t, first, second)
		var httpError *echo.HTTPError
		require.ErrorAs(t, first, &httpError)
		httpError.SetInternal(errors.New("changed by middleware")).Message = "changed"
		_, third := call(gate, tasks)
		assert.Equal(t, second, third)
	})
	t.Run("own error handler", func(t *testing.T) {
		e := echo.New()
		e.HTTPErrorHandler = func(err error, c echo.Context) {
			var cause *health.Error
			if errors.As(err, &cause) {
				_ = c.String(http.StatusServiceUnavailable, "back soon")
			}
		}
		e.GET("/tasks", tasks, echoadapter.Gate(echotest.Because(health.ReasonStarting)))
		want := echotest.Response{
			Status: http.StatusServiceUnavailable,
			Header: http.Header{
				"Content-Type":   {"text/plain; charset=UTF-8"},
				"Content-Length": {"9"},
				"Cache-Control":  {"no-store"},
				"Retry-After":    {"7"},
			},
			Body: "back soon",
		}
		assert.Equal(t, want, echotest.Ask(t, echotest.Serve(t, e), http.MethodGet, "/tasks"))
	})
}

func TestConfig(t *testing.T) {
	closed := echotest.Because(health.ReasonRejected)

	t.Run("ProblemDetails", func(t *testing.T) {
		e := echo.New()
		e.Debug = true
		e.HTTPErrorHandler = func(err error, _ echo.Context) { t.Error("called with", err) }
		var logged int
		e.Use(echomw.RequestLoggerWithConfig(echomw.RequestLoggerConfig{
			LogStatus: true,
			LogValuesFunc: func(_ echo.Context, v echomw.RequestLoggerValues) error {
				logged = v.Status
				return nil
			},
		}))
		e.Any("/tasks", tasks, echoadapter.GateWithConfig(echoadapter.Config{
			Checker: closed, ProblemDetails: true,
		}))
		server := echotest.Serve(t, e)
		want := echotest.Problem()
		assert.Equal(t, want, echotest.Ask(t, server, http.MethodPost, "/tasks"))
		want.Body = ""
		assert.Equal(t, want, echotest.Ask(t, server, http.MethodHead, "/tasks"))
		server.Close() // waits for the logger
		assert.Equal(t, http.StatusServiceUnavailable, logged)
	})
}

func TestWiringPanics(t *testing.T) {
	const isNil = "the checker is nil; handle the error of health.New first"
	const newGate, routes = "middleware: NewGate: ", "middleware: Routes: "
	good, none := echotest.Because(health.ReasonVerified), echoadapter.Config{}
	e := echo.New()
	tests := map[string]struct {
		call func()
		want string
	}{
		"Gate/nil checker":           {func() { echoadapter.Gate(nil) }, newGate + isNil},
		"GateWithConfig/nil checker": {func() { echoadapter.GateWithConfig(none) }, newGate + isNil},
		"RegisterHealth/nil option":  {func() { echoadapter.RegisterHealth(e, good, nil) }, routes + "nil option"},
		"RegisterHealth/nil checker": {func() { echoadapter.RegisterHealth(e, nil) }, routes + isNil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { assert.PanicsWithError(t, tt.want, tt.call) })
	}
}

// TestGate_unknownPaths shows what a closed gate on a group does with paths that have no route.
func TestGate_unknownPaths(t *testing.T) {
	gate := echoadapter.Gate(echotest.Because(health.ReasonRejected))
	const closed = http.StatusServiceUnavailable
	const notFound, notAllowed = http.StatusNotFound, http.StatusMethodNotAllowed
	tests := map[string]struct {
		wire func(e *echo.Echo)
		// unknown and method are the statuses of GET /unknown and POST /api/tasks.
		unknown, method int
	}{
		"route": {func(e *echo.Echo) {
			e.GET("/api/tasks", tasks, gate)
		}, notFound, notAllowed},
		"group with prefix": {func(e *echo.Echo) {
			e.Group("/api", gate).GET("/tasks", tasks)
		}, notFound, closed},
		"group without prefix": {func(e *echo.Echo) {
			e.Group("", gate).GET("/api/tasks", tasks)
		}, closed, closed},
		"group without prefix, RouteNotFound": {func(e *echo.Echo) {
			e.Group("", gate).GET("/api/tasks", tasks)
			e.RouteNotFound("/*", echo.NotFoundHandler)
		}, notFound, notFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := echo.New()
			tt.wire(e)
			server := echotest.Serve(t, e)
			assert.Equal(t, closed, echotest.Ask(t, server, http.MethodGet, "/api/tasks").Status)
			assert.Equal(t, tt.unknown, echotest.Ask(t, server, http.MethodGet, "/unknown").Status)
			assert.Equal(t, tt.method, echotest.Ask(t, server, http.MethodPost, "/api/tasks").Status)
		})
	}
}

func TestAccount(t *testing.T) {
	c := echotest.Because(health.ReasonVerified)
	gate := func(in bool) echo.MiddlewareFunc {
		return echoadapter.GateWithConfig(echoadapter.Config{Checker: c, AccountInContext: in})
	}
	t.Run("AccountInContext", func(t *testing.T) {
		called := false
		_, err := call(gate(true), func(ec echo.Context) error {
			called = true
			account, ok := echoadapter.Account(ec)
			require.True(t, ok)
			assert.Equal(t, "566ec2b0ff0deeaae5f9d500629de162", account.ID())
			same, ok := middleware.AccountOf(ec.Request().Context(), c)
			assert.True(t, ok)
			assert.Same(t, account, same)
			return nil
		})
		require.NoError(t, err)
		assert.True(t, called)
	})
	t.Run("default", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		ec := echo.New().NewContext(r, httptest.NewRecorder())
		require.NoError(t, gate(false)(func(ec echo.Context) error {
			_, ok := echoadapter.Account(ec)
			assert.False(t, ok)
			assert.Same(t, r, ec.Request())
			return nil
		})(ec))
	})
	// net/http's server removes the files of a multipart form that it finds on the original
	// request.
	t.Run("form handed back", func(t *testing.T) {
		for _, panics := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("color=red"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			e := echo.New()
			e.Use(echomw.RecoverWithConfig(echomw.RecoverConfig{DisablePrintStack: true}))
			e.POST("/", func(ec echo.Context) error {
				assert.Equal(t, "red", ec.FormValue("color"))
				if panics {
					panic(http.ErrAbortHandler.Error())
				}
				return nil
			}, gate(true))
			e.ServeHTTP(httptest.NewRecorder(), r)
			assert.Equal(t, url.Values{"color": {"red"}}, r.PostForm)
		}
	})
}
