package health_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// What a service hands to the checker can be careless. None of it may stop the checker, keep a gate open or show the token.

const carelessTimeout = 300 * time.Millisecond

// lockedProvider guards its token by a lock that its Describe takes too, as many a provider does.
type lockedProvider struct {
	lock  chan struct{}
	hangs atomic.Bool
	until chan struct{}
}

func (p *lockedProvider) Token(context.Context) (credentials.Token, error) {
	p.lock <- struct{}{}
	defer func() { <-p.lock }()
	if p.hangs.Load() {
		<-p.until
	}
	return credentials.ParseToken(tokenA)
}

func (p *lockedProvider) Describe() string {
	p.lock <- struct{}{}
	defer func() { <-p.lock }()
	return "locked"
}

// describedProvider has a Describe of the test's choice.
type describedProvider struct{ describe func() string }

func (describedProvider) Token(context.Context) (credentials.Token, error) {
	return credentials.ParseToken(tokenA)
}
func (p describedProvider) Describe() string { return p.describe() }

// comesBack fails the test, in place of hanging with it, when f is blocked.
func comesBack(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Error("blocked")
	}
}

func newCarelessChecker(t *testing.T, p credentials.Provider, transport http.RoundTripper, opts ...health.Option) *health.Checker {
	t.Helper()
	client, err := requester.New(requester.Production, requester.WithTimeout(carelessTimeout), requester.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	c, err := health.New(p, append([]health.Option{health.WithClient(client), health.WithJitter(0.5)}, opts...)...)
	require.NoError(t, err)
	return c
}

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func accepting(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(goodAccount)), Request: r}, nil
}

func TestCarelessProviders(t *testing.T) {
	t.Run("a provider that hangs with the lock of its Describe held does not keep the gate open", func(t *testing.T) {
		p := &lockedProvider{lock: make(chan struct{}, 1), until: make(chan struct{})}
		release := sync.OnceFunc(func() { close(p.until) })
		defer release()
		var down atomic.Bool
		c := newCarelessChecker(t, p, roundTripperFunc(func(r *http.Request) (*http.Response, error) {
			if down.Load() {
				return nil, errors.New("down")
			}
			return accepting(r)
		}), health.WithInterval(carelessTimeout), health.WithMaxStale(time.Second), health.WithSourceTimeout(50*time.Millisecond))
		require.NoError(t, c.Start(t.Context()))
		down.Store(true)
		p.hangs.Store(true)
		assert.Eventually(t, func() bool { return c.Snapshot().Reason() == health.ReasonUnreachable }, 3*time.Second, 5*time.Millisecond,
			"the last good answer has become too old")
		comesBack(t, func() {
			c.Drain()
			c.Close()
		})
	})
	t.Run("a Describe that panics fails nothing", func(t *testing.T) {
		var panics atomic.Bool
		c := newCarelessChecker(t, describedProvider{func() string {
			if panics.Load() {
				panic(tokenA)
			}
			return "described"
		}}, roundTripperFunc(accepting))
		panics.Store(true)
		comesBack(t, func() {
			assert.NotPanics(t, func() { assert.NoError(t, c.Start(context.Background())) })
			assert.Equal(t, health.StatusPass, c.Snapshot().Status())
		})
		comesBack(t, func() { assert.NoError(t, c.Close()) })
	})
	t.Run("a Describe that calls the checker back does not block it", func(t *testing.T) {
		var self atomic.Pointer[health.Checker]
		c := newCarelessChecker(t, describedProvider{func() string {
			if c := self.Load(); c != nil {
				c.Drain()
			}
			return "described"
		}}, roundTripperFunc(accepting))
		self.Store(c)
		comesBack(t, func() {
			assert.NoError(t, c.Start(context.Background()))
			assert.NoError(t, c.Close())
		})
	})
}

func TestCarelessCallbacks(t *testing.T) {
	t.Run("a callback that ends its goroutine is called again at the next change", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			c := newCarelessChecker(t, credentials.Static(tokenA), roundTripperFunc(accepting), health.OnChange(func(_, _ *health.Snapshot) {
				if calls.Add(1) == 1 {
					runtime.Goexit() // as t.FailNow does
				}
			}))
			require.NoError(t, c.Start(t.Context()))
			synctest.Wait()
			before := calls.Load()
			c.Drain()
			synctest.Wait()
			assert.Greater(t, calls.Load(), before)
			assert.NoError(t, c.Close())
		})
	})
}

func TestCarelessTransports(t *testing.T) {
	t.Run("one that never comes back holds up neither the others nor Close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var hangs atomic.Bool
			c := newCarelessChecker(t, credentials.Static(tokenA), roundTripperFunc(func(r *http.Request) (*http.Response, error) {
				if hangs.Load() {
					<-release // the request's context is ignored
				}
				return accepting(r)
			}))
			require.NoError(t, c.Start(t.Context()))
			hangs.Store(true)
			time.Sleep(62 * time.Second)
			assert.Equal(t, "warn: stale", verdictOf(c.Snapshot()))
			time.Sleep(15 * time.Minute)
			assert.Equal(t, "fail: unreachable", verdictOf(c.Snapshot()))
			begin := time.Now()
			assert.NoError(t, c.Close())
			assert.Zero(t, time.Since(begin))
			close(release)
		})
	})
	t.Run("an error with a token that is cut in two shows neither half", func(t *testing.T) {
		for at := 100; at < 210; at += 3 { // what an error shows of a cause has 200 bytes
			synctest.Test(t, func(t *testing.T) {
				c := newCarelessChecker(t, credentials.Static(tokenA), roundTripperFunc(func(r *http.Request) (*http.Response, error) {
					return nil, errors.New(strings.Repeat("x", at) + " " + r.Header.Get("Authorization") + " was not liked")
				}), health.WithStartupTimeout(500*time.Millisecond)) // one call
				require.NoError(t, c.Start(t.Context()))
				require.ErrorContains(t, c.Snapshot().Cause(), "xxxx")
				require.NotContains(t, c.Snapshot().Cause().Error(), tokenA[:6], "at %d", at)
				require.NoError(t, c.Close())
			})
		}
	})
	t.Run("a server that goes on talking after its answer has nothing of it in the standard logger", func(t *testing.T) {
		var standard bytes.Buffer
		log.SetOutput(&standard)
		defer log.SetOutput(io.Discard)
		server := newFaultServer(t, afterRequest(func(conn net.Conn, gone <-chan struct{}) {
			answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(goodAccount), goodAccount)
			_, _ = io.WriteString(conn, answer+"HTTP/1.1 400 Bad Request\r\nX-Echo: ApiKey "+tokenA+"\r\n\r\n")
			silence(conn, gone)
		}), nil)
		client, err := requester.New(requester.Production, requester.WithBaseURL("http://"+server.addr()))
		require.NoError(t, err)
		buffer := &logBuffer{}
		c, err := health.New(credentials.Static(tokenA), health.WithClient(client), health.WithLogger(slog.New(slog.NewTextHandler(buffer, nil))))
		require.NoError(t, err)
		assert.NoError(t, c.Start(t.Context()))
		time.Sleep(50 * time.Millisecond) // what comes too late comes from the transport's own goroutine
		assert.NoError(t, c.Close())
		assert.NotContains(t, standard.String(), tokenA)
		assert.NotContains(t, strings.Join(buffer.take(), "\n"), tokenA)
	})
}

func TestTheCauseOfWrongAccountStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, byToken(map[string]reply{tokenA: account("1")}))
		require.NoError(t, w.checker.Start(t.Context()))
		w.will(always(account("2")))
		require.Error(t, w.checker.Refresh(t.Context()))
		require.Equal(t, "fail: wrong_account", w.verdict())
		w.will(always(refused))
		_ = w.checker.Refresh(t.Context())
		require.Equal(t, "fail: wrong_account", w.verdict(), "one refusal is not enough to call it rejected")
		assert.ErrorContains(t, w.checker.Check(t.Context()), "the token belongs to account 2")
	})
}
