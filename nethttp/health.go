package nethttp

import (
	"net/http"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// Mux is a router that takes patterns with a method, such as "GET /healthz". [*http.ServeMux] and
// chi's Router implement it.
type Mux interface {
	Handle(pattern string, handler http.Handler)
}

var _ Mux = (*http.ServeMux)(nil)

// RegisterHealth registers /healthz, /readyz, /livez and /startupz of a checker for GET, HEAD and
// OPTIONS. On an [*http.ServeMux] each path is registered with a slash at its end, too. The options
// change paths, leave endpoints out, allow details and add checkers; see [middleware.HealthOption].
//
// The patterns contain the method, so that they do not conflict with "GET /" or "/". A request with
// another method gets 405 from the mux, or goes to the service's own "/".
//
// RegisterHealth panics if the checker is nil or an option is invalid, and if a path is already
// registered, as [http.ServeMux.Handle] does.
//
// # Other routers
//
// chi's Router works as it is; use chi's middleware.StripSlashes if probes ask for /healthz/.
// Routers whose patterns contain no method get the result of [middleware.Routes]:
//
//	routes, err := middleware.Routes(checker)
//	…
//	for _, route := range routes {
//		router.Handle(route.Path, route.Endpoint)                // gorilla/mux
//		engine.Any(route.Path, gin.WrapH(route.Endpoint))        // gin
//		app.All(route.Path, adaptor.HTTPHandler(route.Endpoint)) // fiber
//		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
//			router.Handler(method, route.Path, route.Endpoint) // httprouter
//		}
//	}
//
// gin, httprouter and gorilla/mux with StrictSlash redirect /healthz/ to /healthz, and load
// balancers such as HAProxy take a redirect for a healthy answer: configure probes without the
// slash.
//
// # OPTIONS *
//
// Apache with hcmethod=OPTIONS asks for "OPTIONS *", which Go's server answers with 200 before any
// handler is called: configure Apache to probe with GET or HEAD.
func RegisterHealth(mux Mux, c middleware.Snapshotter, opts ...middleware.HealthOption) {
	for _, route := range must(middleware.Routes(c, opts...)) {
		for _, pattern := range patterns(mux, route.Path) {
			mux.Handle(pattern, route.Endpoint)
		}
	}
}

// patterns returns the patterns for one path.
func patterns(mux Mux, path string) []string {
	if _, ok := mux.(*http.ServeMux); !ok {
		return []string{"GET " + path, "HEAD " + path, "OPTIONS " + path}
	}
	// A GET pattern of ServeMux matches HEAD, too. {$} is only known there; without it a pattern
	// with a slash at its end matches everything under the path.
	if path == "/" {
		return []string{"GET /{$}", "OPTIONS /{$}"}
	}
	return []string{"GET " + path, "GET " + path + "/{$}", "OPTIONS " + path, "OPTIONS " + path + "/{$}"}
}

// Health returns the handler for /healthz and /readyz; see [middleware.NewHealth]. It panics if a
// checker is nil or an option is invalid.
func Health(c middleware.Snapshotter, opts ...middleware.HealthOption) http.Handler {
	return must(middleware.NewHealth(c, opts...))
}

// Live returns the handler for /livez; see [middleware.NewLive].
func Live() http.Handler { return middleware.NewLive() }

// Startup returns the handler for /startupz; see [middleware.NewStartup]. It panics if a checker is
// nil.
func Startup(c middleware.Snapshotter, more ...middleware.Snapshotter) http.Handler {
	return must(middleware.NewStartup(c, more...))
}
