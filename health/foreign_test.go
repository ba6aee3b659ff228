package health_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
)

// Providers, RoundTrippers, slog handlers and callbacks are foreign code. They may hang, panic,
// end their goroutine or call the checker. None of it may stop the checker, close the gate of a
// good credential, keep the gate open, or show the token.

// misbehaviours are the ways in which foreign code does not return.
var misbehaviours = map[string]func(){
	"panics":     func() { panic(tokenA) },
	"exits":      func() { runtime.Goexit() },
	"panics nil": func() { panic(nil) },
	"runtime error": func() {
		var value any = tokenA
		_ = value.(error)
	},
}

// hooked is a provider whose methods call hooks.
type hooked struct {
	token, describe, poll, warnings func()
	sentence                        func() string // the warning, if not nil
}

func call0(f func()) {
	if f != nil {
		f()
	}
}

func (p *hooked) Token(context.Context) (credentials.Token, error) {
	call0(p.token)
	return credentials.ParseToken(tokenA)
}

func (p *hooked) Poll(context.Context, []credentials.Token) (bool, error) {
	call0(p.poll)
	return false, nil
}

func (p *hooked) Warnings() []string {
	call0(p.warnings)
	if p.sentence != nil {
		return []string{p.sentence()}
	}
	return []string{"mode 0644 lets other users read it"}
}

func (p *hooked) Describe() string {
	call0(p.describe)
	return "hooked"
}

// noToken asserts that neither the log nor the snapshot shows the token.
func noToken(t *testing.T, w *world) {
	t.Helper()
	text := strings.Join(w.lines(), "\n") + w.checker.Snapshot().State().TokenSource
	if err := w.checker.Snapshot().State().Err; err != nil {
		text += err.Error()
	}
	assert.NotContains(t, text, tokenA)
}

func TestForeignProvider(t *testing.T) {
	for name, misbehave := range misbehaviours {
		t.Run("token "+name+"/start", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(t, &hooked{token: misbehave}, always(account("1")), health.RequireVerified())
				err := w.checker.Start(t.Context())
				require.Error(t, err)
				assert.NotContains(t, err.Error(), tokenA)
				assert.Contains(t, err.Error(), "health: no_credential: no API token could be loaded: "+
					"health: hooked: the provider ")
			})
		})
		t.Run("token "+name+"/later", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var bad atomic.Bool
				w := newWorldOf(t, &hooked{token: func() {
					if bad.Load() {
						misbehave()
					}
				}}, always(account("1")))
				w.start()
				bad.Store(true)
				time.Sleep(10*time.Minute + time.Second)
				assert.Equal(t, "warn: source_unavailable", w.verdict())
				assert.Equal(t, 10, w.platform.count())
				noToken(t, w)
			})
		})
		t.Run("poll "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(t, &hooked{poll: misbehave}, always(account("1")))
				w.start()
				time.Sleep(10*time.Minute + 6*time.Second)
				assert.Equal(t, "warn: source_unavailable", w.verdict())
				assert.Equal(t, 10, w.platform.count())
				noToken(t, w)
			})
		})
		t.Run("warnings "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(t, &hooked{warnings: misbehave}, always(account("1")))
				_ = w.checker.Start(t.Context())
				noToken(t, w)
				assert.NoError(t, w.checker.Close())
			})
		})
		t.Run("describe "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(t, &hooked{describe: misbehave}, always(account("1")))
				require.NoError(t, w.checker.Start(t.Context()))
				assert.Equal(t, "*health_test.hooked", w.checker.Snapshot().State().TokenSource)
				time.Sleep(10 * time.Minute)
				assert.Equal(t, "pass: verified", w.verdict())
				noToken(t, w)
			})
		})
	}
}

func TestForeignDescribe(t *testing.T) {
	t.Run("hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			w := newWorldOf(t, &hooked{describe: func() { <-release }}, always(account("1")))
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Less(t, time.Since(w.born), time.Second)
			assert.Equal(t, "*health_test.hooked", w.checker.Snapshot().State().TokenSource)
			time.Sleep(10 * time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("hangs for a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			once := sync.OnceFunc(func() { time.Sleep(time.Minute) })
			w := newWorldOf(t, &hooked{describe: once}, always(account("1")))
			require.NoError(t, w.checker.Start(t.Context()))
			time.Sleep(10 * time.Minute)
			assert.Equal(t, "hooked", w.checker.Snapshot().State().TokenSource)
		})
	})
	// Many a provider guards its token with a lock that its Describe takes, too.
	t.Run("waits for a read that hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			lock, release := make(chan struct{}, 1), make(chan struct{})
			var hangs atomic.Bool
			p := &hooked{
				token: func() {
					lock <- struct{}{}
					defer func() { <-lock }()
					if hangs.Load() {
						<-release
					}
				},
				describe: func() {
					lock <- struct{}{}
					<-lock
				},
			}
			w := newWorldOf(t, p, always(account("1")))
			w.start()
			hangs.Store(true)
			w.will(always(down))
			time.Sleep(20 * time.Minute)
			assert.Equal(t, "fail: unreachable,source_unavailable", w.verdict())
			begin := time.Now()
			w.checker.Drain()
			assert.NoError(t, w.checker.Close())
			assert.Zero(t, time.Since(begin))
			close(release)
		})
	})
	t.Run("calls the checker", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var self atomic.Pointer[health.Checker]
			w := newWorldOf(t, &hooked{describe: func() {
				if c := self.Load(); c != nil {
					c.Drain()
				}
			}}, always(account("1")))
			self.Store(w.checker)
			assert.NoError(t, w.checker.Start(t.Context()))
			assert.NoError(t, w.checker.Close())
		})
	})
}

func TestForeignPoll(t *testing.T) {
	t.Run("hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			w := newWorldOf(t, &hooked{poll: func() { <-release }}, always(account("1")))
			w.start()
			time.Sleep(10*time.Minute + time.Second)
			assert.Equal(t, "warn: source_unavailable", w.verdict())
			assert.Equal(t, 10, w.platform.count(), "checks do not wait")
			begin := time.Now()
			assert.ErrorContains(t, w.checker.Refresh(t.Context()), "health: hooked: no answer within 5s")
			assert.Zero(t, time.Since(begin))
			close(release)
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
}

// A provider that ignores its context may still be busy when Start is called again.
func TestBusyProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t, always(account("1")),
			health.RequireVerified(), health.WithStartupTimeout(3*time.Second))
		w.source.hangsUntil(release)
		require.ErrorContains(t, w.checker.Start(t.Context()), "no answer within the 3s of Start")
		require.ErrorContains(t, w.checker.Start(t.Context()),
			"health: test:source: an earlier read has not returned yet")
		assert.Equal(t, 1, w.source.readCount(), "one call at a time")
		close(release)
		synctest.Wait()
		assert.NoError(t, w.checker.Start(t.Context()))
	})
}

// A careless provider returns nothing, and no error.
func TestEmptyProvider(t *testing.T) {
	for name, tt := range map[string]struct {
		p    credentials.Provider
		want string
		is   error
	}{
		"zero token": {
			credentials.ProviderFunc(func(context.Context) (credentials.Token, error) {
				return credentials.Token{}, nil
			}),
			" returned an empty token without an error", credentials.ErrInvalid,
		},
		"no tokens": {
			tokensFunc(func() ([]credentials.Token, error) { return nil, nil }),
			" returned neither a token nor an error", credentials.ErrNotFound,
		},
		"a zero token among others": {
			tokensFunc(func() ([]credentials.Token, error) { return make([]credentials.Token, 2), errSealed }),
			" returned an empty token without an error", credentials.ErrInvalid,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(t, tt.p, always(account("1")))
				err := w.checker.Start(t.Context())
				assert.ErrorContains(t, err, tt.want)
				assert.ErrorIs(t, err, tt.is)
				assert.Zero(t, w.platform.count())
			})
		})
	}
	t.Run("tokens and an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			token, err := credentials.ParseToken(tokenA)
			require.NoError(t, err)
			w := newWorldOf(t, tokensFunc(func() ([]credentials.Token, error) {
				return []credentials.Token{token, token}, errSealed
			}), always(account("1")))
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, "warn: source_unavailable", w.verdict())
			assert.Equal(t, tokenA, w.inUse())
		})
	})
}

// tokensFunc is a function as a credentials.MultiProvider.
type tokensFunc func() ([]credentials.Token, error)

func (f tokensFunc) Tokens(context.Context) ([]credentials.Token, error) { return f() }

func (f tokensFunc) Token(context.Context) (credentials.Token, error) {
	tokens, err := f()
	if len(tokens) == 0 {
		return credentials.Token{}, err
	}
	return tokens[0], nil
}

func TestWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, &hooked{}, always(account("1")))
		require.NoError(t, w.checker.Start(t.Context()))
		time.Sleep(10 * time.Minute)
		lines := w.lines()
		require.Len(t, lines, 2)
		assert.Equal(t, `level=WARN msg="toloka credential source needs attention"`+
			` environment=production warning="mode 0644 lets other users read it"`+
			` token.source=hooked`, lines[0], "once")
	})
}

// A careless provider has a new sentence at every read. Memory stays bounded.
func TestWarningsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		w := newWorldOf(t, &hooked{sentence: func() string { return fmt.Sprint(reads.Add(1)) }},
			always(account("1")))
		w.start()
		time.Sleep(5*time.Hour + time.Second)
		assert.Len(t, w.lines(), 300, "each is logged")
		assert.LessOrEqual(t, w.checker.Warned(), 100)
	})
}

// The provider keeps no polling state: two checkers of one provider both see a change in time.
func TestTwoCheckersOnOneProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := started(t)
		second := newWorldOf(t, first.source, always(account("1")))
		second.start()
		first.source.has(tokenB)
		poll()
		assert.Equal(t, tokenB, first.inUse())
		assert.Equal(t, tokenB, second.inUse())
	})
}

func TestForeignTransport(t *testing.T) {
	for name, misbehave := range misbehaviours {
		bad := reply{do: misbehave}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				w.will(always(bad))
				time.Sleep(10 * time.Minute)
				assert.Equal(t, "warn: stale", w.verdict())
				noToken(t, w)
				w.will(always(account("1")))
				time.Sleep(time.Minute)
				assert.Equal(t, "pass: verified", w.verdict(), "the breaker's probe is free again")
			})
		})
	}
	t.Run("hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			w := started(t)
			w.will(always(reply{deaf: release}))
			time.Sleep(62*time.Second + 5*time.Second)
			assert.Equal(t, "warn: stale", w.verdict())
			time.Sleep(15 * time.Minute)
			assert.Equal(t, "fail: unreachable", w.verdict())
			begin := time.Now()
			assert.NoError(t, w.checker.Close())
			assert.Zero(t, time.Since(begin))
			assert.LessOrEqual(t, w.platform.count(), 16, "each holds a goroutine")
			close(release)
		})
	})
	t.Run("recovers after hanging", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			w := started(t)
			w.will(always(reply{deaf: release, status: 200, body: account("1").body}))
			time.Sleep(2 * time.Hour)
			assert.Equal(t, "fail: unreachable", w.verdict())
			w.will(always(account("1")))
			close(release)
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("error with half of a token", func(t *testing.T) {
		for at := 100; at < 210; at += 3 { // what an error shows of a cause has 200 bytes
			synctest.Test(t, func(t *testing.T) {
				echo := reply{err: errors.New(strings.Repeat("x", at) + " ApiKey " + tokenA + " was refused")}
				w := newWorld(t, always(echo), health.WithStartupTimeout(500*time.Millisecond))
				require.NoError(t, w.checker.Start(t.Context()))
				require.ErrorContains(t, w.checker.Snapshot().State().Err, "xxxx")
				require.NotContains(t, w.checker.Snapshot().State().Err.Error(), tokenA[:6], "at %d", at)
			})
		}
	})
}

// handler is a slog.Handler that calls do for every line.
type handler struct {
	do   func(slog.Record)
	text slog.Handler
}

func newHandler(w io.Writer, do func(slog.Record)) *handler {
	return &handler{do: do, text: slog.NewTextHandler(w, nil)}
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }
func (h *handler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *handler) WithGroup(string) slog.Handler            { return h }
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	h.do(r)
	return h.text.Handle(ctx, r)
}

// handled makes a world whose log lines go through do.
func handled(t *testing.T, do func(slog.Record)) *world {
	t.Helper()
	log := &logBuffer{}
	w := newWorld(t, always(account("1")), health.WithLogger(slog.New(newHandler(log, do))))
	w.log = log
	return w
}

func TestForeignHandler(t *testing.T) {
	t.Run("blocks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			w := handled(t, func(slog.Record) { <-release })
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, time.Second, time.Since(w.born), "Start waits a second for its line")
			w.will(always(refused))
			time.Sleep(time.Minute + time.Second)
			synctest.Wait()
			assert.Equal(t, "fail: rejected", w.verdict(), "the confirming call is made")

			begin := time.Now()
			w.checker.Drain()
			assert.Zero(t, time.Since(begin))
			w.platform.forget()
			assert.NoError(t, w.checker.Close())
			assert.Equal(t, time.Second, time.Since(begin))
			time.Sleep(time.Hour)
			assert.Zero(t, w.platform.count(), "no call after Close")
			close(release)
			synctest.Wait()
			assert.Len(t, w.log.take(), 5, "verified, confirming, rejected, draining, closed")
		})
	})
	t.Run("blocks for long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			w := handled(t, func(slog.Record) { <-release })
			require.NoError(t, w.checker.Start(t.Context()))
			for i := range 100 { // each is a change of status
				w.will(always([]reply{account("2"), account("1")}[i%2]))
				_ = w.checker.Refresh(t.Context())
			}
			close(release)
			lines := w.lines()
			require.Len(t, lines, 65, "one being written, and the queue")
			assert.Equal(t, 1, strings.Count(strings.Join(lines, "\n"), " log.dropped=36"), "said once")
			w.checker.Drain()
			assert.NotContains(t, strings.Join(w.lines(), "\n"), "log.dropped")
		})
	})
	for name, misbehave := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var bad atomic.Bool
				bad.Store(true)
				w := handled(t, func(slog.Record) {
					if bad.Load() {
						misbehave()
					}
				})
				require.NoError(t, w.checker.Start(t.Context()))
				assert.Zero(t, time.Since(w.born))
				assert.Equal(t, "pass: verified", w.verdict())
				w.checker.Flush()
				bad.Store(false)
				w.checker.Drain()
				lines := w.lines()
				require.Len(t, lines, 1)
				assert.Contains(t, lines[0], "draining")
				assert.Contains(t, lines[0], " log.dropped=1")
			})
		})
	}
	t.Run("calls the checker", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var w *world
			var calls int
			w = handled(t, func(slog.Record) {
				calls++
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_ = w.checker.Refresh(ctx)
				_ = w.checker.WaitVerified(ctx)
				w.checker.Drain()
				assert.NoError(t, w.checker.Close())
			})
			if err := w.checker.Start(t.Context()); err != nil {
				assert.ErrorIs(t, err, health.ErrClosed)
			}
			time.Sleep(5 * time.Second)
			assert.NoError(t, w.checker.Close())
			time.Sleep(5 * time.Second)
			assert.Equal(t, 3, calls, "verified, draining, closed")
		})
	})
}

func TestForeignCallback(t *testing.T) {
	for name, misbehave := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				w := started(t, health.OnChange(func(_, _ *health.Snapshot) {
					calls.Add(1)
					misbehave()
				}))
				synctest.Wait()
				before := calls.Load()
				w.lines()
				w.checker.Drain()
				synctest.Wait()
				assert.Equal(t, before+1, calls.Load(), "it is called again")
				lines := w.lines()
				if name == "exits" {
					assert.Len(t, lines, 1)
					return
				}
				require.Len(t, lines, 2)
				assert.Contains(t, strings.Join(lines, "\n"),
					`level=ERROR msg="toloka credential callback panicked" panic.type=`)
			})
		})
	}
	t.Run("blocks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			w := started(t, health.OnChange(func(_, _ *health.Snapshot) { <-release }))
			w.will(always(refused))
			time.Sleep(2 * time.Minute)
			assert.Equal(t, "fail: rejected", w.verdict())
			begin := time.Now()
			assert.NoError(t, w.checker.Close())
			assert.Zero(t, time.Since(begin))
			close(release)
		})
	})
}
