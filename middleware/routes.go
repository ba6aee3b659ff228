package middleware

import (
	"strings"

	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// Route is one health path and what answers it.
type Route struct {
	Path     string
	Endpoint *Endpoint
}

// RoutesOption configures [Routes]. Every [HealthOption] is one too.
type RoutesOption interface {
	applyRoutes(*routesConfig)
}

type routesConfig struct {
	health                           healthConfig
	prefix                           string
	healthz, readyz, livez, startupz string
}

type routesOption func(*routesConfig)

func (o routesOption) applyRoutes(c *routesConfig) { o(c) }

// WithPrefix puts a path prefix, for example "/internal", before every path. By default there is none.
func WithPrefix(prefix string) RoutesOption {
	return routesOption(func(c *routesConfig) { c.prefix = prefix })
}

// WithHealthPath sets the path of [NewHealth]'s endpoint, "/healthz" by default. The empty path leaves it out.
func WithHealthPath(path string) RoutesOption {
	return routesOption(func(c *routesConfig) { c.healthz = path })
}

// WithReadyPath sets the path of [NewReady]'s endpoint, "/readyz" by default. The empty path leaves it out.
func WithReadyPath(path string) RoutesOption {
	return routesOption(func(c *routesConfig) { c.readyz = path })
}

// WithLivePath sets the path of [NewLive]'s endpoint, "/livez" by default. The empty path leaves it out.
func WithLivePath(path string) RoutesOption {
	return routesOption(func(c *routesConfig) { c.livez = path })
}

// WithStartupPath sets the path of [NewStartup]'s endpoint, "/startupz" by default. The empty path leaves it out.
func WithStartupPath(path string) RoutesOption {
	return routesOption(func(c *routesConfig) { c.startupz = path })
}

// Routes returns the four health endpoints with their paths, for an adapter to register under GET, HEAD and OPTIONS. A
// slash that is missing at the start of a path or prefix is added, one at the end of the prefix is taken away. Routes
// panics if a checker is nil; a nil option is passed over.
func Routes(c Snapshotter, opts ...RoutesOption) []Route {
	config := routesConfig{healthz: "/healthz", readyz: "/readyz", livez: "/livez", startupz: "/startupz"}
	for _, opt := range opts {
		if !isnil.Value(opt) {
			opt.applyRoutes(&config)
		}
	}
	// One endpoint for two paths: it is one document, and so it is rendered once.
	readiness := newHealth(c, config.health)
	startup := NewStartup(c, config.health.more...)
	var routes []Route
	for _, route := range []Route{
		{config.healthz, readiness},
		{config.readyz, readiness},
		{config.livez, NewLive()},
		{config.startupz, startup},
	} {
		if route.Path == "" {
			continue
		}
		prefix := slashed(strings.TrimRight(config.prefix, "/"))
		routes = append(routes, Route{prefix + slashed(route.Path), route.Endpoint})
	}
	return routes
}

// slashed returns a path that is not empty with a slash at its start.
func slashed(path string) string {
	if path == "" || path[0] == '/' {
		return path
	}
	return "/" + path
}
