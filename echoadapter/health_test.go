package echoadapter_test

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/echotest"
)

func TestRegisterHealth_RemoveTrailingSlash(t *testing.T) {
	e := echo.New()
	e.Pre(echomw.RemoveTrailingSlash())
	echoadapter.RegisterHealth(e, echotest.Because(health.ReasonRejected))
	server := echotest.Serve(t, e)
	echotest.AssertHealth(t, server, "/healthz", health.StatusFail)
	echotest.AssertHealth(t, server, "/healthz/", health.StatusFail)
}

func TestCORS(t *testing.T) {
	t.Run("hides the verdict", func(t *testing.T) {
		e := echo.New()
		e.Use(echomw.CORS())
		echoadapter.RegisterHealth(e, echotest.Because(health.ReasonRejected))
		server := echotest.Serve(t, e)
		assert.Equal(t, http.StatusNoContent, echotest.Ask(t, server, http.MethodOptions, "/healthz").Status)
		assert.Equal(t, http.StatusServiceUnavailable, echotest.Ask(t, server, http.MethodGet, "/healthz").Status)
	})
	t.Run("with a Skipper", func(t *testing.T) {
		e := echo.New()
		e.Use(echomw.CORSWithConfig(echomw.CORSConfig{
			Skipper: func(c echo.Context) bool { return c.Path() == "/healthz" },
		}))
		echoadapter.RegisterHealth(e, echotest.Because(health.ReasonRejected))
		echotest.AssertHealth(t, echotest.Serve(t, e), "/healthz", health.StatusFail)
	})
}
