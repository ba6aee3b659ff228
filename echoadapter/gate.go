package echoadapter

import (
	"net/http"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/requestcopy"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// Config configures [GateWithConfig].
type Config struct {
	// Skipper lets the requests for which it returns true through without a check. They have no
	// account in their context. Nil: no request is skipped.
	Skipper echomw.Skipper
	// Checker provides the verdict. Required.
	Checker middleware.Snapshotter
	// AccountInContext makes the verified account available to handlers by [Account]. False by
	// default, because it costs two allocations per request; checker.Snapshot().Account() costs
	// none.
	AccountInContext bool
	// ProblemDetails makes the gate write a problem details body (RFC 9457, media type
	// application/problem+json) and return nil, instead of returning an error to the service's
	// HTTPErrorHandler. False by default.
	ProblemDetails bool
}

// Gate returns middleware that lets requests through while the credential is valid (pass or warn).
//
// While it is not (fail), the middleware sets Retry-After and Cache-Control: no-store and returns a
// new [*echo.HTTPError] with status 503 and the message "Service Unavailable", which Echo's default
// handler renders as {"message":"Service Unavailable"}. Its Internal is the [*health.Error] with
// the reason, which [errors.As] finds; it is for logs, not for clients. Echo's default handler
// includes it in the response if Echo.Debug is true.
//
// Gate panics if the checker is nil.
func Gate(c middleware.Snapshotter) echo.MiddlewareFunc {
	return GateWithConfig(Config{Checker: c})
}

// GateWithConfig is [Gate] with a configuration. It panics if the Checker is nil.
func GateWithConfig(config Config) echo.MiddlewareFunc {
	var opts []middleware.GateOption
	if config.AccountInContext {
		opts = append(opts, middleware.WithAccountInContext())
	}
	g := &gate{Config: config, core: must(middleware.NewGate(config.Checker, opts...))}
	// Echo calls this function for every request. The closure that it returns is the only
	// allocation.
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { return g.handle(c, next) }
	}
}

// Account returns the service's own account, as the nearest gate with AccountInContext found it;
// see [middleware.AccountFrom]. It returns false if there is no such gate. Where gates of several
// checkers are stacked, use [middleware.AccountOf] with the request's context.
func Account(c echo.Context) (*requester.Account, bool) {
	return middleware.AccountFrom(c.Request().Context())
}

// gate is what the closures share.
type gate struct {
	Config
	core *middleware.Gate
}

func (g *gate) handle(c echo.Context, next echo.HandlerFunc) error {
	if g.Skipper != nil && g.Skipper(c) {
		return next(c)
	}
	outer := c.Request()
	inner, rejection := g.core.Admit(outer)
	switch {
	case rejection != nil:
		return g.reject(c, rejection)
	case inner != outer:
		c.SetRequest(inner)
		defer requestcopy.HandBack(outer, inner)
	}
	return next(c)
}

func (g *gate) reject(c echo.Context, rejection *middleware.Rejection) error {
	if g.ProblemDetails {
		rejection.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	rejection.SetHeader(c.Response().Header())
	// A new error for each rejection, because middleware further out may modify it (SetInternal);
	// and not wrapped, because Echo's default handler answers 500 to a wrapped HTTPError.
	return &echo.HTTPError{
		Code:     http.StatusServiceUnavailable,
		Message:  unavailable,
		Internal: rejection.Err(),
	}
}

// unavailable is the Message of a rejection, converted to an interface once. It is a string, as in
// all errors of Echo: error handlers rely on that.
var unavailable any = http.StatusText(http.StatusServiceUnavailable)

// must panics with the error of a constructor.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
