package echoadapter_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v5"

	"github.com/tolokacheck/tolokacheck/credentials"
	echoadapter "github.com/tolokacheck/tolokacheck/echoadapter/v5"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// The gate is in front of a group of routes that need the platform. A service listens before it
// calls Start, so that probes are answered while Start waits for the platform.
func Example() {
	// A fake platform stands in for the real one. A service calls health.New(credentials.Default()).
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	token := credentials.Static(platform.IssueToken("").Reveal())
	checker, err := health.New(token, health.WithClient(client))
	if err != nil {
		log.Fatal(err)
	}
	defer checker.Close()

	e := echo.New()
	echoadapter.RegisterHealth(e, checker) // /healthz /readyz /livez /startupz
	tasks := e.Group("/tasks", echoadapter.GateWithConfig(echoadapter.Config{
		Checker: checker, AccountInContext: true,
	}))
	tasks.GET("", func(c *echo.Context) error {
		account, _ := echoadapter.Account(c)
		return c.String(http.StatusOK, "the tasks of "+account.Name())
	})
	show := func(path string) {
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(path, rec.Code, strings.TrimSpace(rec.Body.String()))
	}

	show("/healthz")
	show("/tasks")
	if err := checker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	show("/healthz")
	show("/tasks")

	// Output:
	// /healthz 503 {"status":"fail"}
	// /tasks 503 {"message":"Service Unavailable"}
	// /healthz 200 {"status":"pass"}
	// /tasks 200 the tasks of Jack Smith
}
