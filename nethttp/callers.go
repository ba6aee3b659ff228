package nethttp

import (
	"net/http"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// Callers returns middleware that lets the requests through that bring the platform token of an
// allowed account, for [middleware.CallerFrom]. See [middleware.Callers] for the decisions and
// [middleware.CallerGateOption] for the options.
//
// Callers panics if c is nil or an option is invalid, as [http.ServeMux.Handle] does for invalid
// arguments. [middleware.NewCallerGate] returns an error instead.
func Callers(
	c *middleware.Callers, opts ...middleware.CallerGateOption,
) func(http.Handler) http.Handler {
	return must(middleware.NewCallerGate(c, opts...)).Wrap
}

// ForwardAuth returns the decision of [Callers] as an endpoint for reverse proxies; see
// [middleware.CallerGate.ForwardAuth]. It panics like Callers.
func ForwardAuth(c *middleware.Callers, opts ...middleware.CallerGateOption) http.Handler {
	return must(middleware.NewCallerGate(c, opts...)).ForwardAuth()
}
