package health_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestStats_calls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		for _, answer := range []reply{
			account("1"), refused, account("1"), limited("1"), down, {status: 200, body: "<html>"}, gone,
		} {
			w.will(always(answer))
			time.Sleep(time.Minute) // longer than any backoff here, and the confirmation of a refusal
			_ = w.checker.Refresh(t.Context())
			w.will(always(account("1")))
			time.Sleep(2 * time.Minute)
		}
		stats := w.checker.Stats()
		var sum uint64
		for class, n := range stats.Calls {
			assert.Equal(t, class != requester.Cancelled, n > 0, "%s: %d", class, n)
			sum += n
		}
		assert.Equal(t, w.platform.count()+1, int(sum), "started forgets one call")
		assert.Len(t, stats.Calls, 7, "all classes of a call that was made")
		assert.NotContains(t, stats.Calls, requester.NotAsked)
	})
}

func TestStats_durations(t *testing.T) {
	tests := map[string]struct {
		took   time.Duration
		bucket int
	}{
		"nothing":                 {0, -80},
		"the least bucket's end":  {time.Second >> 10, -80},
		"over the least bucket":   {time.Second>>10 + 1000, -79},
		"a power of two":          {250 * time.Millisecond, -16},
		"over it":                 {250*time.Millisecond + 1000, -15},
		"a second":                {time.Second, 0},
		"between two powers":      {1500 * time.Millisecond, 5}, // 2^(4/8) = 1.414, 2^(5/8) = 1.542
		"as long as a client can": {4 * time.Second, 16},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := account("1")
				answer.after = tt.took
				w := newWorld(t, always(answer))
				require.NoError(t, w.checker.Start(t.Context()))
				assert.Equal(t, health.Durations{
					Buckets: map[int]uint64{tt.bucket: 1}, Sum: tt.took,
				}, w.checker.Stats().Durations)
			})
		})
	}
}

func TestStats_source(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		assert.Equal(t, []uint64{1, 0}, sourceReads(w))
		require.NoError(t, w.checker.Refresh(t.Context()))
		assert.Equal(t, []uint64{2, 0}, sourceReads(w))
		w.source.breaks(errors.New("sealed"))
		require.Error(t, w.checker.Refresh(t.Context()))
		assert.Equal(t, []uint64{2, 1}, sourceReads(w))

		released := make(chan struct{})
		w.source.hangsUntil(released)
		require.Error(t, w.checker.Refresh(t.Context()))
		assert.Equal(t, []uint64{2, 2}, sourceReads(w), "given up")
		close(released)
		synctest.Wait()
		assert.Equal(t, []uint64{2, 2}, sourceReads(w), "counted once")
	})
}

func sourceReads(w *world) []uint64 {
	s := w.checker.Stats()
	return []uint64{s.SourceReads, s.SourceReadErrors}
}

func TestStats_rotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		rotations := func() []uint64 {
			s := w.checker.Stats()
			return []uint64{s.Rotations, s.RefusedRotations}
		}
		assert.Equal(t, []uint64{0, 0}, rotations())
		w.will(byToken(map[string]reply{tokenA: account("1"), tokenC: account("1")}))
		w.source.has(tokenB)
		require.Error(t, w.checker.Refresh(t.Context()))
		assert.Equal(t, []uint64{0, 1}, rotations())
		time.Sleep(10 * time.Minute)
		assert.Equal(t, []uint64{0, 1}, rotations(), "one refused rotation, however often it is tried")
		w.source.has(tokenC)
		require.NoError(t, w.checker.Refresh(t.Context()))
		assert.Equal(t, []uint64{1, 1}, rotations())
	})
}

func TestStats_droppedLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(account("1")), health.WithLogger(slog.New(panicking{})))
		require.NoError(t, w.checker.Start(t.Context()))
		w.checker.Flush()
		assert.Equal(t, uint64(1), w.checker.Stats().DroppedLogLines)
	})
}

type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool { panic("the handler is broken") }

func TestStats_concurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					_ = w.checker.Refresh(t.Context())
					w.checker.Stats()
				}
			})
		}
		wg.Go(func() { w.checker.Close() })
		wg.Wait()
	})
}

func TestSnapshot_limits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t, health.WithMaxStale(time.Hour))
		state := w.checker.Snapshot().State()
		assert.Equal(t, time.Hour, state.MaxStale)
		assert.False(t, state.MinBalance.Valid)
		assert.True(t, state.NextCheck.Equal(time.Now().Add(time.Minute)), state.NextCheck)

		w = started(t, health.WithMinBalance(decimal.MustParse("0")))
		least := w.checker.Snapshot().State().MinBalance
		assert.True(t, least.Valid)
		assert.Equal(t, "0", least.Decimal.String())
	})
}
