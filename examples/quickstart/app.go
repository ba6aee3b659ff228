package main

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

// maxAnswer is how much of an answer of the platform is read.
const maxAnswer = 64 << 10

// app is the service that the story is about.
type app struct {
	checker    *health.Checker
	handler    http.Handler
	toPlatform *http.Client // its calls carry the verified token
}

// newApp wires the library into a service: a checker of the token in a file, the health endpoints, and the gate in front of
// what needs the platform.
func newApp(baseURL, tokenFile string, logger *slog.Logger, opts ...health.Option) (*app, error) {
	client, err := requester.New(requester.Sandbox, requester.WithBaseURL(baseURL), requester.WithTimeout(2*time.Second))
	if err != nil {
		return nil, err
	}
	checker, err := health.New(credentials.File(tokenFile, credentials.WithLogger(logger)),
		append(opts, health.WithClient(client), health.WithLogger(logger))...)
	if err != nil {
		return nil, err
	}
	toPlatform := &http.Client{Transport: nethttp.Transport(checker, http.DefaultTransport.(*http.Transport).Clone())}

	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker, middleware.WithDetails(middleware.LoopbackOnly)) // /healthz /readyz /livez /startupz
	gate := nethttp.Gate(checker, middleware.WithAccountInContext())                      // 503 while the credential is not good
	mux.Handle("GET /account", gate(http.HandlerFunc(account)))
	mux.Handle("GET /balance", gate(balance(toPlatform, client.BaseURL().JoinPath("/api/v1/requester").String())))
	return &app{checker, mux, toPlatform}, nil
}

func (a *app) close() {
	_ = a.checker.Close() // always nil
	a.toPlatform.CloseIdleConnections()
}

// account answers with the account as the checker has verified it: no call, no wait.
func account(w http.ResponseWriter, r *http.Request) {
	account, _ := middleware.AccountFrom(r.Context()) // there is one behind the gate
	writeJSON(w, account)
}

// balance stands for what the service does on the platform: it makes a call of its own for each request.
func balance(toPlatform *http.Client, url string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, err := askPlatform(r.Context(), toPlatform, url)
		if err != nil {
			http.Error(w, "bad gateway", http.StatusBadGateway) // why is nobody's business outside
			return
		}
		usd, _ := account.Balance()
		writeJSON(w, map[string]json.Number{"usd": json.Number(usd.String())})
	})
}

func askPlatform(ctx context.Context, toPlatform *http.Client, url string) (*requester.Account, error) {
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
	_ = json.NewEncoder(w).Encode(v) // an error means that the client has gone
}
