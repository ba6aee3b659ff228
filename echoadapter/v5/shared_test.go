package echoadapter_test

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"

	echoadapter "github.com/tolokacheck/tolokacheck/echoadapter/v5"
	"github.com/tolokacheck/tolokacheck/internal/echotest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestShared(t *testing.T) {
	echotest.Run(t, func(keepNotFound bool) echotest.Echo {
		return &shared{echo.NewWithConfig(echo.Config{NoGroupAutoRegister404Routes: keepNotFound})}
	})
}

// shared implements echotest.Echo.
type shared struct{ *echo.Echo }

func (s *shared) RegisterHealth(
	group string, c middleware.Snapshotter, opts ...middleware.HealthOption,
) {
	if group == "" {
		echoadapter.RegisterHealth(s.Echo, c, opts...)
		return
	}
	echoadapter.RegisterHealth(s.Echo.Group(group), c, opts...)
}

func (s *shared) Use(gate echotest.Gate) { s.Echo.Use(sharedGate(gate)) }

func (s *shared) Any(path string, gates ...echotest.Gate) {
	var mw []echo.MiddlewareFunc
	for _, gate := range gates {
		mw = append(mw, sharedGate(gate))
	}
	s.Echo.Any(path, sharedRoute, mw...)
}

func (s *shared) Group(prefix string, gate echotest.Gate, path string) {
	s.Echo.Group(prefix, sharedGate(gate)).GET(path, sharedRoute)
}

func (s *shared) AddTrailingSlash() { s.Echo.Pre(echomw.AddTrailingSlash()) }

func sharedRoute(c *echo.Context) error {
	return c.String(http.StatusOK, echotest.Answer(echoadapter.Account(c)))
}

func sharedGate(gate echotest.Gate) echo.MiddlewareFunc {
	config := echoadapter.Config{
		Checker:          gate.Checker,
		AccountInContext: gate.AccountInContext,
		ProblemDetails:   gate.ProblemDetails,
	}
	if gate.Skip != "" {
		config.Skipper = func(c *echo.Context) bool { return c.Path() == gate.Skip }
	}
	return echoadapter.GateWithConfig(config)
}
