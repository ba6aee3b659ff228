package middleware_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// constant is a fake that is not a pointer.
type constant struct{ snapshot *health.Snapshot }

func (c constant) Snapshot() *health.Snapshot { return c.snapshot }

func TestConstructorErrors(t *testing.T) {
	good := because(health.ReasonVerified)
	gate := func(c middleware.Snapshotter, opts ...middleware.GateOption) error {
		_, err := middleware.NewGate(c, opts...)
		return err
	}
	routes := func(c middleware.Snapshotter, opts ...middleware.HealthOption) error {
		_, err := middleware.Routes(c, opts...)
		return err
	}
	const isNil = "the checker is nil; handle the error of health.New first"
	const noSkipper = "WithSkipper: the function is nil"
	const noHandler = "WithRejectionHandler: the function is nil"
	skipper, handler := middleware.WithSkipper(nil), middleware.WithRejectionHandler(nil)
	second := middleware.WithCheckers(good, (*checker)(nil))
	tests := map[string]struct {
		err  error
		want string
	}{
		"gate/nil checker": {gate(nil), "middleware: NewGate: " + isNil},
		"gate/nil pointer": {gate((*checker)(nil)), "middleware: NewGate: " + isNil},
		"gate/nil option":  {gate(good, nil), "middleware: NewGate: nil option"},
		"gate/nil skipper": {gate(good, skipper), "middleware: NewGate: " + noSkipper},
		"gate/nil handler": {gate(good, handler), "middleware: NewGate: " + noHandler},
		"gate/everything wrong": {gate(nil, nil, skipper),
			"middleware: NewGate: " + isNil + "\nnil option\n" + noSkipper},
		"routes/nil policy": {routes(good, middleware.WithDetails(nil)),
			"middleware: Routes: WithDetails: the policy is nil (BearerToken returns nil for the zero Token)"},
		"routes/nil checker":        {routes(nil), "middleware: Routes: " + isNil},
		"routes/nil second checker": {routes(good, second), "middleware: Routes: WithCheckers: " + isNil},
		"routes/nil option":         {routes(good, nil), "middleware: Routes: nil option"},
		"routes/unknown name": {routes(good, middleware.WithPath("/health", "/x")),
			`middleware: Routes: WithPath("/health", "/x"): there is no endpoint of that name; ` +
				`use /healthz, /readyz, /livez, /startupz or /statusz`},
		"routes/same path": {routes(good, middleware.WithPath("/readyz", "/healthz/")),
			`middleware: Routes: /healthz and /readyz have the same path "/healthz"`},
		"routes/wildcard": {routes(good, middleware.WithPath("/readyz", "/{id}")),
			`middleware: Routes: the path "/{id}" of /readyz contains '{', which routers and URLs treat specially`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { assert.EqualError(t, tt.err, tt.want) })
	}
}

func TestFakeCheckersFail(t *testing.T) {
	tests := map[string]middleware.Snapshotter{
		"nil snapshot":         constant{},
		"zero snapshot":        constant{&health.Snapshot{}},
		"zero state":           constant{health.NewSnapshot(health.State{})},
		"nil snapshot pointer": &checker{},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			verdict := &health.Error{}
			gate := newGate(c, middleware.WithRejectionHandler(
				func(_ http.ResponseWriter, _ *http.Request, rejection *middleware.Rejection) {
					require.ErrorAs(t, rejection.Err(), &verdict)
				}))
			ask(gate.Wrap(&spy{}), http.MethodGet, "/")
			assert.Equal(t, health.ReasonStarting, verdict.Reason)
			gate = newGate(c)
			for range 2 { // rendered, then from memory
				rec := ask(gate.Wrap(&spy{}), http.MethodGet, "/")
				assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
				assert.Equal(t, closedHeader("1"), rec.Header())
			}
			for _, endpoint := range []http.Handler{newHealth(c, toAll), newStartup(c)} {
				for range 2 {
					rec := ask(endpoint, http.MethodGet, "/")
					assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
					assert.Equal(t, healthHeader(health.StatusFail, "1"), rec.Header())
					assert.Equal(t, `{"status":"fail"}`, rec.Body.String())
				}
			}
			details := ask(newHealth(c, toAll), http.MethodGet, "/?verbose")
			assert.Equal(t, http.StatusServiceUnavailable, details.Code)
		})
	}
}
