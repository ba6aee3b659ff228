// Command echo is a complete service on Echo, configured by its environment: health endpoints for load balancers, and GET
// /account behind the gate. README.md beside it lists the variables.
package main

import (
	"log/slog"
	"net/http"
	"os"

	"github.com/labstack/echo/v4"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/examples/internal/service"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(logger); err != nil {
		logger.Error("service cannot run", "error", err.Error())
		os.Exit(1)
	}
}

func run(logger *slog.Logger) error {
	cfg, err := service.FromEnv(os.LookupEnv)
	if err != nil {
		return err
	}
	checker, err := health.New(credentials.Default(),
		append(cfg.CheckerOptions, health.WithLogger(logger))...)
	if err != nil {
		return err
	}
	defer checker.Close()

	e := echo.New()
	echoadapter.RegisterHealth(e, checker, middleware.WithDetails(cfg.AllowDetails))
	gate := echoadapter.GateWithConfig(echoadapter.Config{Checker: checker, AccountInContext: true})
	e.GET("/account", account, gate)

	return service.Run(cfg, checker, e, logger) // listens, starts the checker, serves, drains
}

// account answers with the verified account. A real service would look first at who asks: the balance is nobody's business.
func account(c echo.Context) error {
	account, _ := echoadapter.Account(c) // there is one behind the gate
	return c.JSON(http.StatusOK, account)
}
