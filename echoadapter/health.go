package echoadapter

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// RegisterHealth registers /healthz, /readyz, /livez and /startupz of a checker for GET, HEAD and
// OPTIONS on an [*echo.Echo] or [*echo.Group]. Each path is registered with a slash at its end,
// too, so that Echo's AddTrailingSlash middleware does not turn probes into 404. Echo answers other
// methods with 405, or in a group that has middleware with 404. The options change paths, leave
// endpoints out, allow details and add checkers; see [middleware.HealthOption].
//
// If Echo's CORS middleware is in front, give it a Skipper for these paths; see the package's
// documentation.
//
// RegisterHealth panics if a checker is nil or an option is invalid.
func RegisterHealth(
	router interface {
		Add(method, path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route
	},
	c middleware.Snapshotter, opts ...middleware.HealthOption,
) {
	for route, endpoint := range must(middleware.Routes(c, opts...)) {
		paths := []string{route}
		if route != "/" {
			paths = append(paths, route+"/")
		}
		handler := echo.WrapHandler(endpoint)
		for _, path := range paths {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
				router.Add(method, path, handler)
			}
		}
	}
}
