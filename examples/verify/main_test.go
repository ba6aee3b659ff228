//go:build unix

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/examples/internal/exampletest"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

func TestMain(m *testing.M) { exampletest.Main(m) }

// runAt runs the command against p. Its token is in TOLOKA_TOKEN unless env overrides it.
func runAt(
	t *testing.T, p *exampletest.Platform, env []string, args ...string,
) (code int, stdout, stderr string) {
	t.Helper()
	return exampletest.Run(t, exampletest.Command{
		Args:    args,
		Env:     append([]string{"TOLOKA_BASE_URL=" + p.URL, "TOLOKA_TOKEN=" + p.Token()}, env...),
		Secrets: []string{p.Token(), exampletest.APIKey, "hunter2hunter2"},
	})
}

func TestVerified(t *testing.T) {
	t.Parallel()
	p := exampletest.NewPlatform(t)
	host := strings.TrimPrefix(p.URL, "http://")

	t.Run("table", func(t *testing.T) {
		t.Parallel()
		code, stdout, stderr := runAt(t, p, nil)
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		table, latency, _ := strings.Cut(stdout, "latency")
		assert.Equal(t, "environment  "+host+`
account      566ec2b0ff0deeaae5f9d500629de162
name         Jack Smith
company      123
balance      121.3 USD
token        AQVN…#2690c324 from env:TOLOKA_TOKEN
`, table)
		assert.Regexp(t, `^ +\d+m?s\n$`, latency)
	})
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		code, stdout, stderr := runAt(t, p, nil, "-json")
		assert.Zero(t, code)
		assert.Equal(t, exampletest.AccountJSON+"\n", stdout)
		assert.Empty(t, stderr)
	})
	t.Run("flags_override_the_environment", func(t *testing.T) {
		t.Parallel()
		code, stdout, stderr := runAt(t, p,
			[]string{"TOLOKA_BASE_URL=http://127.0.0.1:1", "TOLOKA_ENVIRONMENT=nowhere",
				"EXPECT_ACCOUNT=42"},
			"-base-url", p.URL, "-environment", "sandbox",
			"-expect-account", "566ec2b0ff0deeaae5f9d500629de162", "-json")
		assert.Zero(t, code, stderr)
		assert.Equal(t, exampletest.AccountJSON+"\n", stdout)
	})
	t.Run("account_with_only_an_id", func(t *testing.T) {
		t.Parallel()
		p := exampletest.NewPlatform(t)
		p.Answer(exampletest.Fixed(http.StatusOK, "application/json", `{"id": "42"}`))
		code, stdout, _ := runAt(t, p, nil)
		assert.Zero(t, code)
		assert.Contains(t, stdout, "account      42\ntoken        AQVN…#")
	})
	t.Run("no_control_characters", func(t *testing.T) {
		t.Parallel()
		p := exampletest.NewPlatform(t)
		p.Answer(exampletest.Fixed(http.StatusOK, "application/json",
			`{"id": "42", "public_name": {"EN": "Jack\u001b]0;owned\u0007\r\nSmith\u202e"}, `+
				`"company": {"id": "1\u009b31m\t2"}}`))
		for _, flag := range []string{"-json=false", "-json"} {
			code, stdout, _ := runAt(t, p, nil, flag)
			assert.Zero(t, code)
			assert.NotRegexp(t, "[\x00-\x09\x0b-\x1f\x7f]", stdout)
			assert.NotContains(t, stdout, "\u009b")
			assert.NotContains(t, stdout, "\u202e")
			assert.Contains(t, stdout, "Jack")
		}
	})
	t.Run("temporary_failure_is_retried", func(t *testing.T) {
		t.Parallel()
		platform := requestertest.NewServer()
		t.Cleanup(platform.Close)
		platform.SetFaults(requestertest.Sequence(requestertest.Status(503), requestertest.Status(401)))
		token := platform.IssueToken("").Reveal()
		code, stdout, stderr := exampletest.Run(t, exampletest.Command{
			Args:    []string{"-json"},
			Env:     []string{"TOLOKA_BASE_URL=" + platform.URL, "TOLOKA_TOKEN=" + token},
			Secrets: []string{token},
		})
		assert.Zero(t, code, stderr)
		assert.Equal(t, exampletest.AccountJSON+"\n", stdout)
		assert.Equal(t, 3, platform.Count())
	})
	t.Run("token_file", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(path, []byte("\ufeffApiKey "+p.Token()+"\r\n"), 0o600))
		code, stdout, stderr := runAt(t, p, []string{"TOLOKA_TOKEN=", "TOLOKA_TOKEN_FILE=" + path})
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		assert.Contains(t, stdout, " from file:"+path+"\n")
	})
}

func TestNotVerified(t *testing.T) {
	t.Parallel()
	const (
		noCredential = "verify: health: no_credential: "
		unreachable  = "verify: health: unreachable: "
		html         = "text/html"
	)
	brief := []string{"-timeout", "2s"}
	limited := exampletest.Fixed(http.StatusTooManyRequests, "application/json",
		`{"code": "TOO_MANY_REQUESTS", "request_id": "1"}`)
	tests := []struct {
		name   string
		answer http.HandlerFunc
		env    []string
		args   []string
		code   int
		stderr []string // the start of the line, and other parts
	}{
		{"refused_token", exampletest.Refuse, nil, nil, 1, []string{
			"verify: health: rejected: ",
			"answered 401 AUTHENTICATION_ERROR (request_id 90edd7d4)"}},
		{"other_account_by_flag", nil, nil, []string{"-expect-account", "42"}, 1, []string{
			"verify: health: wrong_account: ", "expected is account 42",
			"566ec2b0ff0deeaae5f9d500629de162"}},
		{"other_account_by_variable", nil, []string{"EXPECT_ACCOUNT=42"}, nil, 1,
			[]string{"verify: health: wrong_account: "}},
		{"no_token", nil, []string{"TOLOKA_TOKEN="}, nil, 2, []string{
			noCredential, "env:TOLOKA_TOKEN: ", "env:TOLOKA_TOKEN_FILE: ",
			"env:CREDENTIALS_DIRECTORY: ", "file:/run/secrets/toloka-token: "}},
		{"invalid_token", nil, []string{"TOLOKA_TOKEN=hunter2 hunter2"}, nil, 2,
			[]string{noCredential, "white space"}},
		{"both_variables", nil, []string{"TOLOKA_TOKEN_FILE=/x"}, nil, 2,
			[]string{noCredential, "TOLOKA_TOKEN and TOLOKA_TOKEN_FILE are both set"}},
		{"answers_500", exampletest.Fixed(500, html, "<h1>Oh</h1>"), nil, brief, 3,
			[]string{unreachable, "answered 500"}},
		{"hangs", exampletest.Hang, nil, brief, 3, []string{unreachable, "not within 1.8s"}},
		{"connection_refused", nil, nil, append(brief, "-base-url", "http://127.0.0.1:1"), 3,
			[]string{unreachable, "connection refused"}},
		{"rate_limit", limited, nil, brief, 3, []string{unreachable, "answered 429"}},
		{"login_page", exampletest.Fixed(200, html, "<h1>Sign in</h1>"), nil, brief, 3,
			[]string{unreachable, "base URL"}},
		{"wrong_base_URL", exampletest.Fixed(404, html, "<h1>404</h1>"), nil, nil, 3,
			[]string{unreachable, "answered 404", "base URL"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := exampletest.NewPlatform(t)
			p.Answer(test.answer)
			started := time.Now()
			code, stdout, stderr := runAt(t, p, test.env, test.args...)
			assert.Equal(t, test.code, code)
			assert.Empty(t, stdout)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "standard error must be one line: %s", stderr)
			assert.True(t, strings.HasPrefix(stderr, test.stderr[0]), stderr)
			for _, part := range test.stderr[1:] {
				assert.Contains(t, stderr, part)
			}
			assert.Less(t, time.Since(started), 9*time.Second, "longer than the timeout")
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	const hint = "set the token in TOLOKA_TOKEN, or in a file that TOLOKA_TOKEN_FILE names\n"
	p := exampletest.NewPlatform(t)
	tests := []struct {
		name string
		env  []string
		args []string
		want string // how the line starts
	}{
		{"unknown_flag", nil, []string{"-nope"},
			"flag provided but not defined: -nope (-h shows the flags)"},
		{"timeout_no_duration", nil, []string{"-timeout", "abc"},
			`invalid value "abc" for flag -timeout: parse error (-h shows the flags)`},
		{"timeout_zero", nil, []string{"-timeout", "0s"}, "-timeout 0s: must be more than zero"},
		{"timeout_negative", nil, []string{"-timeout", "-5s"}, "-timeout -5s: must be more than zero"},
		{"argument", nil, []string{"hunter2"}, "takes flags only; " + hint},
		{"token_as_argument", nil, []string{"-json", exampletest.APIKey},
			"argument 2 holds an API token; " + hint},
		{"token_as_flag_value", nil, []string{"-timeout=" + exampletest.APIKey},
			"argument 1 holds an API token; " + hint},
		{"token_in_wrong_variable", []string{"EXPECT_ACCOUNT=" + exampletest.APIKey}, nil,
			"EXPECT_ACCOUNT holds an API token; " + hint},
		{"empty_expectation", []string{"EXPECT_ACCOUNT=42"}, []string{"-expect-account", ""},
			"-expect-account: the value is empty; omit the flag for the default"},
		{"unknown_environment", nil, []string{"-environment", "staging"},
			"-environment or TOLOKA_ENVIRONMENT: requester: unknown environment "},
		{"unknown_environment_in_variable", []string{"TOLOKA_ENVIRONMENT=staging"}, nil,
			"-environment or TOLOKA_ENVIRONMENT: requester: unknown environment "},
		{"base_URL_without_scheme", nil, []string{"-base-url", "toloka.dev"},
			"-base-url or TOLOKA_BASE_URL: requester: WithBaseURL: "},
		{"plain_http", []string{"TOLOKA_BASE_URL=http://toloka.dev"}, nil,
			"-base-url or TOLOKA_BASE_URL: requester: WithBaseURL: plain http "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runAt(t, p, test.env, test.args...)
			assert.Equal(t, 2, code)
			assert.Empty(t, stdout)
			assert.True(t, strings.HasPrefix(stderr, "verify: "+test.want), stderr)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "standard error must be one line: %s", stderr)
		})
	}
	t.Run("help_shows_no_values", func(t *testing.T) {
		t.Parallel()
		env := []string{"TOLOKA_BASE_URL=https://jack:hunter2hunter2@toloka.dev"}
		code, stdout, stderr := runAt(t, p, env, "-h")
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		for _, part := range []string{
			"Usage: verify ", "-json", "-timeout", "-environment", "-base-url", "-expect-account",
			"Exit codes: 0 verified, 1 refused or of another account, 2 no credential or invalid usage,\n" +
				"3 no answer from the platform or the token's source.\n"} {
			assert.Contains(t, stdout, part)
		}
	})
}
