package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/benchmarks"
	"github.com/tolokacheck/tolokacheck/internal/benchmarks/child"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// names are the servers that are compared.
var names = []string{benchmarks.Bare, benchmarks.Ours}

// serve runs the server of that name until its parent stops it.
func serve(name string) error {
	runtime.GOMAXPROCS(1) // the other processor is for the load
	checker, err := benchmarks.NewChecker(health.StatusPass)
	if err != nil {
		return err
	}
	defer checker.Close()
	mux := http.NewServeMux()
	switch name {
	case benchmarks.Ours:
		nethttp.RegisterHealth(mux, checker)
	case benchmarks.Bare:
		ours := http.NewServeMux()
		nethttp.RegisterHealth(ours, checker)
		registerBare(mux, benchmarks.BareAnswer(ours))
	default:
		return fmt.Errorf("there is no server %q", name)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	service := &http.Server{Handler: mux}
	go func() {
		child.Announce(listener.Addr().String())
		_ = service.Close()
	}()
	if err := service.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// registerBare registers the patterns that this library registers, so that the ServeMux has the
// same work with both.
func registerBare(mux *http.ServeMux, h http.Handler) {
	for _, method := range []string{"GET ", "OPTIONS "} {
		for _, path := range []string{"/healthz", "/readyz", "/livez", "/startupz"} {
			mux.Handle(method+path, h)
			mux.Handle(method+path+"/{$}", h)
		}
	}
}
