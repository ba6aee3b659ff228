// Command forwardauth verifies the platform tokens of requests for a reverse proxy. See README.md.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
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
	callers, err := newCallers()
	if err != nil {
		return err
	}
	defer callers.Close()

	gate, err := middleware.NewCallerGate(callers, rules()...)
	if err != nil {
		return fmt.Errorf("ALLOW_ACCOUNTS, ALLOW_COMPANIES: %w", err)
	}
	listener, err := listen()
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	slog.Info("listening", "address", listener.Addr().String())
	server := newServer(gate)
	defer server.Close()
	served := make(chan error, 1)
	go func() { served <- serve(server, listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	slog.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(ctx) // waits for the requests in flight
}

func newServer(gate *middleware.CallerGate) *http.Server {
	return &http.Server{
		Handler: handler(gate), ReadHeaderTimeout: 10 * time.Second,
		// Otherwise net/http answers "OPTIONS *" itself, with 200.
		DisableGeneralOptionsHandler: true,
	}
}

// handler returns the gate's decision about every request but GET /livez, which is for probes. It
// is not an [http.ServeMux]: that redirects paths like "//", and some proxies send the path of
// their client.
func handler(gate *middleware.CallerGate) http.Handler {
	decide := gate.ForwardAuth()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/livez" {
			return
		}
		decide.ServeHTTP(w, r)
	})
}

// newCallers returns a Callers that asks the environment's platform.
func newCallers() (*middleware.Callers, error) {
	var opts []requester.Option
	if url := os.Getenv("TOLOKA_BASE_URL"); url != "" {
		opts = append(opts, requester.WithBaseURL(url))
	}
	environment := requester.Environment(os.Getenv("TOLOKA_ENVIRONMENT")) // production if empty
	client, clientErr := requester.New(environment, opts...)
	ttl, ttlErr := duration("CHECK_INTERVAL", time.Minute)
	maxStale, maxStaleErr := duration("MAX_STALE", 15*time.Minute)
	if err := errors.Join(clientErr, ttlErr, maxStaleErr); err != nil {
		return nil, err
	}
	return middleware.NewCallers(client,
		middleware.WithCallerTTL(ttl), middleware.WithCallerMaxStale(maxStale))
}

// rules admit the accounts and companies in ALLOW_ACCOUNTS and ALLOW_COMPANIES, separated by
// commas. Without both, every account of the platform is admitted.
func rules() []middleware.CallerGateOption {
	var rules []middleware.CallerGateOption
	if list := os.Getenv("ALLOW_ACCOUNTS"); list != "" {
		rules = append(rules, middleware.AllowAccounts(ids(list)...))
	}
	if list := os.Getenv("ALLOW_COMPANIES"); list != "" {
		rules = append(rules, middleware.AllowCompanies(ids(list)...))
	}
	return rules
}

func ids(list string) []string {
	ids := strings.Split(list, ",")
	for i := range ids {
		ids[i] = strings.TrimSpace(ids[i])
	}
	return ids
}

// listen listens on LISTEN_ADDR: host:port, or unix:/path of a socket, which the proxy's user must
// be able to write to.
func listen() (net.Listener, error) {
	address := cmp.Or(os.Getenv("LISTEN_ADDR"), "localhost:8080")
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return net.Listen("tcp", address)
	}
	removeStale(path)
	return net.Listen("unix", path)
}

// removeStale removes a socket that a killed process has left behind: nothing listens on it.
func removeStale(path string) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path)
	}
}

// serve uses TLS if TLS_CERT_FILE and TLS_KEY_FILE are set.
func serve(server *http.Server, listener net.Listener) error {
	cert, key := os.Getenv("TLS_CERT_FILE"), os.Getenv("TLS_KEY_FILE")
	switch {
	case cert == "" && key == "":
		return server.Serve(listener)
	case cert == "" || key == "":
		return errors.New("TLS_CERT_FILE, TLS_KEY_FILE: set both, or neither")
	}
	return server.ServeTLS(listener, cert, key)
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
