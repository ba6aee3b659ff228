//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m) }

func start(t *testing.T, p *exampletest.Platform, env ...string) *exampletest.Process {
	t.Helper()
	return exampletest.Start(t, exampletest.Command{Secrets: []string{p.Token()}, Env: append([]string{
		"LISTEN_ADDR=127.0.0.1:0", "TOLOKA_BASE_URL=" + p.URL, "TOLOKA_TOKEN=" + p.Token(),
		"CHECK_INTERVAL=100ms",
	}, env...)})
}

func TestEndpoints(t *testing.T) {
	p := exampletest.NewPlatform(t)
	service := start(t, p, "MIN_BALANCE=1000")
	var listening struct{ Address string }
	require.NoError(t, json.Unmarshal([]byte(service.StderrLine(t, `"msg":"listening"`)), &listening))
	url := "http://" + listening.Address

	exampletest.Eventually(t, url+"/readyz", http.StatusOK, `{"status":"warn"}`)
	metrics := exampletest.Ask(t, http.MethodGet, url+"/metrics")
	assert.Equal(t, http.StatusOK, metrics.Status)
	assert.Contains(t, metrics.Body, `toloka_credential_reason{name="",reason="low_balance"} 1`)
	assert.Contains(t, metrics.Body, `toloka_credential_min_balance_dollars{name=""} 1000`)
	page := exampletest.Ask(t, http.MethodGet, url+"/statusz")
	assert.Equal(t, http.StatusOK, page.Status)
	assert.Contains(t, page.Body, "<title>warn: Toloka credential</title>")
	exampletest.Expect(t, http.MethodGet, url+"/tasks", http.StatusOK, "no tasks")

	exampletest.Expect(t, http.MethodGet, url+"/caller", http.StatusUnauthorized,
		`{"type":"about:blank","title":"Unauthorized","status":401,`+
			`"detail":"Send a valid API token as Authorization: ApiKey TOKEN."}`)
	metrics = exampletest.Ask(t, http.MethodGet, url+"/metrics")
	assert.Contains(t, metrics.Body, `toloka_callers_requests_total{outcome="no_token"} 1`)
	page = exampletest.Ask(t, http.MethodGet, url+"/statusz")
	assert.Contains(t, page.Body, "1 without a token")

	// Prometheus must get the metrics of a credential that fails, too.
	p.Answer(exampletest.Refuse)
	exampletest.Eventually(t, url+"/readyz", http.StatusServiceUnavailable, `{"status":"fail"}`)
	metrics = exampletest.Ask(t, http.MethodGet, url+"/metrics")
	assert.Equal(t, http.StatusOK, metrics.Status)
	assert.Contains(t, metrics.Body, `toloka_credential_reason{name="",reason="rejected"} 1`)

	service.Signal(t, syscall.SIGTERM)
	assert.Zero(t, service.Wait(t))
}

func TestBadEnvironment(t *testing.T) {
	tests := map[string]struct{ variable, want string }{
		"no amount":      {"MIN_BALANCE=much", "MIN_BALANCE: not an amount in US dollars"},
		"no minimum":     {"FAIL_ON_LOW_BALANCE=1", "FailOnLowBalance has no effect without WithMinBalance"},
		"negative":       {"MIN_BALANCE=-1", "must not be negative"},
		"service's rule": {"CHECK_INTERVAL=soon", "CHECK_INTERVAL"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			service := start(t, exampletest.NewPlatform(t), tt.variable)
			assert.Equal(t, 1, service.Wait(t))
			assert.Contains(t, service.Stderr(), tt.want)
		})
	}
}
