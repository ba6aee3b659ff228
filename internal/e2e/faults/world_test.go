package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// timeout is the client's request timeout, much longer than a healthy call on a busy machine.
const timeout = time.Second

// world is a checker, a platform, and a network in between that can be broken.
type world struct {
	checker  *health.Checker
	platform *requestertest.Platform
	url      string // of the platform itself
	token    credentials.Token
	proxy    *proxy
	log      *logBuffer

	mu    sync.Mutex
	steps []string // the changes that OnChange reported, as "status: reasons"
}

// newWorld returns a world with a checker that has not been started.
func newWorld(t *testing.T, opts ...health.Option) *world {
	t.Helper()
	platform := requestertest.NewPlatform()
	server := httptest.NewServer(platform)
	t.Cleanup(server.Close)
	return wire(t, platform, server.URL, nil, opts)
}

// newTLSWorld returns a world in which the checker uses TLS with the platform.
func newTLSWorld(t *testing.T, opts ...health.Option) *world {
	t.Helper()
	platform := requestertest.NewPlatform()
	server := httptest.NewTLSServer(platform)
	t.Cleanup(server.Close)
	clientOpts := []requester.Option{requester.WithHTTPClient(server.Client())}
	return wire(t, platform, server.URL, clientOpts, opts)
}

func wire(
	t *testing.T,
	platform *requestertest.Platform,
	address string,
	clientOpts []requester.Option,
	opts []health.Option,
) *world {
	t.Helper()
	platform.SetAccount(longAccount())
	w := &world{platform: platform, url: address, token: platform.IssueToken(""), log: &logBuffer{}}
	scheme, host, _ := strings.Cut(address, "://")
	w.proxy = startProxy(t, host)
	client, err := requester.New("", append([]requester.Option{
		requester.WithBaseURL(scheme + "://" + w.proxy.address),
		requester.WithTimeout(timeout),
	}, clientOpts...)...)
	require.NoError(t, err)
	token := func(context.Context) (credentials.Token, error) { return w.token, nil }
	w.checker, err = health.New(credentials.ProviderFunc(token),
		append([]health.Option{
			health.WithClient(client),
			health.WithLogger(slog.New(slog.NewJSONHandler(w.log, nil))),
			health.OnChange(w.changed),
		}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, w.checker.Close())
		assert.NotContains(t, w.log.text(), w.token.Reveal(), "the token was logged")
		if t.Failed() {
			t.Logf("log:\n%s", w.log.text())
		}
	})
	return w
}

// longAccount makes a response that can be truncated, and that takes long at a low bandwidth.
func longAccount() requestertest.Account {
	a := requestertest.DefaultAccount()
	for i := range 100 {
		a.PublicName[fmt.Sprintf("X%02d", i)] = "Jack Smith in another language"
	}
	return a
}

// changed is the OnChange callback.
func (w *world) changed(old, new *health.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if verdict(old) != verdict(new) {
		w.steps = append(w.steps, verdict(new))
	}
}

// told returns the changes so far.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.steps...)
}

func (w *world) verdict() string { return verdict(w.checker.Snapshot()) }

func verdict(s *health.Snapshot) string {
	var reasons []string
	for _, r := range s.State().Reasons {
		reasons = append(reasons, r.String())
	}
	return s.Status().String() + ": " + strings.Join(reasons, ",")
}

// await waits for a verdict and a state of the circuit breaker.
func (w *world) await(t *testing.T, want, breaker string) {
	t.Helper()
	process.Await(t, want, func() error {
		if s := w.checker.Snapshot(); verdict(s) != want || s.State().Breaker != breaker {
			return fmt.Errorf("%s, breaker %s", verdict(s), s.State().Breaker)
		}
		return nil
	})
}

// awaitTold waits for n changes: callbacks run shortly after a change.
func (w *world) awaitTold(t *testing.T, n int) []string {
	t.Helper()
	process.Await(t, "OnChange", func() error {
		if told := w.told(); len(told) < n {
			return errors.New(strings.Join(told, ", "))
		}
		return nil
	})
	return w.told()
}

// awaitLines waits for n log lines: a line is written shortly after a change.
func (w *world) awaitLines(t *testing.T, n int) []line {
	t.Helper()
	process.Await(t, "the log", func() error {
		if text := w.log.text(); strings.Count(text, "\n") < n {
			return errors.New(text)
		}
		return nil
	})
	return w.log.lines(t)
}

// line holds the compared attributes of a log line.
type line struct{ Level, Msg, Status, Previous, Reason, Error string }

// logBuffer collects a log. It is safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) lines(t *testing.T) []line {
	t.Helper()
	var lines []line
	for text := range strings.Lines(l.text()) {
		var one line
		require.NoError(t, json.Unmarshal([]byte(text), &one))
		lines = append(lines, one)
	}
	return lines
}
