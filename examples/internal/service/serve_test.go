//go:build unix

package service_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/examples/internal/service"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a service that runs in the test's own process.
type served struct {
	checker  *health.Checker
	platform *requestertest.Platform
	path     string // of the token's file
	listener net.Listener
	log      *logBuffer
	done     chan error // receives the result of Serve
}

// serve starts Serve in the background.
func serve(t *testing.T, drainDelay time.Duration, handler http.Handler) *served {
	t.Helper()
	s := newServed(t)
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	go func() { s.done <- service.Serve(s.listener, drainDelay, s.checker, handler, logger) }()
	require.NoError(t, s.checker.WaitVerified(t.Context()))
	return s
}

func newServed(t *testing.T) *served {
	t.Helper()
	s := &served{
		platform: requestertest.NewPlatform(),
		path:     filepath.Join(t.TempDir(), "token"),
		log:      &logBuffer{},
		done:     make(chan error, 1),
	}
	s.write(t, s.platform.IssueToken("").Reveal())
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(s.platform.Client()))
	require.NoError(t, err)
	s.checker, err = health.New(credentials.File(s.path),
		health.WithClient(client), health.WithPollInterval(time.Hour))
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.checker.Close() })
	s.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return s
}

// write replaces the token's file in one step.
func (s *served) write(t *testing.T, token string) {
	t.Helper()
	require.NoError(t, os.WriteFile(s.path+".new", []byte(token), 0o600))
	require.NoError(t, os.Rename(s.path+".new", s.path))
}

func signalSelf(t *testing.T, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(os.Getpid(), sig))
}

func eventually(t *testing.T, condition func() bool, message string) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, 10*time.Millisecond, message)
}

// The built examples test how a service starts, answers and stops. These are the cases that no
// example has a route or an option for.
func TestServe(t *testing.T) {
	t.Run("request_in_flight_at_SIGTERM_is_answered", func(t *testing.T) {
		arrived, finish := make(chan struct{}), make(chan struct{})
		s := serve(t, 0, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			<-finish
			w.WriteHeader(http.StatusTeapot)
		}))
		address := s.listener.Addr().String()
		answer := make(chan int, 1)
		go func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Get("http://" + address)
			if err != nil {
				answer <- 0
				return
			}
			_ = resp.Body.Close()
			answer <- resp.StatusCode
		}()
		<-arrived
		signalSelf(t, syscall.SIGTERM)
		eventually(t, func() bool {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		}, "the service still listens")
		close(finish)
		assert.Equal(t, http.StatusTeapot, <-answer)
		assert.NoError(t, <-s.done)
	})
	t.Run("repeated_SIGTERM_within_a_second_is_ignored", func(t *testing.T) {
		const drainDelay = 300 * time.Millisecond
		s := serve(t, drainDelay, http.NotFoundHandler())
		begin := time.Now()
		signalSelf(t, syscall.SIGTERM)
		draining := func() bool { return s.checker.Snapshot().State().Draining }
		eventually(t, draining, "the service does not drain")
		signalSelf(t, syscall.SIGTERM) // without a handler it would end the test
		assert.NoError(t, <-s.done)
		assert.GreaterOrEqual(t, time.Since(begin), drainDelay)
	})
	t.Run("SIGHUP_reads_the_token_again", func(t *testing.T) {
		s := serve(t, 0, http.NotFoundHandler())
		next := s.platform.IssueToken("")
		s.write(t, next.Reveal())
		signalSelf(t, syscall.SIGHUP)
		eventually(t, func() bool {
			return s.log.contains(`msg="refreshed on SIGHUP" token.fingerprint=` + next.Fingerprint())
		}, "the token was not read")

		s.write(t, "two words")
		signalSelf(t, syscall.SIGHUP)
		eventually(t, func() bool {
			return s.log.contains(`level=WARN msg="refresh on SIGHUP failed" error=`)
		}, "the failure was not logged")
		assert.NoError(t, s.checker.Check(t.Context()), "the verified token stays in use")
		signalSelf(t, syscall.SIGTERM)
		assert.NoError(t, <-s.done)
	})
	t.Run("failed_listener_is_an_error", func(t *testing.T) {
		s := serve(t, 0, http.NotFoundHandler())
		require.NoError(t, s.listener.Close())
		err := <-s.done
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.ErrorContains(t, err, "serving "+s.listener.Addr().String()+": ")
	})
	t.Run("closed_checker_does_not_start", func(t *testing.T) {
		s := newServed(t)
		require.NoError(t, s.checker.Close())
		logger := slog.New(slog.DiscardHandler)
		err := service.Serve(s.listener, 0, s.checker, http.NotFoundHandler(), logger)
		assert.ErrorIs(t, err, health.ErrClosed)
		_, err = net.Dial("tcp", s.listener.Addr().String())
		assert.Error(t, err, "the service still listens")
	})
}

// logBuffer collects log lines; it is safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), text)
}
