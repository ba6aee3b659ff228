package echoadapter

import (
	"net/http"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"

	"github.com/tolokacheck/tolokacheck/internal/requestcopy"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// CallersConfig configures [CallersWithConfig].
type CallersConfig struct {
	// Skipper lets the requests for which it returns true through without a check, with their
	// Authorization header and without a [Caller]. Nil: no request is skipped.
	Skipper echomw.Skipper
	// Callers verifies the tokens. Required.
	Callers *middleware.Callers
	// Options are the rules of the gate. [middleware.WithCallerRejectionHandler] has no effect
	// here.
	Options []middleware.CallerGateOption
	// ProblemDetails makes the gate write a problem details body (RFC 9457, media type
	// application/problem+json) and return nil, instead of returning an error to the service's
	// HTTPErrorHandler. False by default.
	ProblemDetails bool
}

// Callers returns middleware that lets the requests through that bring the platform token of an
// allowed account, for [Caller]. See [middleware.Callers] for the decisions.
//
// For other requests it sets WWW-Authenticate or Retry-After, and Cache-Control: no-store, and
// returns a new [*echo.HTTPError] with status 401, 403 or 503 and the text of the status as a
// string in Message. Its Internal is the error of the [middleware.Rejection] with the cause; it is
// for logs, not for clients.
//
// Callers panics if c is nil or an option is invalid.
func Callers(c *middleware.Callers, opts ...middleware.CallerGateOption) echo.MiddlewareFunc {
	return CallersWithConfig(CallersConfig{Callers: c, Options: opts})
}

// CallersWithConfig is [Callers] with a configuration. It panics if Callers is nil or an option is
// invalid; [middleware.NewCallerGate] returns an error instead.
func CallersWithConfig(config CallersConfig) echo.MiddlewareFunc {
	core := must(middleware.NewCallerGate(config.Callers, config.Options...))
	g := &callerGate{CallersConfig: config, core: core}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { return g.handle(c, next) }
	}
}

// Caller returns the caller as the nearest gate of [Callers] has verified it; see
// [middleware.CallerFrom].
func Caller(c echo.Context) (middleware.Caller, bool) {
	return middleware.CallerFrom(c.Request().Context())
}

// callerGate is what the closures share.
type callerGate struct {
	CallersConfig
	core *middleware.CallerGate
}

func (g *callerGate) handle(c echo.Context, next echo.HandlerFunc) error {
	if g.Skipper != nil && g.Skipper(c) {
		return next(c)
	}
	outer := c.Request()
	inner, rejection := g.core.Admit(outer)
	if rejection != nil {
		return g.reject(c, rejection)
	}
	c.SetRequest(inner)
	defer requestcopy.HandBack(outer, inner)
	return next(c)
}

func (g *callerGate) reject(c echo.Context, rejection *middleware.Rejection) error {
	if g.ProblemDetails {
		rejection.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	rejection.SetHeader(c.Response().Header())
	status := rejection.Status()
	// New and not wrapped, for the reasons given in gate.reject.
	return &echo.HTTPError{
		Code: status, Message: http.StatusText(status), Internal: rejection.Err(),
	}
}
