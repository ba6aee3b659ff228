// Package service has what the programs of this module have in common: the life of a service.
package service

import (
	"context"
	"log"
	"log/slog"
	"net"
	"os/signal"
	"syscall"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// Run serves on port 8080 until the process is asked to stop. Copy it together with the program
// that calls it; examples/nethttp also shows how to drain.
func Run(serve func(middleware.Snapshotter, net.Listener) error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	checker, err := health.New(credentials.Default(), health.WithLogger(slog.Default()))
	if err != nil {
		log.Fatal(err)
	}
	defer checker.Close()
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	// The server listens first, so that probes get answers while Start waits for the platform.
	go func() { log.Fatal(serve(checker, listener)) }()
	if err := checker.Start(ctx); err != nil {
		log.Fatal(err)
	}
	<-ctx.Done()
}
