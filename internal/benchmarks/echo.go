package benchmarks

import (
	"context"
	"crypto/subtle"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"

	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
)

// Passthrough is the name of Echo middleware that does nothing. Echo v4 builds the chain of
// middleware for every request, which costs one allocation.
const Passthrough = "passthrough"

// OursOnce is the name of this library's gate if it is wrapped around the handler when the route is
// made, and not for every request: e.GET(path, gate(handler)).
const OursOnce = "tolokacheck-once"

// EchoHealthz is [Healthz] for Echo, without the peers, which have no adapters for it.
func EchoHealthz(status health.Status) ([]Subject, error) {
	checker, err := NewChecker(status)
	if err != nil {
		return nil, err
	}
	ours := newEcho()
	echoadapter.RegisterHealth(ours, checker)
	return []Subject{
		bare(routed(bareEchoAnswer(ours))),
		{Name: Ours, Handler: ours, Close: closer(checker)},
	}, nil
}

// EchoGates returns gates for Echo in one state.
func EchoGates(state GateState) ([]Subject, error) {
	checker, err := state.checker()
	if err != nil {
		return nil, err
	}
	gate := echoadapter.GateWithConfig(echoadapter.Config{
		Checker:          checker,
		AccountInContext: state == OpenWithAccount,
	})
	ours := routed(echoPassed, gate)
	bareHandler := bareEchoGate(state, checker, ours)
	return []Subject{
		bare(routed(bareHandler)),
		{Name: Passthrough, Handler: routed(bareHandler, passthrough), Close: nothing},
		{Name: Ours, Handler: ours, Close: closer(checker)},
		{Name: OursOnce, Handler: routed(gate(echoPassed)), Close: nothing},
		{Name: "keyauth", Handler: routed(echoPassed, keyAuth(state)), Close: nothing},
	}, nil
}

// newEcho returns an Echo whose error handler does nothing: that of a service is not measured.
func newEcho() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = func(error, echo.Context) {}
	return e
}

func routed(h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Echo {
	e := newEcho()
	e.GET("/healthz", h, m...)
	return e
}

func echoPassed(echo.Context) error { return nil }

func passthrough(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error { return next(c) }
}

// bareEchoAnswer is [BareAnswer] for Echo.
func bareEchoAnswer(h http.Handler) echo.HandlerFunc {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
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

// bareEchoGate is a gate whose verdict is known in advance. Closed, it does what the library's gate
// promises: a new error for every request, and two headers.
func bareEchoGate(state GateState, checker *health.Checker, ours http.Handler) echo.HandlerFunc {
	switch state {
	case OpenWithAccount:
		account, _ := checker.Snapshot().Account()
		return func(c echo.Context) error {
			c.Set("account", account)
			return echoPassed(c)
		}
	case Closed:
		rec := httptest.NewRecorder()
		ours.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		retryAfter, noStore := rec.Header()["Retry-After"], rec.Header()["Cache-Control"]
		var message any = http.StatusText(http.StatusServiceUnavailable)
		verdict := checker.Check(context.Background())
		return func(c echo.Context) error {
			h := c.Response().Header()
			h["Retry-After"] = retryAfter
			h["Cache-Control"] = noStore
			return &echo.HTTPError{
				Code: http.StatusServiceUnavailable, Message: message, Internal: verdict,
			}
		}
	default:
		return echoPassed
	}
}

// keyAuth compares with one key in constant time.
func keyAuth(state GateState) echo.MiddlewareFunc {
	good, caller := []byte(goodKey), &struct{ name string }{"Jack Smith"}
	return echomw.KeyAuth(func(key string, c echo.Context) (bool, error) {
		ok := subtle.ConstantTimeCompare([]byte(key), good) == 1
		if ok && state == OpenWithAccount {
			c.Set("account", caller)
		}
		return ok, nil
	})
}
