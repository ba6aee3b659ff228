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
	// headerTimeout keeps clients that never finish a request's header from holding connections.
	headerTimeout = 10 * time.Second
	// shutdownTimeout is for requests that are still under way. Kubernetes kills 30 s after SIGTERM, DRAIN_DELAY included.
	shutdownTimeout = 10 * time.Second
)

// Run listens at the configured address and then does what [Serve] does.
func Run(cfg *Config, checker *health.Checker, handler http.Handler, logger *slog.Logger) error {
	listener, err := net.Listen("tcp", cfg.ListenAddr)
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR=%s: %w", cfg.ListenAddr, err)
	}
	return Serve(listener, cfg.DrainDelay, checker, handler, logger)
}

// Serve is the life of a service: it answers requests, has the checker verify the credential, and goes on until SIGTERM or
// SIGINT. SIGHUP has the credential read and verified again. It takes over the listener; the checker is left to the caller
// to close.
//
// It returns nil after a signal, and an error when the credential cannot be used, or serving failed. A second SIGTERM or
// SIGINT does not wait: it kills the process.
func Serve(listener net.Listener, drainDelay time.Duration, checker *health.Checker, handler http.Handler, logger *slog.Logger) error {
	// Before anything else: until somebody asks for it, SIGHUP kills a process.
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

	// Listening already: probes get answers while Start waits for the platform.
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
			stop()
			return shutdown(server, checker, drainDelay, logger)
		}
	}
}

// refresh says what came of it in any case: somebody has asked. The checker itself logs only what changes.
func refresh(ctx context.Context, checker *health.Checker, logger *slog.Logger) {
	if err := checker.Refresh(ctx); err != nil {
		logger.Warn("refresh on SIGHUP failed", "error", err.Error())
		return
	}
	logger.Info("refreshed on SIGHUP", "token.fingerprint", checker.Snapshot().TokenFingerprint())
}

// shutdown first has the load balancers look elsewhere, and then waits for the requests that are under way.
func shutdown(server *http.Server, checker *health.Checker, drainDelay time.Duration, logger *slog.Logger) error {
	logger.Info("stopping", "drain_delay", drainDelay.String())
	checker.Drain()
	<-time.After(drainDelay)

	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests were still under way %s after the service should have stopped: %w", shutdownTimeout, err)
	}
	return nil
}
