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
	// RejectionType and RejectionBody are the media type and the body of a closed gate's response.
	RejectionType, RejectionBody string
}

// running is a service that listens.
type running struct {
	*Process
	url string
}

// TestService tests what the example services have in common.
func TestService(t *testing.T, s Service) {
	t.Run("healthy", s.testHealthy)
	t.Run("starting", s.testStarting)
	t.Run("cannot_start", s.testCannotStart)
	t.Run("bad_environment", s.testBadEnvironment)
	t.Run("platform", s.testPlatform)
	t.Run("rotation", s.testRotation)
	t.Run("stopping", s.testStopping)
}

// start starts a service that uses p.
func start(t *testing.T, p *Platform, env ...string) *running {
	t.Helper()
	return startAt(t, p.URL, p.Token(), env...)
}

// startAt starts a service that verifies its token every 500 ms, with additional variables. Unless
// they name a token, it is in TOLOKA_TOKEN.
func startAt(t *testing.T, baseURL, token string, env ...string) *running {
	t.Helper()
	c := Command{Secrets: []string{token}, Env: append([]string{
		"LISTEN_ADDR=127.0.0.1:0",
		"TOLOKA_BASE_URL=" + baseURL,
		"CHECK_INTERVAL=500ms", // a call has as long
		"MAX_STALE=6s",         // an open circuit breaker recovers after a quarter of it
	}, env...)}
	if !strings.Contains(strings.Join(env, " "), "TOLOKA_TOKEN") {
		c.Env = append(c.Env, "TOLOKA_TOKEN="+token)
	}
	proc := Start(t, c)
	r := &running{Process: proc, url: "http://" + address(t, proc)}
	t.Cleanup(func() { allJSON(t, proc.Stderr()) })
	return r
}

// verified waits until the service has started and verified its token.
func (r *running) verified(t *testing.T) *running {
	t.Helper()
	Eventually(t, r.url+"/startupz", http.StatusOK, pass)
	Expect(t, http.MethodGet, r.url+"/healthz", http.StatusOK, pass)
	return r
}

// address returns the address that the service listens on.
func address(t *testing.T, p *Process) string {
	t.Helper()
	var line struct{ Address string }
	err := json.Unmarshal([]byte(p.StderrLine(t, `"msg":"listening"`)), &line)
	if err != nil || line.Address == "" {
		t.Fatalf("the service does not log its address: %v", err)
	}
	return line.Address
}

// allJSON checks that every line of a log is an object with time, level and msg.
func allJSON(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var record struct{ Time, Level, Msg string }
		err := json.Unmarshal([]byte(line), &record)
		if err != nil || record.Time == "" || record.Level == "" || record.Msg == "" {
			t.Errorf("this log line is not a JSON record (%v): %s", err, line)
		}
	}
}

// exitError returns the error in the last line of a log.
func exitError(t *testing.T, log string) string {
	t.Helper()
	var record struct{ Level, Msg, Error string }
	err := json.Unmarshal([]byte(lastLine(log)), &record)
	if err != nil || record.Level != "ERROR" || record.Msg != "service stopped" {
		t.Fatalf("the last log line does not say why the service ended (%v):\n%s", err, log)
	}
	return record.Error
}

// file writes content to a temporary file that only its owner may read.
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
