package echoadapter

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// Router is what [RegisterHealth] needs. [*echo.Echo] and [*echo.Group] implement it.
type Router interface {
	Add(
		method, path string, handler echo.HandlerFunc, middleware ...echo.MiddlewareFunc,
	) echo.RouteInfo
}

var (
	_ Router = (*echo.Echo)(nil)
	_ Router = (*echo.Group)(nil)
)

// RegisterHealth registers /healthz, /readyz, /livez and /startupz of a checker for GET, HEAD and
// OPTIONS. Each path is registered with a slash at its end, too, so that Echo's AddTrailingSlash
// middleware does not turn probes into 404. Echo answers other methods with 405, or in a group that
// has middleware with 404. The options change paths, leave endpoints out, allow details and add
// checkers; see [middleware.HealthOption].
//
// RegisterHealth panics if a checker is nil or an option is invalid.
func RegisterHealth(
	router Router, c middleware.Snapshotter, opts ...middleware.HealthOption,
) {
	for _, route := range must(middleware.Routes(c, opts...)) {
		paths := []string{route.Path}
		if route.Path != "/" {
			paths = append(paths, route.Path+"/")
		}
		handler := echo.WrapHandler(route.Endpoint)
		for _, path := range paths {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
				router.Add(method, path, handler)
			}
		}
	}
}

// Health returns the handler for /healthz and /readyz; see [middleware.NewHealth]. A GET route of
// Echo does not match HEAD: register the handler for GET, HEAD and OPTIONS, or use
// [RegisterHealth]. Health panics if a checker is nil or an option is invalid.
func Health(c middleware.Snapshotter, opts ...middleware.HealthOption) echo.HandlerFunc {
	return echo.WrapHandler(must(middleware.NewHealth(c, opts...)))
}

// Live returns the handler for /livez; see [middleware.NewLive], and [Health] for the methods.
func Live() echo.HandlerFunc { return echo.WrapHandler(middleware.NewLive()) }

// Startup returns the handler for /startupz; see [middleware.NewStartup], and [Health] for the
// methods. Startup panics if a checker is nil.
func Startup(c middleware.Snapshotter, more ...middleware.Snapshotter) echo.HandlerFunc {
	return echo.WrapHandler(must(middleware.NewStartup(c, more...)))
}
