package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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

// timeout is the client's: long against what a healthy call takes, on a busy machine too.
const timeout = time.Second

// world is a checker, a platform, and a network between the two that can be broken.
type world struct {
	checker  *health.Checker
	platform *requestertest.Server
	token    credentials.Token
	proxy    *proxy
	log      *logBuffer

	mu    sync.Mutex
	steps []string // what OnChange told, as "status: reasons"
}

// newWorld makes a world in which nothing has been started.
func newWorld(t *testing.T, opts ...health.Option) *world {
	t.Helper()
	platform := requestertest.NewServer()
	platform.SetAccount(longAccount())
	t.Cleanup(platform.Close)
	w := wire(t, platform, strings.TrimPrefix(platform.URL, "http://"), "http://", nil, opts)
	return w
}

// newTLSWorld makes a world in which the checker speaks TLS with the platform, through the proxy.
func newTLSWorld(t *testing.T, opts ...health.Option) *world {
	t.Helper()
	platform := requestertest.NewTLSServer()
	platform.SetAccount(longAccount())
	t.Cleanup(platform.Close)
	return wire(t, platform, strings.TrimPrefix(platform.URL, "https://"), "https://",
		[]requester.Option{requester.WithHTTPClient(platform.Client())}, opts)
}

func wire(t *testing.T, platform *requestertest.Server, upstream, scheme string, clientOpts []requester.Option, opts []health.Option) *world {
	t.Helper()
	w := &world{platform: platform, token: platform.IssueToken(""), log: &logBuffer{}}
	w.proxy = startProxy(t, upstream)
	client, err := requester.New("", append([]requester.Option{
		requester.WithBaseURL(scheme + w.proxy.address),
		requester.WithTimeout(timeout),
	}, clientOpts...)...)
	require.NoError(t, err)
	w.checker, err = health.New(
		credentials.ProviderFunc(func(context.Context) (credentials.Token, error) { return w.token, nil }),
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

// longAccount is long enough for its answer to be cut off in the middle, and to take long where it drips.
func longAccount() requestertest.Account {
	a := requestertest.DefaultAccount()
	for i := range 100 {
		a.PublicName[fmt.Sprintf("X%02d", i)] = "Jack Smith, in a language of his own"
	}
	return a
}

// changed is told by the checker.
func (w *world) changed(old, new *health.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if verdict(old) != verdict(new) {
		w.steps = append(w.steps, verdict(new))
	}
}

// told returns what the checker has told so far.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.steps...)
}

func (w *world) verdict() string { return verdict(w.checker.Snapshot()) }

func verdict(s *health.Snapshot) string { return s.Status().String() + ": " + s.Reasons().String() }

// await waits for a verdict and a state of the circuit breaker.
func (w *world) await(t *testing.T, want, breaker string) {
	t.Helper()
	process.Await(t, want, func() error {
		if s := w.checker.Snapshot(); verdict(s) != want || s.Breaker() != breaker {
			return fmt.Errorf("%s, breaker %s", verdict(s), s.Breaker())
		}
		return nil
	})
}

// awaitTold waits until the checker has told of that many changes: its callbacks come a moment after the change.
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

// awaitLines waits until the log has that many lines: a line is written a moment after the change, and after or before the callback.
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

// line is what matters of a line of the log.
type line struct{ Level, Msg, Status, Previous, Reason, Error string }

// logBuffer keeps a log.
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
