package health_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestRefresh(t *testing.T) {
	t.Run("verifies now", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			require.NoError(t, w.checker.Refresh(t.Context()))
			assert.Equal(t, 1, w.platform.count())
			time.Sleep(time.Minute - time.Nanosecond)
			assert.Equal(t, 1, w.platform.count(), "and the next check is an interval later")
		})
	})
	t.Run("takes over a new token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.source.has(tokenB)
			require.NoError(t, w.checker.Refresh(t.Context()))
			assert.Equal(t, []string{tokenB}, w.platform.tokens())
			token, _ := w.checker.Token()
			assert.Equal(t, tokenB, token.Reveal())
		})
	})
	t.Run("tells of a new token that is refused while the old one works", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1")}))
			w.source.has(tokenB)
			err := w.checker.Refresh(t.Context())
			assert.Equal(t, requester.Rejected, requester.ClassOf(err))
			assert.Equal(t, "warn: rotation_rejected", w.verdict())
		})
	})
	t.Run("tells of a source that cannot be read while the loaded token works", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			sealed := errors.New("vault is sealed")
			w.source.breaks(sealed)
			assert.ErrorIs(t, w.checker.Refresh(t.Context()), sealed)
			assert.Equal(t, 1, w.platform.count())
			assert.Equal(t, "warn: source_unavailable", w.verdict())
		})
	})
	t.Run("tells of a verdict by its reason", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(account("2")))
			var verdict *health.Error
			require.ErrorAs(t, w.checker.Refresh(t.Context()), &verdict)
			assert.Equal(t, health.ReasonWrongAccount, verdict.Reason)
		})
	})
	t.Run("tells of an outage by its class", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(down))
			assert.Equal(t, requester.Unavailable, requester.ClassOf(w.checker.Refresh(t.Context())))
			assert.Equal(t, "warn: stale", w.verdict())
		})
	})
	t.Run("is one call for 10,000 callers who wait together", func(t *testing.T) {
		for name, answer := range map[string]reply{"verified": account("1"), "refused": refused, "down": down} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := started(t)
					release := make(chan struct{})
					answer.until = release
					w.will(always(answer))
					const callers = 10_000
					errs := make(chan error, callers)
					for range callers {
						go func() { errs <- w.checker.Refresh(t.Context()) }()
					}
					synctest.Wait() // all have joined, and the platform keeps its answer back
					close(release)
					for range callers {
						err := <-errs
						assert.Equal(t, name == "verified", err == nil)
					}
					assert.Equal(t, 1, w.platform.count())
				})
			})
		}
	})
	t.Run("can be left, which disturbs nobody", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(reply{status: 200, body: account("1").body, after: 3 * time.Second}))
			ctx, cancel := context.WithCancelCause(t.Context())
			left := make(chan error)
			go func() { left <- w.checker.Refresh(ctx) }()
			stayed := make(chan error)
			go func() { stayed <- w.checker.Refresh(t.Context()) }()
			synctest.Wait()
			why := errors.New("the request was cancelled")
			cancel(why)
			err := <-left
			assert.ErrorIs(t, err, why)
			assert.Equal(t, requester.Cancelled, requester.ClassOf(err))
			assert.NoError(t, <-stayed)
			assert.Equal(t, 1, w.platform.count())
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("ends with Close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(hang))
			waiting := make(chan error)
			go func() { waiting <- w.checker.Refresh(t.Context()) }()
			time.Sleep(time.Second)
			w.checker.Close()
			assert.ErrorIs(t, <-waiting, health.ErrClosed)
			assert.ErrorIs(t, w.checker.Refresh(t.Context()), health.ErrClosed)
		})
	})
	t.Run("can be called from a callback", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var w *world
			done := make(chan error, 1)
			w = started(t, health.OnChange(func(_, snap *health.Snapshot) {
				if snap.Reason() == health.ReasonStale {
					done <- w.checker.Refresh(context.Background())
				}
			}))
			w.will(inTurn(down, account("1")))
			time.Sleep(time.Minute)
			assert.NoError(t, <-done)
		})
	})
}

func TestWaitVerified(t *testing.T) {
	t.Run("returns when the credential is verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, inTurn(down, down, down, account("1")))
			waited := make(chan error)
			go func() { waited <- w.checker.WaitVerified(t.Context()) }()
			require.NoError(t, w.checker.Start(t.Context()))
			begin := time.Now()
			require.NoError(t, <-waited)
			assert.Equal(t, 30*time.Second+time.Millisecond, time.Since(begin))
			assert.NoError(t, w.checker.WaitVerified(t.Context()), "and at once from then on")
		})
	})
	t.Run("returns when its caller leaves, and says what it was waiting for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(down))
			require.NoError(t, w.checker.Start(t.Context()))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := w.checker.WaitVerified(ctx)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			var verdict *health.Error
			require.ErrorAs(t, err, &verdict)
			assert.Equal(t, health.ReasonUnreachable, verdict.Reason)
		})
	})
	t.Run("returns when the checker is closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(down))
			waited := make(chan error)
			go func() { waited <- w.checker.WaitVerified(t.Context()) }()
			synctest.Wait()
			w.checker.Close()
			assert.ErrorIs(t, <-waited, health.ErrClosed)
		})
	})
}

func TestClose(t *testing.T) {
	t.Run("before Start, twice, and from many goroutines", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() { assert.NoError(t, w.checker.Close()) })
			}
			all.Wait()
			assert.Equal(t, "fail: closed,starting", w.verdict())
			assert.ErrorIs(t, w.checker.Check(t.Context()), health.ErrClosed)
			assert.Len(t, w.lines(), 1)
		})
	})
	t.Run("cancels the call in flight and closes the gate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(hang))
			time.Sleep(time.Minute + time.Second)
			begin := time.Now()
			require.NoError(t, w.checker.Close())
			assert.Zero(t, time.Since(begin))
			assert.Equal(t, "fail: closed", w.verdict())
			_, err := w.checker.Token()
			assert.ErrorIs(t, err, health.ErrClosed)
			_, err = w.checker.Account()
			assert.ErrorIs(t, err, health.ErrClosed)
			time.Sleep(24 * time.Hour)
			assert.Equal(t, "fail: closed", w.verdict(), "nothing changes any more")
			assert.Equal(t, 1, w.platform.count())
		})
	})
	t.Run("from inside a callback", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var w *world
			closed := make(chan struct{})
			w = started(t, health.OnChange(func(_, snap *health.Snapshot) {
				if snap.Reason() == health.ReasonStale {
					w.checker.Close()
					close(closed)
				}
			}))
			w.will(always(down))
			time.Sleep(time.Minute)
			<-closed
			assert.Equal(t, "fail: closed,stale", w.verdict())
		})
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		w.checker.Drain()
		w.checker.Drain()
		snap := w.checker.Snapshot()
		assert.Equal(t, "pass: verified", w.verdict(), "requests that come still get their answer")
		assert.True(t, snap.Open())
		assert.False(t, snap.Ready())
		assert.True(t, snap.Draining())
		time.Sleep(10 * time.Minute)
		assert.False(t, w.checker.Snapshot().Ready(), "for good")
		require.Len(t, w.lines(), 1)
	})
}

func TestOnChange(t *testing.T) {
	t.Run("hears of every step in order, and nothing of checks that change nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			var last *health.Snapshot
			w := newWorld(t, always(account("1")), health.OnChange(func(old, snap *health.Snapshot) {
				got = append(got, old.Reasons().String()+" > "+snap.Reasons().String())
				if last != nil {
					assert.True(t, last == old, "old is what new was before")
				}
				last = snap
			}))
			require.NoError(t, w.checker.Start(t.Context()))
			time.Sleep(time.Hour)
			w.will(always(down))
			time.Sleep(time.Hour)
			w.will(always(account("1")))
			time.Sleep(time.Hour)
			w.will(always(refused))
			time.Sleep(time.Hour)
			w.checker.Close()
			synctest.Wait()
			assert.Equal(t, []string{
				"starting > verified", "verified > verified", // verified, then Start is done
				"verified > stale", "stale > unreachable", "unreachable > verified",
				"verified > confirming_rejection", "confirming_rejection > rejected", "rejected > closed,rejected",
			}, got)
		})
	})
	t.Run("joins steps for a callback that is too slow, and they still chain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var pairs [][2]*health.Snapshot
			w := newWorld(t, always(account("1")), health.OnChange(func(old, snap *health.Snapshot) {
				<-release
				pairs = append(pairs, [2]*health.Snapshot{old, snap})
			}))
			first := w.checker.Snapshot()
			require.NoError(t, w.checker.Start(t.Context()))
			for i := range 100 {
				w.will(always([]reply{down, account("1")}[i%2]))
				_ = w.checker.Refresh(t.Context())
				time.Sleep(time.Minute) // past the breaker
			}
			close(release)
			synctest.Wait()
			assert.Less(t, len(pairs), 20)
			assert.True(t, first == pairs[0][0])
			for i := 1; i < len(pairs); i++ {
				assert.True(t, pairs[i-1][1] == pairs[i][0])
			}
			assert.Equal(t, w.checker.Snapshot().Reasons(), pairs[len(pairs)-1][1].Reasons())
		})
	})
	t.Run("survives a panic, which is logged by type", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			w := started(t, health.OnChange(func(_, snap *health.Snapshot) {
				calls++
				token, _ := snap.Token()
				panic(token.Reveal())
			}))
			w.checker.Drain()
			synctest.Wait()
			assert.Equal(t, 3, calls)
			lines := w.lines()
			assert.Contains(t, lines, `level=ERROR msg="toloka credential callback panicked" panic.type=string`)
		})
	})
}
