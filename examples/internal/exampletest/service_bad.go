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
	unreadable := filepath.Join(dir, "is-a-directory")
	if err := os.Mkdir(unreadable, 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		env    []string
		want   []string // parts of the error
	}{
		{"no token anywhere", nil, []string{"TOLOKA_TOKEN="}, []string{
			"health: no_credential: ", "env:TOLOKA_TOKEN: ", "env:TOLOKA_TOKEN_FILE: not set", "env:CREDENTIALS_DIRECTORY: not set",
			"/run/secrets/toloka-token: ", "set TOLOKA_TOKEN to an API token",
		}},
		{"both variables", nil, []string{"TOLOKA_TOKEN=abc", "TOLOKA_TOKEN_FILE=/x"}, []string{"TOLOKA_TOKEN and TOLOKA_TOKEN_FILE are both set: unset one of them"}},
		{"an empty file", nil, []string{"TOLOKA_TOKEN_FILE=" + file(t, "\n")}, []string{"health: no_credential: ", "TOLOKA_TOKEN_FILE=", "empty"}},
		{"a directory", nil, []string{"TOLOKA_TOKEN_FILE=" + unreadable}, []string{"health: no_credential: ", "directory"}},
		{"a file that is not there", nil, []string{"TOLOKA_TOKEN_FILE=" + filepath.Join(dir, "missing")}, []string{"health: no_credential: ", filepath.Join(dir, "missing")}},
		{"a refused token", Refuse, nil, []string{"health: rejected: ", "answered 401 AUTHENTICATION_ERROR (request_id 90edd7d4)", "generate a new"}},
		{"a token of another account", nil, []string{"EXPECT_ACCOUNT=42"}, []string{"health: wrong_account: ", "account 42 was expected", "566ec2b0ff0deeaae5f9d500629de162"}},
		{"something else than the platform", Fixed(http.StatusNotFound, "text/html", "<h1>Not here</h1>"), nil, []string{"answered 404", "check the base URL"}},
		{"a login page in front", Fixed(http.StatusForbidden, "text/html", "<h1>Who are you?</h1>"), nil, []string{"answered 403", "check the base URL"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := NewPlatform(t)
			p.Answer(test.answer)
			r := start(t, p, test.env...)
			if code := r.Wait(t); code != 1 {
				t.Errorf("exit code %d, not 1", code)
			}
			got := exitError(t, r.Stderr())
			for _, part := range test.want {
				if !strings.Contains(got, part) {
					t.Errorf("%q is missing in the error: %s", part, got)
				}
			}
			if _, err := ask(t, http.MethodGet, r.url+"/livez"); err == nil {
				t.Error("somebody still answers")
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

	tests := []struct{ name, env, want string }{
		{"an interval that is no duration", "CHECK_INTERVAL=abc", "environment: CHECK_INTERVAL=abc: not a duration; write it like 500ms, 30s or 15m"},
		{"a timeout without a unit", "CHECK_TIMEOUT=5", "environment: CHECK_TIMEOUT=5: not a duration; write it like 500ms, 30s or 15m"},
		{"a negative duration", "POLL_INTERVAL=-5s", "environment: POLL_INTERVAL=-5s: must be more than zero"},
		{"a duration of zero", "BREAKER_OPEN=0s", "environment: BREAKER_OPEN=0s: must be more than zero"},
		{"a MAX_STALE that is too short", "MAX_STALE=1s", "environment: MAX_STALE, CHECK_INTERVAL and CHECK_TIMEOUT do not fit together: " +
			"health: WithMaxStale(1s): must be at least 2m5s, twice the interval (1m0s) plus the client's timeout (5s), or one slow answer would close the gate"},
		{"a negative delay", "DRAIN_DELAY=-1s", "environment: DRAIN_DELAY=-1s: must not be less than zero"},
		{"a balance that is no number", "MIN_BALANCE=x", "environment: MIN_BALANCE=x: not a number; write it in US dollars, like 50 or 12.50"},
		{"a value with a line break", "MIN_BALANCE=1\n2", `environment: MIN_BALANCE="1\n2": not a number; write it in US dollars, like 50 or 12.50`},
		{"a value that is very long", "MIN_BALANCE=" + strings.Repeat("12x", 100), "environment: MIN_BALANCE=" + strings.Repeat("12x", 13) + "1…: not a number; write it in US dollars, like 50 or 12.50"},
		{"an environment that does not exist", "TOLOKA_ENVIRONMENT=staging", "environment: TOLOKA_ENVIRONMENT=staging: use production or sandbox"},
		{"a switch that is neither on nor off", "HEALTH_DETAILS=maybe", "environment: HEALTH_DETAILS=maybe: use 1 or 0"},
		{"plain http to another machine", "TOLOKA_BASE_URL=http://example.com", "environment: TOLOKA_BASE_URL=http://example.com: " +
			`requester: WithBaseURL: plain http to "example.com" would show the token to the network; use https (http is only for a loopback address, 127.0.0.0/8 or [::1], and exactly localhost)`},
		{"a base URL without a scheme", "TOLOKA_BASE_URL=toloka.dev", "environment: TOLOKA_BASE_URL=toloka.dev: " +
			"requester: WithBaseURL: the URL has no scheme; write it like https://toloka.dev or http://127.0.0.1:9000"},
		{"a password in the base URL", "TOLOKA_BASE_URL=https://jack:hunter2@toloka.dev", "environment: TOLOKA_BASE_URL: " +
			"requester: WithBaseURL: the URL has a user or password before an @; remove it, the token is sent in the Authorization header only"},
		{"a token in the wrong variable", "EXPECT_ACCOUNT=" + APIKey, "environment: EXPECT_ACCOUNT: holds an API token, which belongs into TOLOKA_TOKEN or a file that TOLOKA_TOKEN_FILE names"},
		{"the same secret in two variables", "LISTEN_ADDR=hunter2hunter2", "environment: LISTEN_ADDR: holds an API token, which belongs into TOLOKA_TOKEN or a file that TOLOKA_TOKEN_FILE names"},
		{"an address without a port", "LISTEN_ADDR=localhost", "LISTEN_ADDR=localhost: listen tcp: address localhost: missing port in address"},
		{"an address that is taken", "LISTEN_ADDR=" + busy, "LISTEN_ADDR=" + busy + ": listen tcp " + busy + ": bind: address already in use"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := Run(t, Command{Env: []string{"TOLOKA_TOKEN=ApiKey hunter2hunter2", test.env}, Secrets: []string{APIKey, "hunter2hunter2"}})
			if got := exitError(t, stderr); got != test.want {
				t.Errorf("the error is\n%s\nand not\n%s", got, test.want)
			}
			if code != 1 || stdout != "" {
				t.Errorf("exit code %d, standard output %q", code, stdout)
			}
			allJSON(t, stderr)
		})
	}
	t.Run("everything that is wrong is said at once", func(t *testing.T) {
		t.Parallel()
		_, _, stderr := Run(t, Command{Env: []string{"CHECK_INTERVAL=abc", "MIN_BALANCE=x"}})
		want := "environment: CHECK_INTERVAL=abc: not a duration; write it like 500ms, 30s or 15m; MIN_BALANCE=x: not a number; write it in US dollars, like 50 or 12.50"
		if got := exitError(t, stderr); got != want {
			t.Errorf("the error is\n%s\nand not\n%s", got, want)
		}
	})
}
