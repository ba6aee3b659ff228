//go:build unix

package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
)

// TestAddTrailingSlash shows why the health endpoints need a Skipper: Echo's AddTrailingSlash turns
// /livez into /livez/, which is 404.
func TestAddTrailingSlash(t *testing.T) {
	checker, err := health.New(credentials.Static("token"))
	require.NoError(t, err)
	defer checker.Close()
	healthPaths := func(c echo.Context) bool {
		switch c.Request().URL.Path {
		case "/healthz", "/readyz", "/livez", "/startupz":
			return true
		}
		return false
	}
	for _, tt := range []struct {
		name    string
		skipper middleware.Skipper
		status  int
	}{
		{"without_skipper", nil, http.StatusNotFound},
		{"with_skipper", healthPaths, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := echo.New()
			slash := middleware.TrailingSlashConfig{Skipper: tt.skipper}
			e.Pre(middleware.AddTrailingSlashWithConfig(slash))
			e.GET("/tasks/", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
			echoadapter.RegisterHealth(e, checker)
			for path, status := range map[string]int{
				"/livez": tt.status,
				"/tasks": http.StatusNoContent,
			} {
				w := httptest.NewRecorder()
				e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
				assert.Equal(t, status, w.Code, path)
			}
		})
	}
}
