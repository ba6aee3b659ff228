package echoadapter_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// newChecker returns a checker of a valid token on a fake platform. A service calls
// health.New(credentials.Default()).
func newChecker() *health.Checker {
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	checker, err := health.New(credentials.Static(platform.IssueToken("").Reveal()),
		health.WithClient(client), health.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	return checker
}

// show sends a request to the service and prints the answer.
func show(service http.Handler, method, target string) {
	rec := httptest.NewRecorder()
	service.ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	fmt.Println(method, target, rec.Code, strings.TrimSpace(rec.Body.String()))
}

// The gate is in front of a group of routes that need the platform. A service listens before it
// calls Start, so that probes are answered while Start waits for the platform.
func Example() {
	checker := newChecker()
	defer checker.Close()

	e := echo.New()
	echoadapter.RegisterHealth(e, checker) // /healthz /readyz /livez /startupz
	tasks := e.Group("/tasks", echoadapter.Gate(checker))
	tasks.GET("", func(c echo.Context) error { return c.String(http.StatusOK, "the tasks") })

	show(e, "GET", "/healthz")
	show(e, "GET", "/tasks")

	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	show(e, "GET", "/healthz")
	show(e, "GET", "/tasks")

	// Output:
	// GET /healthz 503 {"status":"fail"}
	// GET /tasks 503 {"message":"Service Unavailable"}
	// GET /healthz 200 {"status":"pass"}
	// GET /tasks 200 the tasks
}

// The gate returns an error. The service's own error handler logs the reason and writes the
// response.
func ExampleGate_errorHandler() {
	checker := newChecker() // not started
	defer checker.Close()

	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		var closed *health.Error
		if errors.As(err, &closed) {
			fmt.Println("log:", closed.Reason)
			_ = c.String(http.StatusServiceUnavailable, "We will be back soon.")
			return
		}
		e.DefaultHTTPErrorHandler(err, c)
	}
	tasks := func(c echo.Context) error { return c.String(http.StatusOK, "the tasks") }
	e.GET("/tasks", tasks, echoadapter.Gate(checker))
	show(e, "GET", "/tasks")

	// Output:
	// log: starting
	// GET /tasks 503 We will be back soon.
}

// A gate with a configuration: one route is skipped, and handlers get the account.
func ExampleGateWithConfig() {
	checker := newChecker()
	defer checker.Close()

	e := echo.New()
	e.Use(echoadapter.GateWithConfig(echoadapter.Config{
		Checker:          checker,
		Skipper:          func(c echo.Context) bool { return c.Path() == "/about" },
		AccountInContext: true,
	}))
	e.GET("/about", func(c echo.Context) error { return c.String(http.StatusOK, "about") })
	e.GET("/account", func(c echo.Context) error {
		account, ok := echoadapter.Account(c)
		if !ok {
			return echo.ErrInternalServerError
		}
		return c.String(http.StatusOK, account.Name())
	})

	show(e, "GET", "/about")
	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	show(e, "GET", "/account")

	// Output:
	// GET /about 200 about
	// GET /account 200 Jack Smith
}

// On a group the endpoints get its prefix and its middleware. CORS middleware in front of them
// needs a Skipper: it would answer OPTIONS, HAProxy's default probe, with 204 whatever the verdict.
func ExampleRegisterHealth() {
	checker := newChecker()
	defer checker.Close()

	e := echo.New()
	e.Use(echomw.CORSWithConfig(echomw.CORSConfig{
		Skipper: func(c echo.Context) bool { return strings.HasPrefix(c.Path(), "/internal/") },
	}))
	echoadapter.RegisterHealth(e.Group("/internal"), checker, middleware.WithPath("/startupz", ""))

	show(e, "OPTIONS", "/internal/healthz")
	show(e, "GET", "/internal/livez")

	// Output:
	// OPTIONS /internal/healthz 503 {"status":"fail"}
	// GET /internal/livez 200 {"status":"pass"}
}

// A group without a prefix gets all unknown paths of the service. RouteNotFound after the group
// keeps them 404 while the gate is closed.
func ExampleGate_groupWithoutPrefix() {
	checker := newChecker() // not started
	defer checker.Close()

	e := echo.New()
	api := e.Group("", echoadapter.Gate(checker))
	e.RouteNotFound("/*", echo.NotFoundHandler)
	api.GET("/tasks", func(c echo.Context) error { return c.String(http.StatusOK, "the tasks") })

	show(e, "GET", "/tasks")
	show(e, "GET", "/unknown")

	// Output:
	// GET /tasks 503 {"message":"Service Unavailable"}
	// GET /unknown 404 {"message":"Not Found"}
}
