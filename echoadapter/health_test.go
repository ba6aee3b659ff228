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
		t.Run("over TCP, "+reason.String()+" is "+reason.Status().String(), func(t *testing.T) {
			e := echo.New()
			echoadapter.RegisterHealth(e, because(reason))
			server := serve(t, e)
			assertHealth(t, server, "/healthz", reason.Status())
			assertHealth(t, server, "/readyz", reason.Status())
			assertHealth(t, server, "/livez", health.StatusPass)
			assertHealth(t, server, "/startupz", health.StatusPass)
		})
	}

	t.Run("other methods are 405 with Allow", func(t *testing.T) {
		e := echo.New()
		echoadapter.RegisterHealth(e, because(health.ReasonVerified))
		server := serve(t, e)
		for _, path := range []string{"/healthz", "/readyz", "/livez", "/startupz"} {
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
				got := ask(t, server, method, path)
				assert.Equal(t, http.StatusMethodNotAllowed, got.status, path)
				allowed := strings.Split(got.header.Get("Allow"), ", ")
				slices.Sort(allowed)
				assert.Equal(t, []string{"GET", "HEAD", "OPTIONS"}, allowed, path)
			}
		}
	})
	t.Run("it works beside a catch-all", func(t *testing.T) {
		e := echo.New()
		e.Any("/*", func(c echo.Context) error { return c.String(http.StatusOK, "page") })
		echoadapter.RegisterHealth(e, because(health.ReasonStale))
		assertHealth(t, serve(t, e), "/healthz", health.StatusWarn)
	})
	t.Run("on a group, with a prefix, other paths, and one left out", func(t *testing.T) {
		e := echo.New()
		echoadapter.RegisterHealth(e.Group("/internal"), because(health.ReasonRejected),
			middleware.WithPrefix("/toloka"), middleware.WithHealthPath("/health"), middleware.WithStartupPath(""))
		server := serve(t, e)
		assertHealth(t, server, "/internal/toloka/health", health.StatusFail)
		assertHealth(t, server, "/internal/toloka/readyz", health.StatusFail)
		assertHealth(t, server, "/internal/toloka/livez", health.StatusPass)
		for _, path := range []string{"/internal/toloka/startupz", "/internal/toloka/healthz", "/healthz"} {
			assert.Equal(t, http.StatusNotFound, ask(t, server, http.MethodGet, path).status, path)
		}
	})
	t.Run("a nil checker panics", func(t *testing.T) {
		assert.PanicsWithValue(t, "middleware: nil checker: look at the error of health.New before the checker is used",
			func() { echoadapter.RegisterHealth(echo.New(), nil) })
	})
}

func TestCORS(t *testing.T) {
	t.Run("in front it answers OPTIONS by itself: the trap that the package warns of", func(t *testing.T) {
		e := echo.New()
		e.Use(echomw.CORS())
		echoadapter.RegisterHealth(e, because(health.ReasonRejected))
		server := serve(t, e)
		assert.Equal(t, http.StatusNoContent, ask(t, server, http.MethodOptions, "/healthz").status)
		assert.Equal(t, http.StatusServiceUnavailable, ask(t, server, http.MethodGet, "/healthz").status)
	})
	t.Run("with a Skipper for the health paths OPTIONS gets the verdict", func(t *testing.T) {
		e := echo.New()
		e.Use(echomw.CORSWithConfig(echomw.CORSConfig{Skipper: func(c echo.Context) bool { return c.Path() == "/healthz" }}))
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
		"Health":             {echoadapter.Health(fail), `{"status":"fail"}`},
		"Health of several":  {echoadapter.Health(pass, middleware.WithCheckers(fail)), `{"status":"fail"}`},
		"Ready":              {echoadapter.Ready(pass), `{"status":"pass"}`},
		"Live":               {echoadapter.Live(), `{"status":"pass"}`},
		"Startup":            {echoadapter.Startup(fail), `{"status":"pass"}`},
		"Startup of several": {echoadapter.Startup(pass, unstarted), `{"status":"fail"}`},
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
