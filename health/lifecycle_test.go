package health_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

func TestClose(t *testing.T) {
	t.Run("before Start, many times", func(t *testing.T) {
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
	t.Run("during a call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(hang))
			time.Sleep(time.Minute + time.Second)
			begin := time.Now()
			require.NoError(t, w.checker.Close())
			assert.Zero(t, time.Since(begin))
			assert.Equal(t, "fail: closed", w.verdict())
			_, err := w.checker.Snapshot().Token()
			assert.ErrorIs(t, err, health.ErrClosed)
			_, err = w.checker.Snapshot().Account()
			assert.ErrorIs(t, err, health.ErrClosed)
			time.Sleep(24 * time.Hour)
			assert.Equal(t, "fail: closed", w.verdict(), "nothing changes any more")
			assert.Equal(t, 1, w.platform.count())
		})
	})
	t.Run("from a callback", func(t *testing.T) {
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
		assert.Equal(t, "pass: verified", w.verdict(), "the gate stays open")
		assert.True(t, snap.Open())
		assert.False(t, snap.Ready())
		assert.True(t, snap.State().Draining)
		time.Sleep(10 * time.Minute)
		assert.False(t, w.checker.Snapshot().Ready(), "it stays drained")
		require.Len(t, w.lines(), 1)
	})
	t.Run("before Start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			w.checker.Drain()
			require.NoError(t, w.checker.Start(t.Context()))
			assert.True(t, w.checker.Snapshot().State().Draining)
			assert.False(t, w.checker.Snapshot().Ready())
		})
	})
}

func TestOnChange(t *testing.T) {
	t.Run("every step in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			var last *health.Snapshot
			w := newWorld(t, always(account("1")), health.OnChange(func(old, snap *health.Snapshot) {
				got = append(got, joined(old.State().Reasons)+" > "+joined(snap.State().Reasons))
				if last != nil {
					assert.Same(t, last, old, "old is what new was before")
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
				"verified > confirming_rejection", "confirming_rejection > rejected",
				"rejected > closed,rejected",
			}, got)
		})
	})
	t.Run("slow callback", func(t *testing.T) {
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
			assert.LessOrEqual(t, len(pairs), 65, "the ones in the middle are joined")
			assert.Same(t, first, pairs[0][0])
			for i := 1; i < len(pairs); i++ {
				assert.Same(t, pairs[i-1][1], pairs[i][0], "they still chain")
			}
			assert.Equal(t, w.checker.Snapshot().State().Reasons, pairs[len(pairs)-1][1].State().Reasons)
		})
	})
}
