package nethttp

import (
	"net/http"
	"strings"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// Mux is what [RegisterHealth] needs of a router. [*http.ServeMux] is one.
type Mux interface {
	Handle(pattern string, handler http.Handler)
}

var _ Mux = (*http.ServeMux)(nil)

// RegisterHealth registers /healthz, /readyz, /livez and /startupz of a checker for GET, HEAD and OPTIONS. The options
// change the paths, leave some out, allow details and add further checkers; see [middleware.RoutesOption].
//
// The patterns name their methods, so that they stand beside "GET /" and "/" alike. Requests with other methods therefore
// never reach the endpoints: the ServeMux answers them with 405 and Allow, or gives them to a "/" of the service.
//
// It panics if the checker is nil, and, as [http.ServeMux.Handle] does, if a path is taken.
func RegisterHealth(mux Mux, c middleware.Snapshotter, opts ...middleware.RoutesOption) {
	for _, route := range middleware.Routes(c, opts...) {
		path := route.Path
		if strings.HasSuffix(path, "/") {
			path += "{$}" // otherwise the pattern would stand for everything below, too
		}
		mux.Handle("GET "+path, route.Endpoint) // GET patterns match HEAD
		mux.Handle("OPTIONS "+path, route.Endpoint)
	}
}

// Health returns the handler for /healthz; see [middleware.NewHealth]. It panics if a checker is nil.
func Health(c middleware.Snapshotter, opts ...middleware.HealthOption) http.Handler {
	return middleware.NewHealth(c, opts...)
}

// Ready returns the handler for /readyz; see [middleware.NewReady]. It panics if a checker is nil.
func Ready(c middleware.Snapshotter, opts ...middleware.HealthOption) http.Handler {
	return middleware.NewReady(c, opts...)
}

// Live returns the handler for /livez; see [middleware.NewLive].
func Live() http.Handler { return middleware.NewLive() }

// Startup returns the handler for /startupz; see [middleware.NewStartup]. It panics if a checker is nil.
func Startup(c middleware.Snapshotter, more ...middleware.Snapshotter) http.Handler {
	return middleware.NewStartup(c, more...)
}
