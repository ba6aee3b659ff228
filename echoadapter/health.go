package echoadapter

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// Router is what [RegisterHealth] needs of a router. [*echo.Echo] and [*echo.Group] are two.
type Router interface {
	Add(method, path string, handler echo.HandlerFunc, middleware ...echo.MiddlewareFunc) *echo.Route
}

var (
	_ Router = (*echo.Echo)(nil)
	_ Router = (*echo.Group)(nil)
)

// RegisterHealth registers /healthz, /readyz, /livez and /startupz of a checker for GET, HEAD and OPTIONS; Echo answers
// other methods with 405 and Allow, or with 404 in a group that has middleware. The options change the paths, leave some out, allow details and add further checkers;
// see [middleware.RoutesOption].
//
// Echo's CORS middleware, where it is in front, answers OPTIONS by itself with 204, and a balancer that probes by OPTIONS
// (HAProxy's default) never sees the verdict: give that middleware a Skipper for these paths.
//
// It panics if a checker is nil.
func RegisterHealth(router Router, c middleware.Snapshotter, opts ...middleware.RoutesOption) {
	for _, route := range middleware.Routes(c, opts...) {
		handler := echo.WrapHandler(route.Endpoint)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			router.Add(method, route.Path, handler)
		}
	}
}

// Health returns the handler for /healthz; see [middleware.NewHealth]. Echo's GET route does not match HEAD, so register
// it for GET, HEAD and OPTIONS, or use [RegisterHealth]. It panics if a checker is nil.
func Health(c middleware.Snapshotter, opts ...middleware.HealthOption) echo.HandlerFunc {
	return echo.WrapHandler(middleware.NewHealth(c, opts...))
}

// Ready returns the handler for /readyz; see [middleware.NewReady], and [Health] for the methods. It panics if a checker is
// nil.
func Ready(c middleware.Snapshotter, opts ...middleware.HealthOption) echo.HandlerFunc {
	return echo.WrapHandler(middleware.NewReady(c, opts...))
}

// Live returns the handler for /livez; see [middleware.NewLive], and [Health] for the methods.
func Live() echo.HandlerFunc { return echo.WrapHandler(middleware.NewLive()) }

// Startup returns the handler for /startupz; see [middleware.NewStartup], and [Health] for the methods. It panics if a
// checker is nil.
func Startup(c middleware.Snapshotter, more ...middleware.Snapshotter) echo.HandlerFunc {
	return echo.WrapHandler(middleware.NewStartup(c, more...))
}
