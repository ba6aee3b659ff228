package echoadapter_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestRegisterHealth_RemoveTrailingSlash(t *testing.T) {
	e := echo.New()
	e.Pre(echomw.RemoveTrailingSlash())
	echoadapter.RegisterHealth(e, because(health.ReasonRejected))
	server := serve(t, e)
	assertHealth(t, server, "/healthz", health.StatusFail)
	assertHealth(t, server, "/healthz/", health.StatusFail)
}

func TestCORS(t *testing.T) {
	t.Run("hides the verdict", func(t *testing.T) {
		e := echo.New()
		e.Use(echomw.CORS())
		echoadapter.RegisterHealth(e, because(health.ReasonRejected))
		server := serve(t, e)
		assert.Equal(t, http.StatusNoContent, ask(t, server, http.MethodOptions, "/healthz").status)
		assert.Equal(t, http.StatusServiceUnavailable, ask(t, server, http.MethodGet, "/healthz").status)
	})
	t.Run("with a Skipper", func(t *testing.T) {
		e := echo.New()
		e.Use(echomw.CORSWithConfig(echomw.CORSConfig{
			Skipper: func(c echo.Context) bool { return c.Path() == "/healthz" },
		}))
		echoadapter.RegisterHealth(e, because(health.ReasonRejected))
		assertHealth(t, serve(t, e), "/healthz", health.StatusFail)
	})
}

func TestHandlers(t *testing.T) {
	pass, fail := because(health.ReasonVerified), because(health.ReasonRejected)
	unstarted := &checker{health.NewSnapshot(health.State{})}
	tests := map[string]struct {
		handler echo.HandlerFunc
		want    string
	}{
		"Health":          {echoadapter.Health(fail), `{"status":"fail"}`},
		"Health/several":  {echoadapter.Health(pass, middleware.WithCheckers(fail)), `{"status":"fail"}`},
		"Live":            {echoadapter.Live(), `{"status":"pass"}`},
		"Startup":         {echoadapter.Startup(fail), `{"status":"pass"}`},
		"Startup/several": {echoadapter.Startup(pass, unstarted), `{"status":"fail"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, rec := echo.New(), httptest.NewRecorder()
			e.GET("/", tt.handler)
			e.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
			assert.Equal(t, tt.want, rec.Body.String())
		})
	}
}
