package service

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

const (
	// headerTimeout closes connections of clients that never finish a request's header.
	headerTimeout = 10 * time.Second
	// shutdownTimeout is for requests in flight. Kubernetes kills a container 30 s after SIGTERM,
	// DRAIN_DELAY included.
	shutdownTimeout = 10 * time.Second
	// repeatedSignal is how long a second SIGTERM or SIGINT counts as the same request to stop:
	// some supervisors signal both the process and its group.
	repeatedSignal = time.Second
)

// Run listens on the configured address and calls [Serve].
func Run(cfg *Config, checker *health.Checker, handler http.Handler, logger *slog.Logger) error {
	listener, err := net.Listen("tcp", cfg.ListenAddr)
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR=%s: %w", cfg.ListenAddr, err)
	}
	return Serve(listener, cfg.DrainDelay, checker, handler, logger)
}

// Serve answers requests, starts the checker, and runs until SIGTERM or SIGINT. On SIGHUP it reads
// and verifies the credential again. Serve closes the listener; the caller closes the checker.
//
// It returns nil after a signal, and an error if the credential cannot be used or the server
// failed. A second SIGTERM or SIGINT more than a second after the first ends the process at once.
func Serve(
	listener net.Listener,
	drainDelay time.Duration,
	checker *health.Checker,
	handler http.Handler,
	logger *slog.Logger,
) error {
	// First of all: SIGHUP ends a process that does not handle it.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	defer server.Close()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	logger.Info("listening", "address", listener.Addr().String())

	// The server already listens, so probes get answers while Start waits for the platform.
	if err := checker.Start(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	for {
		select {
		case <-hangup:
			refresh(ctx, checker, logger)
		case err := <-served:
			return fmt.Errorf("serving %s: %w", listener.Addr(), err)
		case <-ctx.Done():
			timer := time.AfterFunc(repeatedSignal, stop)
			defer timer.Stop()
			return shutdown(server, checker, drainDelay, logger)
		}
	}
}

// refresh always logs the result, because it was requested. The checker logs only changes.
func refresh(ctx context.Context, checker *health.Checker, logger *slog.Logger) {
	if err := checker.Refresh(ctx); err != nil {
		logger.Warn("refresh on SIGHUP failed", "error", err.Error())
		return
	}
	logger.Info("refreshed on SIGHUP", "token.fingerprint", checker.Snapshot().TokenFingerprint())
}

// shutdown reports not ready for drainDelay, and then waits for the requests in flight.
func shutdown(
	server *http.Server,
	checker *health.Checker,
	drainDelay time.Duration,
	logger *slog.Logger,
) error {
	logger.Info("stopping", "drain_delay", drainDelay.String())
	checker.Drain()
	<-time.After(drainDelay)

	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests were still in flight after %s: %w", shutdownTimeout, err)
	}
	return nil
}
