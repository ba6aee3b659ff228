// Command nethttp is a complete net/http service, in one file to copy. See README.md.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	if err := run(); err != nil {
		slog.Error("service stopped", "error", err.Error())
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	drainDelay, err := duration("DRAIN_DELAY", 0)
	if err != nil {
		return err
	}
	checker, err := newChecker()
	if err != nil {
		return err
	}
	defer checker.Close()

	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker) // /healthz /readyz /livez /startupz
	gate := nethttp.Gate(checker, middleware.WithAccountInContext())
	mux.Handle("GET /account", gate(http.HandlerFunc(account)))

	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN_ADDR"), ":8080"))
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	slog.Info("listening", "address", listener.Addr().String())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer server.Close()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	// The server already listens, so probes get answers while Start waits for the platform.
	if err := checker.Start(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	// Some supervisors signal both the process and its group. A signal within a second is the same
	// request to stop; a later one ends the process at once.
	time.AfterFunc(time.Second, stop)
	slog.Info("stopping", "drain_delay", drainDelay.String())
	checker.Drain() // /healthz and /readyz return 503, everything else still works
	<-time.After(drainDelay)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(ctx) // waits for the requests in flight
}

// newChecker returns a checker of the token that credentials.Default finds.
func newChecker() (*health.Checker, error) {
	var opts []requester.Option
	if url := os.Getenv("TOLOKA_BASE_URL"); url != "" {
		opts = append(opts, requester.WithBaseURL(url))
	}
	interval, intervalErr := duration("CHECK_INTERVAL", time.Minute)
	if interval > 0 { // a call must fit into an interval
		opts = append(opts, requester.WithTimeout(min(interval, requester.DefaultTimeout)))
	}
	client, newErr := requester.New(requester.Environment(os.Getenv("TOLOKA_ENVIRONMENT")), opts...)
	maxStale, maxStaleErr := duration("MAX_STALE", 15*time.Minute)
	if err := errors.Join(newErr, intervalErr, maxStaleErr); err != nil {
		return nil, err
	}
	return health.New(credentials.Default(), health.WithLogger(slog.Default()),
		health.WithClient(client), health.WithInterval(interval), health.WithMaxStale(maxStale))
}

// duration returns the duration in an environment variable, or fallback if it is unset or empty.
func duration(name string, fallback time.Duration) (time.Duration, error) {
	value := os.Getenv(name)
	if value == "" {
		return fallback, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, fmt.Errorf("%s: not a duration; write it like 500ms, 30s or 15m", name)
	}
	return d, nil
}

// account returns the verified account. A real service first checks who asks: a balance is private.
func account(w http.ResponseWriter, r *http.Request) {
	account, _ := middleware.AccountFrom(r.Context()) // always present behind the gate
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // else caches serve it while the gate is closed
	_ = json.NewEncoder(w).Encode(account)      // an error means that the client has disconnected
}
