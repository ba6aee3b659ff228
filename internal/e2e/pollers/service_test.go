package pollers_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// Bodies of the services' responses.
const (
	warn    = `{"status":"warn"}`
	account = `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,` +
		`"public_name":{"EN":"Jack Smith"},` +
		`"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`
)

// service is a running example service.
type service struct {
	*process.Process
	address string
}

// tokenFile is the file with the token of the services.
type tokenFile struct {
	path string
	held []credentials.Token // all tokens so far, the current one last
}

func newTokenFile(t *testing.T, token credentials.Token) *tokenFile {
	t.Helper()
	f := &tokenFile{path: filepath.Join(t.TempDir(), "token")}
	f.write(t, token)
	return f
}

// write replaces the file in one step.
func (f *tokenFile) write(t *testing.T, token credentials.Token) {
	t.Helper()
	f.held = append(f.held, token)
	next := f.path + ".next"
	require.NoError(t, os.WriteFile(next, []byte(token.Reveal()+"\n"), 0o600))
	require.NoError(t, os.Rename(next, f.path))
}

// start starts a service on address, with additional variables, and waits until it has started.
func start(t *testing.T, name, address string, p *platform, tokens *tokenFile, env ...string) *service {
	t.Helper()
	s := &service{address: address}
	s.Process = process.Start(t, filepath.Join(binaries, name), append([]string{
		"LISTEN_ADDR=" + address,
		"TOLOKA_BASE_URL=" + p.url(),
		"TOLOKA_TOKEN_FILE=" + tokens.path,
		"CHECK_INTERVAL=500ms", // a call has as long
		"MAX_STALE=10s",        // an open circuit breaker recovers after a quarter of it
	}, env...))
	t.Cleanup(func() {
		assert.NotContains(t, s.Output(), "DATA RACE")
		for _, token := range tokens.held {
			assert.NotContains(t, s.Output(), token.Reveal(), "a token was logged")
		}
	})
	process.Await(t, name+" to start", func() error { return get(s.url("/startupz"), http.StatusOK, "") })
	return s
}

func (s *service) url(path string) string { return "http://" + s.address + path }

// stopped waits for the end of a service that was asked to stop.
func (s *service) stopped(t *testing.T) {
	t.Helper()
	require.Zero(t, s.Wait(t), "exit code")
}

// client makes a connection per request.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

// get makes a request and returns an error if the status is not the given one, or the body is not
// the given one; "" accepts any body.
func get(url string, status int, body string) error {
	got, text, _, err := ask(url)
	switch {
	case err != nil:
		return err
	case got != status || body != "" && text != body:
		return fmt.Errorf("GET %s: %d %q, not %d %q", url, got, text, status, body)
	default:
		return nil
	}
}

// ask makes a request. It trims white space around the body.
func ask(url string) (status int, body string, header http.Header, err error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text)), resp.Header, err
}
