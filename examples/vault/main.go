// Command vault is the service of examples/nethttp with its token in HashiCorp Vault or OpenBao. README.md beside it lists the
// variables.
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
		logger.Error("service cannot run", "error", err.Error())
		os.Exit(1)
	}
}

func run(logger *slog.Logger) error {
	cfg, err := service.FromEnv(os.LookupEnv)
	if err != nil {
		return err
	}
	token, err := vault.FromEnv(vault.WithLogger(logger)) // VAULT_ADDR, VAULT_TOKEN, TOLOKA_VAULT_PATH, …
	if err != nil {
		return err
	}
	checker, err := health.New(token, append(cfg.CheckerOptions, health.WithLogger(logger))...)
	if err != nil {
		return err
	}
	defer checker.Close()

	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker)
	gate := nethttp.Gate(checker, middleware.WithAccountInContext())
	mux.Handle("GET /account", gate(http.HandlerFunc(account)))

	return service.Run(cfg, checker, mux, logger) // listens, starts the checker, serves, drains
}

// account answers with the verified account. A real service would look first at who asks: the balance is nobody's business.
func account(w http.ResponseWriter, r *http.Request) {
	account, _ := middleware.AccountFrom(r.Context()) // there is one behind the gate
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(account) // an error means that the client has gone
}
