package echoadapter

import (
	"errors"
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
	// here: set ErrorHandler.
	Options []middleware.CallerGateOption
	// ProblemDetails makes the gate write a problem details body (RFC 9457, media type
	// application/problem+json) and return nil, instead of returning an error to the service's
	// HTTPErrorHandler. It cannot be combined with ErrorHandler. False by default.
	ProblemDetails bool
	// ErrorHandler returns the error for a rejected request; it may also write a response and
	// return nil. WWW-Authenticate, Retry-After and Cache-Control: no-store are set before it is
	// called; it may change them. Its argument is not for clients. Nil: an [*echo.HTTPError], see
	// [Callers].
	ErrorHandler func(c echo.Context, err *middleware.CallerError) error
}

// Callers returns middleware that lets the requests through that bring the platform token of an
// allowed account, for [Caller]. See [middleware.Callers] for the decisions.
//
// For other requests it sets WWW-Authenticate or Retry-After, and Cache-Control: no-store, and
// returns a new [*echo.HTTPError] with status 401, 403 or 503 and the text of the status as a
// string
// in Message. Its Internal is the [*middleware.CallerError] with the cause; it is for logs, not for
// clients.
//
// Callers panics if c is nil or an option is invalid.
func Callers(c *middleware.Callers, opts ...middleware.CallerGateOption) echo.MiddlewareFunc {
	return CallersWithConfig(CallersConfig{Callers: c, Options: opts})
}

// CallersWithConfig is [Callers] with a configuration. It panics with the error of
// [CallersConfig.ToMiddleware].
func CallersWithConfig(config CallersConfig) echo.MiddlewareFunc {
	return must(config.ToMiddleware())
}

// ToMiddleware returns the middleware, or an error if Callers is nil, an option is invalid, or both
// ProblemDetails and ErrorHandler are set.
func (config CallersConfig) ToMiddleware() (echo.MiddlewareFunc, error) {
	if config.ProblemDetails && config.ErrorHandler != nil {
		return nil, errors.New(
			"echoadapter: CallersConfig has both ProblemDetails and ErrorHandler: set one of them")
	}
	core, err := middleware.NewCallerGate(config.Callers, config.Options...)
	if err != nil {
		return nil, err
	}
	g := &callerGate{CallersConfig: config, core: core}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { return g.handle(c, next) }
	}, nil
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

func (g *callerGate) reject(c echo.Context, rejection *middleware.CallerRejection) error {
	if g.ProblemDetails {
		rejection.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	rejection.SetHeader(c.Response().Header())
	err := rejection.Err()
	if g.ErrorHandler != nil {
		return g.ErrorHandler(c, err)
	}
	// New and not wrapped, for the reasons given in gate.reject.
	return &echo.HTTPError{Code: err.Status, Message: http.StatusText(err.Status), Internal: err}
}
