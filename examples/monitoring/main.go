// Command monitoring is the service of examples/nethttp with metrics for Prometheus at /metrics,
// the status page at /statusz, and a route for callers with tokens of their own. README.md shows
// how to run it with Prometheus and Grafana.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/govalues/decimal"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/examples/internal/service"
	"github.com/tolokacheck/tolokacheck/health"
	tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
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
	balance, err := balanceOptions()
	if err != nil {
		return err
	}
	if url := os.Getenv("REDIS_URL"); url != "" { // else this replica works on its own
		client, err := newRedis(url)
		if err != nil {
			return err
		}
		defer client.Close() // after those who use it
		store, err := redisstore.New(client)
		if err != nil {
			return err
		}
		cfg.CheckerOptions = append(cfg.CheckerOptions, health.WithShared(store))
		cfg.CallersOptions = append(cfg.CallersOptions, middleware.WithSharedCallers(store))
	}
	opts := append(cfg.CheckerOptions, health.WithLogger(logger))
	checker, err := health.New(token(), append(opts, balance...)...)
	if err != nil {
		return err
	}
	defer checker.Close()
	callers, err := middleware.NewCallers(cfg.Client, cfg.CallersOptions...)
	if err != nil {
		return err
	}
	defer callers.Close()

	registry := prometheus.NewRegistry()
	registry.MustRegister(tolokaprom.NewCollector(checker), tolokaprom.NewCallersCollector(callers))
	mux := http.NewServeMux()
	// Without a login, the status page is for requests from this machine and for port forwards.
	nethttp.RegisterHealth(mux, checker,
		middleware.WithDetails(middleware.LoopbackOnly), middleware.WithStatusPage(),
		middleware.WithCallers(callers))
	// 200 whatever the status: Prometheus takes anything else for a failed scrape.
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /tasks", nethttp.Gate(checker)(http.HandlerFunc(tasks)))
	mux.Handle("GET /caller", nethttp.Callers(callers)(http.HandlerFunc(caller)))
	return service.Run(cfg, checker, mux, logger)
}

// newRedis returns a client as redisstore needs it, see examples/fleet.
func newRedis(url string) (*redis.Client, error) {
	opts, err := redis.ParseURL(url)
	if err != nil { // its text may have the password
		return nil, errors.New("REDIS_URL: not a URL like redis://user:password@host:6379/0")
	}
	opts.ContextTimeoutEnabled, opts.MaxRetries, opts.DialerRetries = true, -1, 1
	logging.Disable() // the checker logs when the store is lost and found
	return redis.NewClient(opts), nil
}

// balanceOptions returns the options for MIN_BALANCE, in US dollars, and FAIL_ON_LOW_BALANCE.
func balanceOptions() ([]health.Option, error) {
	var opts []health.Option
	if value := os.Getenv("MIN_BALANCE"); value != "" {
		least, err := decimal.Parse(value)
		if err != nil {
			return nil, errors.New(
				"MIN_BALANCE: not an amount in US dollars; write it like 50 or 12.5")
		}
		opts = append(opts, health.WithMinBalance(least))
	}
	if os.Getenv("FAIL_ON_LOW_BALANCE") != "" {
		opts = append(opts, health.FailOnLowBalance())
	}
	return opts, nil
}

// token returns the provider of the token and, if TOLOKA_FALLBACK_FILE is set, of a second one.
func token() credentials.Provider {
	if fallback := os.Getenv("TOLOKA_FALLBACK_FILE"); fallback != "" {
		return credentials.Failover(credentials.Default(), credentials.File(fallback))
	}
	return credentials.Default()
}

func tasks(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "no tasks") }

// caller tells callers which account their token belongs to.
func caller(w http.ResponseWriter, r *http.Request) {
	caller, _ := middleware.CallerFrom(r.Context()) // always present behind the gate
	fmt.Fprintln(w, "account", caller.Account.ID())
}
