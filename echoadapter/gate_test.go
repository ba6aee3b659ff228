package echoadapter_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// problem is what Echo's default error handler makes of the error.
var problem = response{http.StatusServiceUnavailable, http.Header{
	"Content-Type":   {"application/json"},
	"Content-Length": {"148"},
	"Cache-Control":  {"no-store"},
	"Retry-After":    {"7"},
}, `{"type":"about:blank","title":"Service Unavailable","status":503,` +
	`"detail":"The service cannot handle this request at the moment. Try again later."}` + "\n"}

func tasks(c echo.Context) error { return c.String(http.StatusOK, "tasks") }

// once runs one request through middleware alone, without Echo's error handler.
func once(gate echo.MiddlewareFunc, next echo.HandlerFunc) (*httptest.ResponseRecorder, error) {
	rec := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/tasks", nil), rec)
	return rec, gate(next)(c)
}

func TestGate(t *testing.T) {
	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		t.Run("over TCP, "+reason.String(), func(t *testing.T) {
			e := echo.New()
			e.Any("/route", tasks, echoadapter.Gate(because(reason)))
			e.Group("/group", echoadapter.Gate(because(reason))).Any("", tasks)
			server := serve(t, e)
			for _, path := range []string{"/route", "/group"} {
				for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
					got := ask(t, server, method, path)
					if reason.Status() == health.StatusFail {
						assert.Equal(t, problem, got, method+" "+path)
					} else {
						assert.Equal(t, "tasks", got.body, method+" "+path)
					}
				}
				if reason.Status() == health.StatusFail {
					got := ask(t, server, http.MethodHead, path)
					assert.Equal(t, http.StatusServiceUnavailable, got.status)
					assert.Equal(t, "7", got.header.Get("Retry-After"))
					assert.Empty(t, got.body)
				}
			}
		})
	}

	t.Run("the error is an HTTPError at the top level, and holds the health.Error", func(t *testing.T) {
		rec, err := once(echoadapter.Gate(because(health.ReasonRejected)), tasks)
		httpError, ok := err.(*echo.HTTPError) //nolint:errorlint // as Echo's default handler does it
		require.True(t, ok)
		assert.Equal(t, http.StatusServiceUnavailable, httpError.Code)
		assert.Equal(t, middleware.Unavailable(), httpError.Message)
		var cause *health.Error
		require.ErrorAs(t, err, &cause)
		assert.Equal(t, health.ReasonRejected, cause.Reason)
		assert.Equal(t, http.Header{"Retry-After": {"7"}, "Cache-Control": {"no-store"}}, rec.Header())
		assert.Empty(t, rec.Body.String(), "the gate itself writes nothing")
		assert.Equal(t, "code=503, message=Service Unavailable: The service cannot handle this request at the moment. Try again later., "+
			"internal="+cause.Error(), err.Error())
	})
	t.Run("each rejection has an error of its own", func(t *testing.T) {
		gate := echoadapter.Gate(because(health.ReasonRejected))
		_, first := once(gate, tasks)
		_, second := once(gate, tasks)
		assert.NotSame(t, first, second)
		var httpError *echo.HTTPError
		require.ErrorAs(t, first, &httpError)
		httpError.SetInternal(errors.New("changed by middleware further out")).Message = "changed"
		_, third := once(gate, tasks)
		assert.Equal(t, second, third)
	})
	t.Run("the service's own error handler decides about the body", func(t *testing.T) {
		e := echo.New()
		e.HTTPErrorHandler = func(err error, c echo.Context) {
			var cause *health.Error
			if errors.As(err, &cause) {
				_ = c.String(http.StatusServiceUnavailable, "back soon")
			}
		}
		e.GET("/tasks", tasks, echoadapter.Gate(because(health.ReasonStarting)))
		assert.Equal(t, response{http.StatusServiceUnavailable, http.Header{
			"Content-Type": {"text/plain; charset=UTF-8"}, "Content-Length": {"9"}, "Cache-Control": {"no-store"}, "Retry-After": {"7"},
		}, "back soon"}, ask(t, serve(t, e), http.MethodGet, "/tasks"))
	})
	t.Run("with Debug on, the reason still does not get out", func(t *testing.T) {
		e := echo.New()
		e.Debug = true
		e.GET("/tasks", tasks, echoadapter.Gate(because(health.ReasonRejected)))
		got := ask(t, serve(t, e), http.MethodGet, "/tasks")
		assert.JSONEq(t, problem.body, got.body)
	})
	t.Run("before the router, as Pre", func(t *testing.T) {
		e := echo.New()
		e.Pre(echoadapter.Gate(because(health.ReasonRejected)))
		e.GET("/tasks", tasks)
		assert.Equal(t, problem, ask(t, serve(t, e), http.MethodGet, "/tasks"))
	})
	t.Run("an error of the handler is handed on as it is", func(t *testing.T) {
		want := errors.New("of the handler")
		_, err := once(echoadapter.Gate(because(health.ReasonVerified)), func(echo.Context) error { return want })
		assert.Same(t, want, err)
	})
}

func TestGateWithConfig(t *testing.T) {
	t.Run("a skipped request passes", func(t *testing.T) {
		e := echo.New()
		e.Use(echoadapter.GateWithConfig(echoadapter.Config{
			Checker: because(health.ReasonRejected),
			Skipper: func(c echo.Context) bool { return c.Path() == "/public" },
		}))
		e.GET("/public", tasks)
		e.GET("/private", tasks)
		server := serve(t, e)
		assert.Equal(t, "tasks", ask(t, server, http.MethodGet, "/public").body)
		assert.Equal(t, problem, ask(t, server, http.MethodGet, "/private"))
	})
	t.Run("the error handler makes the error", func(t *testing.T) {
		var got *health.Error
		want := errors.New("of the service")
		rec, err := once(echoadapter.GateWithConfig(echoadapter.Config{
			Checker: because(health.ReasonRejected),
			ErrorHandler: func(_ echo.Context, err *health.Error) error {
				got = err
				return want
			},
		}), tasks)
		assert.Same(t, want, err)
		assert.Equal(t, health.ReasonRejected, got.Reason)
		assert.Equal(t, http.Header{"Retry-After": {"7"}, "Cache-Control": {"no-store"}}, rec.Header())
	})
	t.Run("the error handler may write the answer itself", func(t *testing.T) {
		e := echo.New()
		e.GET("/tasks", tasks, echoadapter.GateWithConfig(echoadapter.Config{
			Checker:      because(health.ReasonRejected),
			ErrorHandler: func(c echo.Context, _ *health.Error) error { return c.NoContent(http.StatusServiceUnavailable) },
		}))
		got := ask(t, serve(t, e), http.MethodGet, "/tasks")
		assert.Equal(t, http.StatusServiceUnavailable, got.status)
		assert.Equal(t, "7", got.header.Get("Retry-After"))
		assert.Empty(t, got.body)
	})
	t.Run("without a checker it panics when it is made", func(t *testing.T) {
		assert.PanicsWithValue(t, "middleware: nil checker: look at the error of health.New before the checker is used",
			func() { echoadapter.GateWithConfig(echoadapter.Config{}) })
	})
}

func TestAccount(t *testing.T) {
	c := because(health.ReasonVerified)
	gate := func(in bool) echo.MiddlewareFunc {
		return echoadapter.GateWithConfig(echoadapter.Config{Checker: c, AccountInContext: in})
	}
	t.Run("behind a gate that was asked to, handlers find it, in Echo's context and in the request's", func(t *testing.T) {
		called := false
		_, err := once(gate(true), func(ec echo.Context) error {
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
	t.Run("by default it is not there, and the request is the same one", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		ec := echo.New().NewContext(r, httptest.NewRecorder())
		require.NoError(t, gate(false)(func(ec echo.Context) error {
			_, ok := echoadapter.Account(ec)
			assert.False(t, ok)
			assert.Same(t, r, ec.Request())
			return nil
		})(ec))
	})
}
