package echoadapter

import (
	"net/http"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// Config configures [GateWithConfig].
type Config struct {
	// Skipper lets the requests for which it returns true through without a look at the credential, and without an account
	// in their context. Nil: none are skipped.
	Skipper echomw.Skipper
	// Checker gives the verdict. Required.
	Checker middleware.Snapshotter
	// AccountInContext makes the verified account available to handlers, by [Account]. It costs two allocations per request;
	// the Account method of the checker gives the account at no cost. False by default.
	AccountInContext bool
	// ErrorHandler makes the error that the gate returns for a request that it turns away; it may as well write an answer and
	// return nil. Retry-After and Cache-Control: no-store are set on the response before, and it may change them. The error
	// that it is given says why, for a log: it is not for the public, and is shared by many requests. Nil: an
	// [*echo.HTTPError], see [Gate].
	ErrorHandler func(c echo.Context, err *health.Error) error
}

// Gate returns middleware that lets requests through while the credential is good (pass or warn). While it is not (fail),
// the middleware does not write but returns a fresh [*echo.HTTPError] with status 503, so that the service's own
// HTTPErrorHandler decides about the body. Its Message is a [middleware.Problem], which Echo's default handler renders as
// JSON and in which there is nothing of the reason. Its Internal is the [*health.Error], which [errors.As] finds and which
// is not for the public. Retry-After and Cache-Control are set on the response.
//
// A CORS middleware belongs before the gate: a preflight request that meets a closed gate gets 503 like any other. With Use on
// the whole Echo the gate is also before the health endpoints, and a liveness probe that meets a closed gate has the service
// restarted: put the gate on a group, or leave their paths to the Skipper.
//
// It panics if the checker is nil.
func Gate(c middleware.Snapshotter) echo.MiddlewareFunc {
	return GateWithConfig(Config{Checker: c})
}

// GateWithConfig is [Gate] with a configuration. It panics if the Checker is nil.
func GateWithConfig(config Config) echo.MiddlewareFunc {
	var opts []middleware.GateOption
	if config.AccountInContext {
		opts = append(opts, middleware.WithAccountInContext())
	}
	g := &gate{Config: config, core: middleware.NewGate(config.Checker, opts...)}
	if g.ErrorHandler == nil {
		g.ErrorHandler = httpError
	}
	// Echo calls this for every request: the closure, and that it captures no more than two words, is the whole cost.
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if g.Skipper != nil && g.Skipper(c) {
				return next(c)
			}
			if rejection := g.admit(c); rejection != nil {
				rejection.SetHeader(c.Response().Header())
				return g.ErrorHandler(c, rejection.Err())
			}
			return next(c)
		}
	}
}

// Account returns the service's own account as the nearest gate with AccountInContext verified it; see
// [middleware.AccountFrom]. It returns false where there is no such gate. [middleware.AccountOf] on the request's context
// serves where gates of several checkers are stacked.
func Account(c echo.Context) (*requester.Account, bool) {
	return middleware.AccountFrom(c.Request().Context())
}

// gate is what the closures share.
type gate struct {
	Config
	core *middleware.Gate
}

// admit leaves the request alone unless there is an account to put into it.
func (g *gate) admit(c echo.Context) *middleware.Rejection {
	if !g.AccountInContext {
		return g.core.Rejection()
	}
	r, rejection := g.core.Admit(c.Request())
	if rejection == nil {
		c.SetRequest(r)
	}
	return rejection
}

// unavailable is the Message of every rejection. It is a value that nobody can change, so it is boxed once.
var unavailable any = middleware.Unavailable()

// httpError makes a new error for each rejection, because middleware further out may change what it is given
// (SetInternal), and one at the top level, because Echo's default handler answers 500 to an HTTPError that is wrapped.
func httpError(_ echo.Context, err *health.Error) error {
	return &echo.HTTPError{Code: http.StatusServiceUnavailable, Message: unavailable, Internal: err}
}
