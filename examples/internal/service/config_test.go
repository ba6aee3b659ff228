//go:build unix

package service_test

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/examples/internal/exampletest"
	"github.com/tolokacheck/tolokacheck/examples/internal/service"
	"github.com/tolokacheck/tolokacheck/health"
)

// lookup is os.LookupEnv for variables in the form NAME=value.
func lookup(env ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, entry := range env {
			if key, value, _ := strings.Cut(entry, "="); key == name {
				return value, true
			}
		}
		return "", false
	}
}

func TestFromEnv(t *testing.T) {
	t.Run("defaults", func(t *testing.T) {
		cfg, err := service.FromEnv(lookup("LISTEN_ADDR=", "DRAIN_DELAY=", "MAX_STALE="))
		require.NoError(t, err)
		assert.Equal(t, ":8080", cfg.ListenAddr)
		assert.Zero(t, cfg.DrainDelay)
		assert.Len(t, cfg.CheckerOptions, 1, "the client only")
		assert.Empty(t, cfg.CallersOptions)
		assert.NotNil(t, cfg.Client)
	})
	t.Run("every_variable", func(t *testing.T) {
		cfg, err := service.FromEnv(lookup("LISTEN_ADDR=127.0.0.1:1", "DRAIN_DELAY=5s",
			"TOLOKA_ENVIRONMENT=sandbox", "TOLOKA_BASE_URL=http://127.0.0.1:2",
			"CHECK_INTERVAL=10s", "MAX_STALE=1m"))
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1:1", cfg.ListenAddr)
		assert.Equal(t, 5*time.Second, cfg.DrainDelay)
		assert.Len(t, cfg.CheckerOptions, 3)
		assert.Len(t, cfg.CallersOptions, 2)
		assert.Equal(t, "http://127.0.0.1:2", cfg.Client.BaseURL().String())
	})
}

func TestFromEnvErrors(t *testing.T) {
	const (
		durationHint = ": not a duration; write it like 500ms, 30s or 15m"
		tokenHint    = ": holds an API token; set it in TOLOKA_TOKEN, " +
			"or in a file that TOLOKA_TOKEN_FILE names"
	)
	tests := []struct {
		name string
		env  []string
		want string // how the error starts
	}{
		{"no_duration", []string{"CHECK_INTERVAL=abc"}, "CHECK_INTERVAL=abc" + durationHint},
		{"no_unit", []string{"MAX_STALE=5"}, "MAX_STALE=5" + durationHint},
		{"negative", []string{"DRAIN_DELAY=-1s"}, "DRAIN_DELAY=-1s: must not be negative"},
		{"zero_interval", []string{"CHECK_INTERVAL=0s"},
			"CHECK_INTERVAL or MAX_STALE: health: WithInterval(0s): "},
		{"too_short_together", []string{"MAX_STALE=1s"},
			"CHECK_INTERVAL or MAX_STALE: health: WithMaxStale(1s): must be at least 2m5s"},
		{"line_break", []string{"MAX_STALE=1\n2"}, `MAX_STALE="1\n2"` + durationHint},
		{"long_value", []string{"MAX_STALE=" + strings.Repeat("12x", 100)},
			"MAX_STALE=" + strings.Repeat("12x", 13) + "1…" + durationHint},
		{"unknown_environment", []string{"TOLOKA_ENVIRONMENT=staging"},
			"TOLOKA_ENVIRONMENT=staging: use production or sandbox"},
		{"plain_http", []string{"TOLOKA_BASE_URL=http://example.com"},
			"TOLOKA_BASE_URL=http://example.com: requester: WithBaseURL: "},
		{"password_in_URL", []string{"TOLOKA_BASE_URL=https://jack:hunter2@toloka.dev"},
			"TOLOKA_BASE_URL: requester: WithBaseURL: "},
		{"token_in_wrong_variable", []string{"LISTEN_ADDR=" + exampletest.APIKey},
			"LISTEN_ADDR" + tokenHint},
		{"same_secret_twice", []string{"LISTEN_ADDR=hunter2hunter2"}, "LISTEN_ADDR" + tokenHint},
		{"several", []string{"CHECK_INTERVAL=abc", "MAX_STALE=x"},
			"CHECK_INTERVAL=abc" + durationHint + "; MAX_STALE=x" + durationHint},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := service.FromEnv(lookup(append(tt.env, "TOLOKA_TOKEN=ApiKey hunter2hunter2")...))
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), "environment: "+tt.want), err.Error())
			exampletest.NoSecrets(t, "the error", err.Error(),
				[]string{"hunter2hunter2", exampletest.APIKey})
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestRunReportsTheAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	busy := taken.Addr().String()
	checker, err := health.New(credentials.Static("token"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = checker.Close() })
	logger := slog.New(slog.DiscardHandler)

	for addr, want := range map[string]string{
		"localhost": "LISTEN_ADDR=localhost: listen tcp: address localhost: missing port in address",
		busy:        "LISTEN_ADDR=" + busy + ": listen tcp " + busy + ": bind: address already in use",
	} {
		err := service.Run(&service.Config{ListenAddr: addr}, checker, http.NotFoundHandler(), logger)
		assert.EqualError(t, err, want)
	}
}
