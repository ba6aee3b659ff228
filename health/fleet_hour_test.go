package health_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
)

// countingStore counts the operations of a store.
type countingStore struct {
	*sharedtest.Memory
	looks, puts atomic.Int64
}

func (s *countingStore) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	s.looks.Add(1)
	return s.Memory.Look(ctx, key, q)
}

func (s *countingStore) Put(ctx context.Context, key string, p shared.Answer) (bool, error) {
	s.puts.Add(1)
	return s.Memory.Put(ctx, key, p)
}

// TestFleetHour counts the calls and the looks of 64 replicas in an hour with every kind of
// trouble.
func TestFleetHour(t *testing.T) {
	const replicas = 64
	inBubble(t, func(t *testing.T) {
		store := &countingStore{Memory: sharedtest.NewMemory()}
		f := &fleet{store: store.Memory}
		for i := range replicas {
			f.join(t, always(slowly("1", 200*time.Millisecond)), uint64(i), store)
		}
		f.world = f.replicas[0]
		f.start()

		working, orStale := []string{"pass: verified"}, []string{"pass: verified", "warn: stale"}
		for _, phase := range []struct {
			name                  string
			begin                 func()
			minutes               int
			verdicts              []string // at the end of each minute
			leastCalls, mostCalls int
			mostLooks             float64 // of a replica in a minute
		}{
			{"steady", func() {}, 20, working, 17, 24, 1.1},
			{"store_lost_all", store.Clear, 5, working, 4, 7, 1.1},
			{
				"store_away", func() { store.SetError(errors.New("connection refused")) }, 10, working,
				9 * replicas, 11 * replicas, 1.1,
			},
			{"store_back", func() { store.SetError(nil) }, 10, working, 8, 14, 1.1},
			{"platform_down", func() { f.will(always(down)) }, 5, orStale, 4, 15, 2.5},
			{"platform_back", func() { f.will(always(account("1"))) }, 10, orStale, 8, 13, 1.1},
		} {
			f.platform.forget()
			store.looks.Store(0)
			store.puts.Store(0)
			phase.begin()
			for range phase.minutes {
				time.Sleep(time.Minute)
				for _, v := range f.verdicts() {
					assert.Contains(t, phase.verdicts, v, phase.name)
				}
			}
			calls, looks, puts := f.platform.count(), store.looks.Load(), store.puts.Load()
			t.Logf("%-15s %4d calls, %5d looks, %3d puts", phase.name, calls, looks, puts)
			assert.GreaterOrEqual(t, calls, phase.leastCalls, phase.name)
			assert.LessOrEqual(t, calls, phase.mostCalls, phase.name)
			assert.LessOrEqual(t, float64(looks)/float64(phase.minutes*replicas), phase.mostLooks, phase.name)
		}
		assert.Equal(t, working, f.verdicts())
	})
}
