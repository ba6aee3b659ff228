package exampletest

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Bodies of the health endpoints.
const (
	pass = `{"status":"pass"}`
	warn = `{"status":"warn"}`
	fail = `{"status":"fail"}`
)

// Service is an example service as TestService runs it.
type Service struct {
	// RejectionType and RejectionBody are the media type and the body of the answer of a closed gate.
	RejectionType, RejectionBody string
}

// running is a service that listens.
type running struct {
	*Process
	url string
}

// TestService runs the program as the services of the examples promise to behave, all of them in the same way.
func TestService(t *testing.T, s Service) {
	t.Run("healthy", s.testHealthy)
	t.Run("starting", s.testStarting)
	t.Run("cannot start", s.testCannotStart)
	t.Run("bad environment", s.testBadEnvironment)
	t.Run("platform", s.testPlatform)
	t.Run("rotation", s.testRotation)
	t.Run("stopping", s.testStopping)
}

// start starts a service at p.
func start(t *testing.T, p *Platform, env ...string) *running {
	t.Helper()
	return startAt(t, p.URL, p.Token(), env...)
}

// startAt starts a service that asks a platform every 100 ms, with variables on top. Unless they say otherwise the token is
// in TOLOKA_TOKEN.
func startAt(t *testing.T, baseURL, token string, env ...string) *running {
	t.Helper()
	c := Command{Secrets: []string{token}, Env: append([]string{
		"LISTEN_ADDR=127.0.0.1:0",
		"TOLOKA_BASE_URL=" + baseURL,
		"CHECK_INTERVAL=100ms",
		"CHECK_TIMEOUT=5s",
		"POLL_INTERVAL=50ms",
		"BREAKER_OPEN=200ms",
	}, env...)}
	if !strings.Contains(strings.Join(env, " "), "TOLOKA_TOKEN") {
		c.Env = append(c.Env, "TOLOKA_TOKEN="+token)
	}
	proc := Start(t, c)
	r := &running{Process: proc, url: "http://" + address(t, proc)}
	t.Cleanup(func() { allJSON(t, proc.Stderr()) })
	return r
}

// verified waits until the service is up and its token verified.
func (r *running) verified(t *testing.T) *running {
	t.Helper()
	Eventually(t, r.url+"/startupz", http.StatusOK, pass)
	Expect(t, http.MethodGet, r.url+"/healthz", http.StatusOK, pass)
	return r
}

// address returns where the service listens.
func address(t *testing.T, p *Process) string {
	t.Helper()
	var line struct{ Address string }
	if err := json.Unmarshal([]byte(p.StderrLine(t, `"msg":"listening"`)), &line); err != nil || line.Address == "" {
		t.Fatalf("the service does not log where it listens: %v", err)
	}
	return line.Address
}

// allJSON checks that every line of a log is an object with time, level and msg.
func allJSON(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var record struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Time == "" || record.Level == "" || record.Msg == "" {
			t.Errorf("this line of the log is not a record in JSON (%v): %s", err, line)
		}
	}
}

// exitError is the error of the last line of a log, which says why the service does not run.
func exitError(t *testing.T, log string) string {
	t.Helper()
	var record struct{ Level, Msg, Error string }
	if err := json.Unmarshal([]byte(lastLine(log)), &record); err != nil || record.Level != "ERROR" || record.Msg != "service cannot run" {
		t.Fatalf("the last line of the log does not say why the service ended (%v):\n%s", err, log)
	}
	return record.Error
}

// file writes content to a file of the test's own, which only its owner may read.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	overwrite(t, path, content)
	return path
}

// overwrite replaces a file in one step, as `mv` does.
func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
