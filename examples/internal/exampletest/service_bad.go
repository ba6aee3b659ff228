package exampletest

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (s Service) testCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	directory := filepath.Join(dir, "is-a-directory")
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	const html = "text/html"
	tests := []struct {
		name   string
		answer http.HandlerFunc
		env    []string
		want   []string // parts of the error
	}{
		{"no_token", nil, []string{"TOLOKA_TOKEN="}, []string{
			"health: no_credential: ", "env:TOLOKA_TOKEN: ", "env:TOLOKA_TOKEN_FILE: ",
			"env:CREDENTIALS_DIRECTORY: ", "/run/secrets/toloka-token: "}},
		{"both_variables", nil, []string{"TOLOKA_TOKEN=abc", "TOLOKA_TOKEN_FILE=/x"},
			[]string{"TOLOKA_TOKEN and TOLOKA_TOKEN_FILE are both set"}},
		{"empty_file", nil, []string{"TOLOKA_TOKEN_FILE=" + file(t, "\n")},
			[]string{"health: no_credential: ", "TOLOKA_TOKEN_FILE=", "empty"}},
		{"directory", nil, []string{"TOLOKA_TOKEN_FILE=" + directory},
			[]string{"health: no_credential: ", "directory"}},
		{"missing_file", nil, []string{"TOLOKA_TOKEN_FILE=" + missing},
			[]string{"health: no_credential: ", missing}},
		{"refused_token", Refuse, nil, []string{"health: rejected: ",
			"answered 401 AUTHENTICATION_ERROR (request_id 90edd7d4)"}},
		{"not_the_platform", Fixed(http.StatusNotFound, html, "<h1>Not here</h1>"), nil,
			[]string{"answered 404", "base URL"}},
		{"login_page", Fixed(http.StatusForbidden, html, "<h1>Who are you?</h1>"), nil,
			[]string{"answered 403", "base URL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := NewPlatform(t)
			p.Answer(tt.answer)
			r := start(t, p, tt.env...)
			if code := r.Wait(t); code != 1 {
				t.Errorf("exit code %d, not 1", code)
			}
			got := exitError(t, r.Stderr())
			for _, part := range tt.want {
				if !strings.Contains(got, part) {
					t.Errorf("%q is missing in the error: %s", part, got)
				}
			}
			if _, err := ask(t, http.MethodGet, r.url+"/livez"); err == nil {
				t.Error("the service still answers")
			}
		})
	}
}

func (s Service) testBadEnvironment(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	busy := taken.Addr().String()

	const hint = ": not a duration; write it like 500ms, 30s or 15m"
	tests := []struct {
		name, env string
		want      string // how the error starts
	}{
		{"no_duration", "CHECK_INTERVAL=abc", "CHECK_INTERVAL" + hint},
		{"no_unit", "MAX_STALE=5", "MAX_STALE" + hint},
		{"token_as_duration", "DRAIN_DELAY=" + APIKey, "DRAIN_DELAY" + hint},
		{"negative", "CHECK_INTERVAL=-5s", "health: WithInterval(-5s): "},
		{"too_short_together", "MAX_STALE=1s", "health: WithMaxStale(1s): must be at least 2m5s"},
		{"unknown_environment", "TOLOKA_ENVIRONMENT=staging",
			`requester: unknown environment "staging": `},
		{"plain_http", "TOLOKA_BASE_URL=http://example.com",
			"requester: WithBaseURL: plain http to "},
		{"no_port", "LISTEN_ADDR=localhost",
			"LISTEN_ADDR: listen tcp: address localhost: missing port in address"},
		{"address_in_use", "LISTEN_ADDR=" + busy,
			"LISTEN_ADDR: listen tcp " + busy + ": bind: address already in use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			secrets := []string{APIKey, "hunter2hunter2"}
			code, stdout, stderr := Run(t, Command{
				Env:     []string{"TOLOKA_TOKEN=ApiKey hunter2hunter2", tt.env},
				Secrets: secrets,
			})
			if got := exitError(t, stderr); !strings.HasPrefix(got, tt.want) {
				t.Errorf("the error is\n%s\nand does not start with\n%s", got, tt.want)
			}
			if code != 1 || stdout != "" {
				t.Errorf("exit code %d, standard output %q", code, stdout)
			}
			allJSON(t, stderr)
		})
	}
}
