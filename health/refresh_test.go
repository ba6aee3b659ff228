package health_test

import (
	"context"
	"errors"
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
			assert.Equal(t, 1, w.platform.count(), "the next check is an interval later")
		})
	})
	t.Run("new token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.source.has(tokenB)
			require.NoError(t, w.checker.Refresh(t.Context()))
			assert.Equal(t, []string{tokenB}, w.platform.tokens(), "the replaced token gets no call")
			assert.Equal(t, tokenB, w.inUse())
		})
	})
	t.Run("new token refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1")}))
			w.source.has(tokenB)
			err := w.checker.Refresh(t.Context())
			assert.Equal(t, requester.Rejected, requester.ClassOf(err))
			assert.Equal(t, "warn: rotation_rejected", w.verdict())
			assert.Equal(t, []string{tokenB, tokenA}, w.platform.tokens())
		})
	})
	t.Run("new token of another account", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1"), tokenB: account("2")}))
			w.source.has(tokenB)
			var verdict *health.Error
			require.ErrorAs(t, w.checker.Refresh(t.Context()), &verdict)
			assert.Equal(t, health.ReasonWrongAccount, verdict.Reason)
			assert.Equal(t, tokenA, w.inUse())
		})
	})
	t.Run("source unavailable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.source.breaks(errSealed)
			assert.ErrorIs(t, w.checker.Refresh(t.Context()), errSealed)
			assert.Equal(t, 1, w.platform.count())
			assert.Equal(t, "warn: source_unavailable", w.verdict())
		})
	})
	t.Run("verdict", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(account("2")))
			var verdict *health.Error
			require.ErrorAs(t, w.checker.Refresh(t.Context()), &verdict)
			assert.Equal(t, health.ReasonWrongAccount, verdict.Reason)
		})
	})
	t.Run("outage", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(down))
			assert.Equal(t, requester.Unavailable, requester.ClassOf(w.checker.Refresh(t.Context())))
			assert.Equal(t, "warn: stale", w.verdict())
		})
	})
	t.Run("closed", func(t *testing.T) {
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
	t.Run("from a callback", func(t *testing.T) {
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

func TestRefreshIsShared(t *testing.T) {
	for name, answer := range map[string]reply{"verified": account("1"), "refused": refused, "down": down} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				release := make(chan struct{})
				answer.until = release
				w.will(always(answer))
				reads := w.source.readCount()
				const callers = 10_000
				errs := make(chan error, callers)
				for range callers {
					go func() { errs <- w.checker.Refresh(t.Context()) }()
				}
				synctest.Wait()
				close(release)
				for range callers {
					err := <-errs
					assert.Equal(t, name == "verified", err == nil)
				}
				assert.Equal(t, 1, w.platform.count())
				assert.LessOrEqual(t, w.source.readCount()-reads, 3)
			})
		})
	}
	t.Run("one caller leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(slowly("1", 3*time.Second)))
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
			assert.EqualError(t, err,
				"health: stopped waiting for the platform's answer: the request was cancelled")
			assert.Equal(t, requester.Cancelled, requester.ClassOf(err))
			assert.NoError(t, <-stayed)
			assert.Equal(t, 1, w.platform.count())
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
}

func TestWaitVerified(t *testing.T) {
	t.Run("verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(down), health.WithStartupTimeout(3*time.Second))
			waited := make(chan error)
			go func() { waited <- w.checker.WaitVerified(t.Context()) }()
			require.NoError(t, w.checker.Start(t.Context()))
			w.will(always(account("1")))
			require.NoError(t, <-waited)
			assert.Equal(t, 3750*time.Millisecond, time.Since(w.born))
			assert.NoError(t, w.checker.WaitVerified(t.Context()), "and at once from then on")
		})
	})
	t.Run("cancelled", func(t *testing.T) {
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
	t.Run("closed", func(t *testing.T) {
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

// A refresh ends although there is always a call in flight.
func TestRefreshDuringHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(account("1")), health.WithInterval(6*time.Second))
		require.NoError(t, w.checker.Start(t.Context()))
		w.will(always(hang))
		w.source.has(tokenB, tokenC, tokenA)
		begin := time.Now()
		require.Error(t, w.checker.Refresh(t.Context()))
		assert.LessOrEqual(t, time.Since(begin), 15*time.Second, "a call about each token")
	})
}
