// Package story is what the quickstart command runs: a fake platform, a small service on it, and a
// story in ten steps about the service's token and those of its callers. How to use the library is
// in app.go.
package story

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// maxAnswer is how many bytes of a response of the platform are read.
const maxAnswer = 64 << 10

// app is the service of the story.
type app struct {
	checker    *health.Checker
	callers    *middleware.Callers
	handler    http.Handler
	toPlatform *http.Client // adds the verified token to its requests
}

// newApp uses the library in a service: a checker of the token in a file, the health endpoints, a
// gate in front of the routes that need the platform, and one in front of a route for callers with
// tokens of their own.
func newApp(baseURL, tokenFile string, logger *slog.Logger, interval time.Duration,
	opts ...health.Option) (*app, error) {
	client, err := requester.New(requester.Sandbox,
		requester.WithBaseURL(baseURL), requester.WithTimeout(interval))
	if err != nil {
		return nil, err
	}
	checker, err := health.New(credentials.File(tokenFile),
		append(opts, health.WithClient(client), health.WithLogger(logger),
			health.WithInterval(interval))...)
	if err != nil {
		return nil, err
	}
	callers, err := middleware.NewCallers(client, middleware.WithCallerTTL(interval))
	if err != nil {
		_ = checker.Close()
		return nil, err
	}
	connections := http.DefaultTransport.(*http.Transport).Clone()
	toPlatform := &http.Client{Transport: nethttp.Transport(checker, connections)}

	mux := http.NewServeMux()
	// The routes are /healthz, /readyz, /livez and /startupz.
	nethttp.RegisterHealth(mux, checker, middleware.WithDetails(middleware.LoopbackOnly))
	// The gate returns 503 while the credential is invalid.
	gate := nethttp.Gate(checker, middleware.WithAccountInContext())
	mux.Handle("GET /account", gate(http.HandlerFunc(account)))
	url := client.BaseURL().JoinPath("/api/v1/requester").String()
	mux.Handle("GET /balance", gate(balance(toPlatform, url)))
	mux.Handle("GET /mine", nethttp.Callers(callers)(http.HandlerFunc(mine)))
	return &app{checker, callers, mux, toPlatform}, nil
}

func (a *app) close() {
	_ = a.checker.Close() // always nil
	a.callers.Close()
	a.toPlatform.CloseIdleConnections()
}

// account returns the account as the checker verified it. It makes no call to the platform.
func account(w http.ResponseWriter, r *http.Request) {
	account, _ := middleware.AccountFrom(r.Context()) // always present behind the gate
	writeJSON(w, account)
}

// balance is an example of a route that calls the platform for each request.
func balance(toPlatform *http.Client, url string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, err := askPlatform(r.Context(), toPlatform, url)
		if err != nil {
			http.Error(w, "bad gateway", http.StatusBadGateway) // the cause is not for clients
			return
		}
		usd, _ := account.Balance()
		writeJSON(w, map[string]json.Number{"usd": json.Number(usd.String())})
	})
}

func askPlatform(
	ctx context.Context, toPlatform *http.Client, url string,
) (*requester.Account, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := toPlatform.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the platform answered %s", resp.Status)
	}
	return requester.ParseAccount(body)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // else caches serve it while the gate is closed
	_ = json.NewEncoder(w).Encode(v)            // an error means that the client has disconnected
}
