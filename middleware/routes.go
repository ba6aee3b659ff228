package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Routes returns the handlers of the health endpoints by their paths:
//
//	/healthz   200 with {"status":"pass"} or {"status":"warn"} while the service should get
//	           traffic, 503 with {"status":"fail"} while it should not
//	           ([health.Snapshot.Readiness])
//	/readyz    the same
//	/livez     200 with {"status":"pass"} as long as the process answers
//	/startupz  503 with {"status":"fail"} until Start of every checker has returned nil, and 200
//	           with {"status":"pass"} from then on, verified or not
//	/statusz   the status page, only with [WithStatusPage]
//
// It is for adapters, and for routers that no adapter fits:
//
//	routes, err := middleware.Routes(checker)
//	…
//	for path, endpoint := range routes {
//		router.Handle(path, endpoint)
//	}
//
// Register an endpoint for all methods, or for GET, HEAD and OPTIONS (HAProxy's default probe,
// which gets the real answer); it answers others with 405. A path ends with a slash only if it is
// "/". The answer is rendered once per snapshot and then served from memory: no lock, no
// allocation, no waiting. The handlers are safe for concurrent use.
//
// Routes returns an error that lists every invalid option, or that a checker is nil.
func Routes(c Snapshotter, opts ...HealthOption) (map[string]http.Handler, error) {
	config, err := newHealthConfig(c, opts)
	if config.statusPage != nil {
		err = errors.Join(err, config.needDetails())
	} else {
		err = errors.Join(err, config.noCallersOption())
		config.paths.drop(statusPath)
	}
	paths, pathErr := config.paths.resolve()
	if err := wiringError("Routes", err, pathErr); err != nil {
		return nil, err
	}
	// One endpoint for both paths, so that its document is rendered once.
	readiness := newHealth(c, config)
	endpoints := map[string]http.Handler{
		healthPath:  readiness,
		readyPath:   readiness,
		livePath:    &endpoint{},
		startupPath: newStartup(readiness.checkers),
	}
	if config.statusPage != nil {
		endpoints[statusPath] = config.statusPage(readiness.checkers, config)
	}
	routes := make(map[string]http.Handler, len(paths))
	for _, p := range paths {
		routes[p.path] = endpoints[p.name]
	}
	return routes, nil
}

// WithPrefix puts a path prefix, for example "/internal", before every path of [Routes]. By default
// there is none.
func WithPrefix(prefix string) HealthOption {
	return func(c *healthConfig) error {
		c.paths.prefix = prefix
		return nil
	}
}

// WithPath moves one endpoint of [Routes] from its default path to another: WithPath("/healthz",
// "/health"). The empty path leaves the endpoint out: WithPath("/readyz", ""). Another name than
// a default path is an error. WithPath("/statusz", …) has an effect only with [WithStatusPage].
func WithPath(name, path string) HealthOption {
	return func(c *healthConfig) error {
		for i := range c.paths.list {
			if c.paths.list[i].name == name {
				c.paths.list[i].path = path
				return nil
			}
		}
		return fmt.Errorf(
			"WithPath(%q, %q): there is no endpoint of that name; use %s, %s, %s, %s or %s",
			name, path, healthPath, readyPath, livePath, startupPath, statusPath)
	}
}

const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	livePath    = "/livez"
	startupPath = "/startupz"
	statusPath  = "/statusz"
)

// paths is where the endpoints of Routes are.
type paths struct {
	prefix string
	list   []namedPath
}

// namedPath is the path of one endpoint; its name is the default path.
type namedPath struct{ name, path string }

func defaultPaths() paths {
	var p paths
	for _, name := range []string{healthPath, readyPath, livePath, startupPath, statusPath} {
		p.list = append(p.list, namedPath{name, name})
	}
	return p
}

// drop leaves an endpoint out.
func (p *paths) drop(name string) {
	p.list = slices.DeleteFunc(p.list, func(e namedPath) bool { return e.name == name })
}

// resolve returns the whole paths, without the endpoints that are left out.
func (p paths) resolve() ([]namedPath, error) {
	var resolved []namedPath
	var errs []error
	taken := map[string]string{}
	for _, e := range p.list {
		if e.path == "" {
			continue
		}
		e.path = join(p.prefix, e.path)
		if special := strings.IndexAny(e.path, "{}:*?#% \t\r\n"); special >= 0 {
			errs = append(errs,
				fmt.Errorf("the path %q of %s contains %q, which routers and URLs treat specially",
					e.path, e.name, e.path[special]))
		}
		if other, ok := taken[e.path]; ok {
			errs = append(errs,
				fmt.Errorf("%s and %s have the same path %q", other, e.name, e.path))
		}
		taken[e.path] = e.name
		resolved = append(resolved, e)
	}
	return resolved, errors.Join(errs...)
}

// join returns prefix and path with one slash before each and none at the end.
func join(prefix, path string) string {
	joined := ""
	for _, part := range []string{prefix, path} {
		if part = strings.Trim(part, "/"); part != "" {
			joined += "/" + part
		}
	}
	if joined == "" {
		return "/"
	}
	return joined
}
