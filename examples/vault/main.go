// Command vault is the service of examples/nethttp with its token in HashiCorp Vault or OpenBao.
// README.md shows how to run it.
package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"

	"github.com/tolokacheck/tolokacheck/credentials/vault"
	"github.com/tolokacheck/tolokacheck/examples/internal/service"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(logger); err != nil {
		logger.Error("service stopped", "error", err.Error())
		os.Exit(1)
	}
}

func run(logger *slog.Logger) error {
	cfg, err := service.FromEnv(os.LookupEnv)
	if err != nil {
		return err
	}
	// From VAULT_ADDR, VAULT_TOKEN, TOLOKA_VAULT_PATH, TOLOKA_VAULT_KV and others.
	token, err := vault.FromEnv(vault.WithLogger(logger))
	if err != nil {
		return err
	}
	checker, err := health.New(token, append(cfg.CheckerOptions, health.WithLogger(logger))...)
	if err != nil {
		return err
	}
	defer checker.Close()

	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker) // /healthz /readyz /livez /startupz
	gate := nethttp.Gate(checker, middleware.WithAccountInContext())
	mux.Handle("GET /account", gate(http.HandlerFunc(account)))

	return service.Run(cfg, checker, mux, logger) // listens, starts the checker, serves, drains
}

// account returns the verified account. A real service first checks who asks: a balance is private.
func account(w http.ResponseWriter, r *http.Request) {
	account, _ := middleware.AccountFrom(r.Context()) // always present behind the gate
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // else caches serve it while the gate is closed
	_ = json.NewEncoder(w).Encode(account)      // an error means that the client has disconnected
}
