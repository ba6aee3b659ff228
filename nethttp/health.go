package nethttp

import (
	"net/http"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// RegisterHealth registers /healthz, /readyz, /livez and /startupz of a checker for GET, HEAD and
// OPTIONS on a router that takes patterns with a method, such as "GET /healthz": an
// [*http.ServeMux], where each path is also registered with a slash at its end, or chi's Router.
// The options change paths, leave endpoints out, allow details and add checkers; see
// [middleware.HealthOption].
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
//	for path, endpoint := range routes {
//		router.Handle(path, endpoint)                // gorilla/mux
//		engine.Any(path, gin.WrapH(endpoint))        // gin
//		app.All(path, adaptor.HTTPHandler(endpoint)) // fiber
//		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
//			router.Handler(method, path, endpoint) // httprouter
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
func RegisterHealth(
	mux interface {
		Handle(pattern string, handler http.Handler)
	},
	c middleware.Snapshotter, opts ...middleware.HealthOption,
) {
	_, isServeMux := mux.(*http.ServeMux)
	for path, endpoint := range must(middleware.Routes(c, opts...)) {
		for _, pattern := range patterns(path, isServeMux) {
			mux.Handle(pattern, endpoint)
		}
	}
}

// patterns returns the patterns for one path.
func patterns(path string, isServeMux bool) []string {
	if !isServeMux {
		return []string{"GET " + path, "HEAD " + path, "OPTIONS " + path}
	}
	// A GET pattern of ServeMux matches HEAD, too. {$} is only known there; without it a pattern
	// with a slash at its end matches everything under the path.
	if path == "/" {
		return []string{"GET /{$}", "OPTIONS /{$}"}
	}
	return []string{"GET " + path, "GET " + path + "/{$}", "OPTIONS " + path, "OPTIONS " + path +
		"/{$}"}
}
