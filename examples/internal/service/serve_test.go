//go:build unix

package service_test

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
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

// What a service promises to the outside is tested on the built examples. Here is what they have no route for.
func TestServe(t *testing.T) {
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	require.NoError(t, err)
	newChecker := func(t *testing.T) *health.Checker {
		checker, err := health.New(credentials.Static(platform.IssueToken("").Reveal()), health.WithClient(client))
		require.NoError(t, err)
		t.Cleanup(func() { _ = checker.Close() })
		return checker
	}
	listen := func(t *testing.T) net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		return listener
	}

	t.Run("a request that is under way at SIGTERM is answered", func(t *testing.T) {
		checker, listener := newChecker(t), listen(t)
		arrived, finish := make(chan struct{}), make(chan struct{})
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			<-finish
			w.WriteHeader(http.StatusTeapot)
		})
		served := make(chan error, 1)
		go func() { served <- service.Serve(listener, 0, checker, handler, slog.New(slog.DiscardHandler)) }()
		require.NoError(t, checker.WaitVerified(t.Context()))

		answer := make(chan int, 1)
		go func() {
			resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + listener.Addr().String())
			if err != nil {
				answer <- 0
				return
			}
			_ = resp.Body.Close()
			answer <- resp.StatusCode
		}()
		<-arrived
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		}, 20*time.Second, 10*time.Millisecond, "the service still listens")
		close(finish)
		assert.Equal(t, http.StatusTeapot, <-answer)
		assert.NoError(t, <-served)
	})
	t.Run("a listener that breaks is an error", func(t *testing.T) {
		checker, listener := newChecker(t), listen(t)
		address := listener.Addr().String()
		served := make(chan error, 1)
		go func() {
			served <- service.Serve(listener, 0, checker, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
		}()
		require.NoError(t, checker.WaitVerified(t.Context()))
		require.NoError(t, listener.Close())
		err := <-served
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.ErrorContains(t, err, "serving "+address+": ")
	})
	t.Run("a checker that is closed already does not start", func(t *testing.T) {
		checker, listener := newChecker(t), listen(t)
		require.NoError(t, checker.Close())
		err := service.Serve(listener, 0, checker, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
		assert.True(t, errors.Is(err, health.ErrClosed), err)
		_, err = net.Dial("tcp", listener.Addr().String())
		assert.Error(t, err, "the service still listens")
	})
}
