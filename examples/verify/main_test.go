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

// runAt runs the command against p, with its token in TOLOKA_TOKEN unless env says otherwise.
func runAt(t *testing.T, p *exampletest.Platform, env []string, args ...string) (code int, stdout, stderr string) {
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

	t.Run("the account is a table", func(t *testing.T) {
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
	t.Run("with -json it is what the platform says", func(t *testing.T) {
		t.Parallel()
		code, stdout, stderr := runAt(t, p, nil, "-json")
		assert.Zero(t, code)
		assert.Equal(t, exampletest.AccountJSON+"\n", stdout)
		assert.Empty(t, stderr)
	})
	t.Run("flags win over the environment", func(t *testing.T) {
		t.Parallel()
		code, stdout, stderr := runAt(t, p,
			[]string{"TOLOKA_BASE_URL=http://127.0.0.1:1", "TOLOKA_ENVIRONMENT=nowhere", "EXPECT_ACCOUNT=42"},
			"-base-url", p.URL, "-environment", "sandbox", "-expect-account", "566ec2b0ff0deeaae5f9d500629de162", "-json")
		assert.Zero(t, code, stderr)
		assert.Equal(t, exampletest.AccountJSON+"\n", stdout)
	})
	t.Run("an account with nothing but an id", func(t *testing.T) {
		t.Parallel()
		p := exampletest.NewPlatform(t)
		p.Answer(exampletest.Fixed(http.StatusOK, "application/json", `{"id": "42"}`))
		code, stdout, _ := runAt(t, p, nil)
		assert.Zero(t, code)
		assert.Contains(t, stdout, "account      42\ntoken        AQVN…#")
	})
	t.Run("names cannot write on the terminal", func(t *testing.T) {
		t.Parallel()
		p := exampletest.NewPlatform(t)
		p.Answer(exampletest.Fixed(http.StatusOK, "application/json",
			`{"id": "42", "public_name": {"EN": "Jack\u001b]0;owned\u0007\r\nSmith\u202e"}, "company": {"id": "1\u009b31m\t2"}}`))
		for _, flag := range []string{"-json=false", "-json"} {
			code, stdout, _ := runAt(t, p, nil, flag)
			assert.Zero(t, code)
			assert.NotRegexp(t, "[\x00-\x09\x0b-\x1f\x7f]", stdout)
			assert.NotContains(t, stdout, "\u009b")
			assert.NotContains(t, stdout, "\u202e")
			assert.Contains(t, stdout, "Jack")
		}
	})
	t.Run("one odd answer is asked again", func(t *testing.T) {
		t.Parallel()
		platform := requestertest.NewServer()
		t.Cleanup(platform.Close)
		platform.SetFaults(requestertest.Sequence(requestertest.Status(503), requestertest.Status(401)))
		token := platform.IssueToken("").Reveal()
		code, stdout, stderr := exampletest.Run(t, exampletest.Command{
			Args: []string{"-json"}, Env: []string{"TOLOKA_BASE_URL=" + platform.URL, "TOLOKA_TOKEN=" + token}, Secrets: []string{token},
		})
		assert.Zero(t, code, stderr)
		assert.Equal(t, exampletest.AccountJSON+"\n", stdout)
		assert.Equal(t, 3, platform.Count())
	})
	t.Run("the token is read from a file", func(t *testing.T) {
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
	tests := []struct {
		name   string
		answer http.HandlerFunc
		env    []string
		args   []string
		code   int
		stderr []string // how it begins, and what else is in it
	}{
		{"a refused token", exampletest.Refuse, nil, nil, 1,
			[]string{"verify: health: rejected: the platform refuses the token: requester: http://127.0.0.1:", "answered 401 AUTHENTICATION_ERROR (request_id 90edd7d4)"}},
		{"another account, by flag", nil, nil, []string{"-expect-account", "42"}, 1,
			[]string{"verify: health: wrong_account: the token belongs to another account: account 42 was expected, the token belongs to account 566ec2b0ff0deeaae5f9d500629de162; "}},
		{"another account, by variable", nil, []string{"EXPECT_ACCOUNT=42"}, nil, 1, []string{"verify: health: wrong_account: "}},
		{"no token", nil, []string{"TOLOKA_TOKEN="}, nil, 2,
			[]string{"verify: health: no_credential: ", "env:TOLOKA_TOKEN: ", "env:TOLOKA_TOKEN_FILE: ", "env:CREDENTIALS_DIRECTORY: ", "file:/run/secrets/toloka-token: "}},
		{"a token that is none", nil, []string{"TOLOKA_TOKEN=hunter2 hunter2"}, nil, 2, []string{"verify: health: no_credential: ", "white space"}},
		{"both variables", nil, []string{"TOLOKA_TOKEN_FILE=/x"}, nil, 2, []string{"verify: health: no_credential: ", "TOLOKA_TOKEN and TOLOKA_TOKEN_FILE are both set: unset one of them"}},
		{"a platform that is out of order", exampletest.Fixed(http.StatusInternalServerError, "text/html", "<h1>Oh</h1>"), nil, []string{"-timeout", "2s"}, 3,
			[]string{"verify: health: unreachable: ", "answered 500"}},
		{"a platform that hangs", exampletest.Hang, nil, []string{"-timeout", "2s"}, 3, []string{"verify: health: unreachable: ", "not within 1.8s"}},
		{"a platform that is not there", nil, nil, []string{"-timeout", "2s", "-base-url", "http://127.0.0.1:1"}, 3, []string{"verify: health: unreachable: ", "connection refused"}},
		{"a rate limit", exampletest.Fixed(http.StatusTooManyRequests, "application/json", `{"code": "TOO_MANY_REQUESTS", "request_id": "1"}`), nil, []string{"-timeout", "2s"}, 3,
			[]string{"verify: health: unreachable: ", "answered 429"}},
		{"a login page", exampletest.Fixed(http.StatusOK, "text/html", "<h1>Sign in</h1>"), nil, []string{"-timeout", "2s"}, 3, []string{"verify: health: unreachable: ", "check the base URL"}},
		{"a source that does not answer in time", nil, nil, []string{"-timeout", "1ns"}, 3, []string{"verify: health: no_credential: ", "no answer within the 1ns of Start"}},
		{"a wrong base URL", exampletest.Fixed(http.StatusNotFound, "text/html", "<h1>404</h1>"), nil, nil, 3, []string{"verify: health: unreachable: ", "answered 404", "check the base URL"}},
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
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "lines of standard error: %s", stderr)
			assert.True(t, strings.HasPrefix(stderr, test.stderr[0]), stderr)
			for _, part := range test.stderr[1:] {
				assert.Contains(t, stderr, part)
			}
			assert.Less(t, time.Since(started), 9*time.Second, "the timeout is meant to be kept")
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	p := exampletest.NewPlatform(t)
	tests := []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"an unknown flag", nil, []string{"-nope"}, "flag provided but not defined: -nope (-h shows what there is)"},
		{"a timeout that is no duration", nil, []string{"-timeout", "abc"}, `invalid value "abc" for flag -timeout: parse error (-h shows what there is)`},
		{"a timeout of zero", nil, []string{"-timeout", "0s"}, "-timeout 0s: must be more than zero"},
		{"a timeout without end", nil, []string{"-timeout", "-5s"}, "-timeout -5s: must be more than zero"},
		{"an argument that is no flag", nil, []string{"hunter2"}, "takes flags only; tokens belong into TOLOKA_TOKEN, or a file that TOLOKA_TOKEN_FILE names"},
		{"a token as an argument", nil, []string{"-json", exampletest.APIKey}, "argument 2 holds an API token; tokens belong into TOLOKA_TOKEN, or a file that TOLOKA_TOKEN_FILE names"},
		{"a token as a flag's value", nil, []string{"-timeout=" + exampletest.APIKey}, "argument 1 holds an API token; tokens belong into TOLOKA_TOKEN, or a file that TOLOKA_TOKEN_FILE names"},
		{"a token in the wrong variable", []string{"EXPECT_ACCOUNT=" + exampletest.APIKey}, nil, "EXPECT_ACCOUNT holds an API token; tokens belong into TOLOKA_TOKEN, or a file that TOLOKA_TOKEN_FILE names"},
		{"an empty expectation", []string{"EXPECT_ACCOUNT=42"}, []string{"-expect-account", ""}, "-expect-account: the value is empty; leave the flag out for the default"},
		{"an unknown environment", nil, []string{"-environment", "staging"}, `-environment or TOLOKA_ENVIRONMENT: requester: unknown environment "staging": use "production" or "sandbox"`},
		{"an unknown environment in the variable", []string{"TOLOKA_ENVIRONMENT=staging"}, nil, `-environment or TOLOKA_ENVIRONMENT: requester: unknown environment "staging": use "production" or "sandbox"`},
		{"a base URL without a scheme", nil, []string{"-base-url", "toloka.dev"}, "-base-url or TOLOKA_BASE_URL: requester: WithBaseURL: the URL has no scheme; write it like https://toloka.dev or http://127.0.0.1:9000"},
		{"plain http to another machine", []string{"TOLOKA_BASE_URL=http://toloka.dev"}, nil, "-base-url or TOLOKA_BASE_URL: requester: WithBaseURL: " +
			`plain http to "toloka.dev" would show the token to the network; use https (http is only for a loopback address, 127.0.0.0/8 or [::1], and exactly localhost)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runAt(t, p, test.env, test.args...)
			assert.Equal(t, 2, code)
			assert.Empty(t, stdout)
			assert.Equal(t, "verify: "+test.want+"\n", stderr)
		})
	}
	t.Run("help is no error, and shows no values of the environment", func(t *testing.T) {
		t.Parallel()
		code, stdout, stderr := runAt(t, p, []string{"TOLOKA_BASE_URL=https://jack:hunter2hunter2@toloka.dev"}, "-h")
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		for _, part := range []string{"Usage: verify ", "-json", "-timeout", "-environment", "-base-url", "-expect-account",
			"Exit codes: 0 verified, 1 refused or of another account, 2 no credential or bad usage, 3 no answer from the platform or the token's source."} {
			assert.Contains(t, stdout, part)
		}
	})
}
