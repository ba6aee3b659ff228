package middleware_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// constant is a fake that is not a pointer.
type constant struct{ snapshot *health.Snapshot }

func (c constant) Snapshot() *health.Snapshot { return c.snapshot }

func TestNilChecker(t *testing.T) {
	const message = "middleware: nil checker: look at the error of health.New before the checker is used"
	good := because(health.ReasonVerified)
	nils := map[string]middleware.Snapshotter{"nil": nil, "a nil pointer": (*checker)(nil)}
	for name, none := range nils {
		constructors := map[string]func(){
			"a gate":                        func() { middleware.NewGate(none) },
			"a health endpoint":             func() { middleware.NewHealth(none) },
			"a ready endpoint":              func() { middleware.NewReady(none) },
			"a startup endpoint":            func() { middleware.NewStartup(none) },
			"a health endpoint's second":    func() { middleware.NewHealth(good, middleware.WithCheckers(none)) },
			"a startup endpoint's second":   func() { middleware.NewStartup(good, none) },
			"the routes":                    func() { middleware.Routes(none) },
			"the routes' second":            func() { middleware.Routes(good, middleware.WithCheckers(good, none)) },
			"the routes with none of them ": func() { middleware.Routes(none, middleware.WithHealthPath("")) },
		}
		for constructor, call := range constructors {
			t.Run(name+" for "+constructor+" panics when it is wired", func(t *testing.T) {
				assert.PanicsWithValue(t, message, call)
			})
		}
	}
}

func TestFakeCheckers(t *testing.T) {
	tests := map[string]middleware.Snapshotter{
		"a nil snapshot":                  constant{},
		"a zero snapshot":                 constant{&health.Snapshot{}},
		"the snapshot of the zero state":  constant{health.NewSnapshot(health.State{})},
		"a nil snapshot behind a pointer": &checker{},
	}
	for name, c := range tests {
		t.Run(name+" is fail everywhere", func(t *testing.T) {
			var reason health.Reason
			gate := middleware.NewGate(c, middleware.WithRejectionHandler(func(w http.ResponseWriter, _ *http.Request, err *health.Error) {
				reason = err.Reason
			}))
			ask(gate.Wrap(&spy{}), http.MethodGet, "/")
			assert.Equal(t, health.ReasonStarting, reason)
			for range 2 { // rendered, then remembered
				rec := ask(middleware.NewGate(c).Wrap(&spy{}), http.MethodGet, "/")
				assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
				assert.Equal(t, closedHeader("1"), rec.Header())
			}
			details := middleware.WithDetails(func(*http.Request) bool { return true })
			for _, endpoint := range []*middleware.Endpoint{middleware.NewHealth(c, details), middleware.NewReady(c), middleware.NewStartup(c)} {
				for range 2 {
					rec := ask(endpoint, http.MethodGet, "/")
					assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
					assert.Equal(t, healthHeader(health.StatusFail, "1"), rec.Header())
					assert.Equal(t, `{"status":"fail"}`, rec.Body.String())
				}
			}
			assert.Equal(t, http.StatusServiceUnavailable, ask(middleware.NewHealth(c, details), http.MethodGet, "/?verbose").Code)
		})
	}
}
