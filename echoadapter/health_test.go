package echoadapter_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestRegisterHealth(t *testing.T) {
	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		t.Run(reason.String(), func(t *testing.T) {
			e := echo.New()
			echoadapter.RegisterHealth(e, because(reason))
			server := serve(t, e)
			for _, slash := range []string{"", "/"} {
				assertHealth(t, server, "/healthz"+slash, reason.Status())
				assertHealth(t, server, "/readyz"+slash, reason.Status())
				assertHealth(t, server, "/livez"+slash, health.StatusPass)
				assertHealth(t, server, "/startupz"+slash, health.StatusPass)
			}
		})
	}

	t.Run("other methods", func(t *testing.T) {
		e := echo.New()
		echoadapter.RegisterHealth(e, because(health.ReasonVerified))
		server := serve(t, e)
		for _, path := range []string{"/healthz", "/readyz", "/livez", "/startupz", "/healthz/"} {
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
				got := ask(t, server, method, path)
				assert.Equal(t, http.StatusMethodNotAllowed, got.status, path)
				allowed := strings.Split(got.header.Get("Allow"), ", ")
				slices.Sort(allowed)
				assert.Equal(t, []string{"GET", "HEAD", "OPTIONS"}, allowed, path)
			}
		}
	})
	t.Run("catch-all route", func(t *testing.T) {
		e := echo.New()
		e.Any("/*", func(c echo.Context) error { return c.String(http.StatusOK, "page") })
		echoadapter.RegisterHealth(e, because(health.ReasonStale))
		assertHealth(t, serve(t, e), "/healthz", health.StatusWarn)
	})
	t.Run("group and options", func(t *testing.T) {
		e := echo.New()
		echoadapter.RegisterHealth(e.Group("/internal"), because(health.ReasonRejected),
			middleware.WithPrefix("/toloka"), middleware.WithPath("/healthz", "/health"),
			middleware.WithPath("/startupz", ""))
		server := serve(t, e)
		assertHealth(t, server, "/internal/toloka/health", health.StatusFail)
		assertHealth(t, server, "/internal/toloka/readyz", health.StatusFail)
		assertHealth(t, server, "/internal/toloka/livez", health.StatusPass)
		for _, path := range []string{"/internal/toloka/startupz", "/internal/toloka/healthz", "/healthz"} {
			assert.Equal(t, http.StatusNotFound, ask(t, server, http.MethodGet, path).status, path)
		}
	})
	t.Run("root", func(t *testing.T) {
		e := echo.New()
		echoadapter.RegisterHealth(e, because(health.ReasonStale), middleware.WithPath("/healthz", "/"))
		assertHealth(t, serve(t, e), "/", health.StatusWarn)
	})
	for name, slash := range map[string]echo.MiddlewareFunc{
		"AddTrailingSlash":    echomw.AddTrailingSlash(),
		"RemoveTrailingSlash": echomw.RemoveTrailingSlash(),
	} {
		t.Run(name, func(t *testing.T) {
			e := echo.New()
			e.Pre(slash)
			echoadapter.RegisterHealth(e, because(health.ReasonRejected))
			server := serve(t, e)
			assertHealth(t, server, "/healthz", health.StatusFail)
			assertHealth(t, server, "/healthz/", health.StatusFail)
		})
	}
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
