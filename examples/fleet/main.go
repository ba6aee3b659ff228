// Command fleet is the service of examples/nethttp whose replicas share the platform's answers
// through Redis. README.md shows how to run it.
package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/examples/internal/service"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/redisstore"
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
	opts := append(cfg.CheckerOptions, health.WithLogger(logger))
	if url := os.Getenv("REDIS_URL"); url != "" { // else this replica works on its own
		client, err := newRedis(url)
		if err != nil {
			return err
		}
		defer client.Close() // after the checker has closed
		store, err := redisstore.New(client)
		if err != nil {
			return err
		}
		opts = append(opts, health.WithShared(store))
	}
	checker, err := health.New(credentials.Default(), opts...)
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

// newRedis returns a client as redisstore needs it. A service that has one already uses that.
func newRedis(url string) (*redis.Client, error) {
	opts, err := redis.ParseURL(url)
	if err != nil { // its text may have the password
		return nil, errors.New("REDIS_URL: not a URL like redis://user:password@host:6379/0")
	}
	opts.ContextTimeoutEnabled = true // required: operations end with their context
	opts.MaxRetries = -1              // the next check is the retry
	opts.DialerRetries = 1            // errors say why the server is not reached
	logging.Disable()                 // the checker logs when the store is lost and found
	return redis.NewClient(opts), nil
}

// account returns the verified account. A real service first checks who asks: a balance is private.
func account(w http.ResponseWriter, r *http.Request) {
	account, _ := middleware.AccountFrom(r.Context()) // always present behind the gate
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // else caches serve it while the gate is closed
	_ = json.NewEncoder(w).Encode(account)      // an error means that the client has disconnected
}
