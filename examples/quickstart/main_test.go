//go:build unix

package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m) }

// Bodies of the service's responses.
const (
	pass       = `{"status":"pass"}`
	warn       = `{"status":"warn"}`
	fail       = `{"status":"fail"}`
	theBalance = `{"usd":121.3}`
)

// keyShaped matches the platform's API keys and long parts of one.
var keyShaped = regexp.MustCompile(`[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}`)

func TestTheStory(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	started := time.Now()
	code, stdout, stderr := exampletest.Run(t, exampletest.Command{Env: []string{"TMPDIR=" + tmp}})
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	assert.Less(t, time.Since(started), 30*time.Second)

	const rotated = `msg="toloka credential rotated"`
	rest := stdout
	for _, part := range []string{
		"\n1. The service starts and verifies its token\n",
		"GET /readyz -> 503", "GET /account -> 503", "application/problem+json",
		`| level=INFO msg="toloka credential verified"`, "GET /readyz -> 200", "GET /account -> 200",
		"\n2. A load balancer polls\n", "responses with 200", "the platform was asked",
		"\n3. The platform goes down\n",
		"| level=WARN", "reason=stale", "GET /healthz -> 200", warn, "GET /account -> 200",
		"\n4. The platform comes back\n", "| level=INFO", "GET /healthz -> 200", pass,
		"\n5. The token is rotated under load\n", rotated, rotated, rotated, " requests, 0 failed.\n",
		"\n6. The token is deleted on the platform\n", "| level=ERROR", "reason=rejected",
		"GET /account -> 503", "application/problem+json", "GET /healthz -> 503", "GET /livez -> 200",
		"\n7. A new token is written to the file\n",
		"| level=INFO", "GET /healthz -> 200", "GET /account -> 200",
		"\n8. Two callers bring tokens of their own\n",
		"GET /mine of ada -> 200", "GET /mine of bob -> 200", "GET /mine of bob -> 401", "GET /mine of ada -> 200",
		"\n9. The platform goes down while callers come\n",
		"GET /mine of ada -> 200", `"stale":true`, "GET /mine of eve -> 503",
		"GET /mine of ada -> 200", `"stale":false`,
		"\n10. The service drains and exits\n",
		"GET /readyz -> 503", "GET /account -> 200", "checker closed",
		"\nAll 10 steps succeeded in ",
	} {
		_, after, found := strings.Cut(rest, part)
		require.True(t, found, "%q is missing after\n%s", part, strings.TrimSuffix(stdout, rest))
		rest = after
	}
	assert.NotRegexp(t, keyShaped, stdout)

	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left, "files were not removed")
}

func TestFailures(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	busy := taken.Addr().String()
	missing := filepath.Join(t.TempDir(), "missing")

	tests := []struct {
		name   string
		args   []string
		env    []string
		code   int
		stderr string // a pattern
	}{
		{"story_takes_too_long", []string{"-timeout", "1ns"}, nil, 1,
			`^quickstart: step 1 \(The service starts and verifies its token\) failed: ` +
				`.*deadline exceeded\n$`},
		{"no_temporary_directory", nil, []string{"TMPDIR=" + missing}, 1,
			`^quickstart: .*` + regexp.QuoteMeta(missing) + `.*: no such file or directory\n$`},
		{"address_in_use", []string{"-serve", busy}, nil, 1,
			"^quickstart: -serve " + regexp.QuoteMeta(busy) + ": .*address already in use\n$"},
		{"argument", []string{":8080"}, nil, 2, "^quickstart: takes flags only; -h shows them\n$"},
		{"unknown_flag", []string{"-server"}, nil, 2, "^flag provided but not defined: -server\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := exampletest.Run(t, exampletest.Command{Args: test.args, Env: test.env})
			assert.Equal(t, test.code, code)
			assert.Regexp(t, test.stderr, stderr)
		})
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	p := exampletest.Start(t, exampletest.Command{
		Args: []string{"-serve", "127.0.0.1:0"},
		Env:  []string{"TMPDIR=" + tmp},
	})
	p.StdoutLine(t, `msg="toloka credential verified"`)
	const loopback = `(http://127\.0\.0\.1:\d+)`
	intro := regexp.MustCompile(`The service is on ` + loopback + `, its token is in (\S+),\n` +
		`and a fake Toloka platform is on ` + loopback + `\.\n`)
	first := intro.FindStringSubmatch(p.Stdout())
	require.NotNil(t, first, p.Stdout())
	url, tokenFile, platform := first[1], first[2], first[3]

	var tokens []string
	remember := func() {
		token, err := os.ReadFile(tokenFile)
		require.NoError(t, err)
		tokens = append(tokens, strings.TrimSpace(string(token)))
	}
	control := func(do string, said string) {
		t.Helper()
		exampletest.Expect(t, http.MethodPost, platform+"/control/"+do, http.StatusOK, said)
	}
	remember()
	exampletest.Eventually(t, url+"/healthz", http.StatusOK, pass)
	exampletest.Expect(t, http.MethodGet, url+"/account", http.StatusOK, exampletest.AccountJSON)
	exampletest.Expect(t, http.MethodGet, url+"/balance", http.StatusOK, theBalance)

	var details struct{ Checks map[string][]map[string]any }
	verbose := exampletest.Ask(t, http.MethodGet, url+"/healthz?verbose")
	require.NoError(t, json.Unmarshal([]byte(verbose.Body), &details))
	assert.Equal(t, "verified", details.Checks["toloka:credential"][0]["reason"])
	account := details.Checks["toloka:account"][0]
	assert.Equal(t, "566ec2b0ff0deeaae5f9d500629de162", account["observedValue"])

	control("rotate", "there is a new token in "+tokenFile)
	remember()
	p.StdoutLine(t, `msg="toloka credential rotated"`)
	control("balance?usd=3.07", "the balance is 3.07 USD")
	exampletest.Eventually(t, url+"/healthz", http.StatusOK, warn)
	exampletest.Eventually(t, url+"/balance", http.StatusOK, `{"usd":3.07}`)
	control("balance?usd=50", "the balance is 50 USD")
	exampletest.Eventually(t, url+"/healthz", http.StatusOK, pass)
	exampletest.Expect(t, http.MethodPost, platform+"/control/balance?usd=much",
		http.StatusBadRequest, "usd is not a number; use -d usd=3")

	control("down", "the platform resets every connection")
	exampletest.Expect(t, http.MethodGet, url+"/balance", http.StatusBadGateway, "bad gateway")
	exampletest.Eventually(t, url+"/healthz", http.StatusOK, warn)
	control("up", "the platform answers")
	exampletest.Eventually(t, url+"/healthz", http.StatusOK, pass)

	control("delete", "the token in "+tokenFile+" is deleted on the platform")
	exampletest.Eventually(t, url+"/healthz", http.StatusServiceUnavailable, fail)
	control("rotate", "there is a new token in "+tokenFile)
	remember()
	exampletest.Eventually(t, url+"/healthz", http.StatusOK, pass)

	p.Signal(t, syscall.SIGTERM)
	assert.Zero(t, p.Wait(t))
	assert.Len(t, tokens, 3)
	exampletest.NoSecrets(t, "the output", p.Stdout()+p.Stderr(), tokens)
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left, "files were not removed")
}

// TestMonitor_noPrometheus runs without a PATH. internal/e2e runs it with a Prometheus.
func TestMonitor_noPrometheus(t *testing.T) {
	code, stdout, stderr := exampletest.Run(t, exampletest.Command{Args: []string{"-monitor"}})
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "quickstart: -monitor needs Prometheus: install it, so that prometheus is in the PATH "+
		"(on Debian: apt-get install prometheus)\n", stderr)
}
