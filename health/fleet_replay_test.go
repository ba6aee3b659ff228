package health_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
)

// frozenStore is a store whose owner attacks: from freeze on it shows one view, always as if that
// was new, and grants no lease.
type frozenStore struct {
	shared.Store

	mu     sync.Mutex
	frozen bool
	view   shared.View
}

func (s *frozenStore) freeze(view shared.View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen, s.view = true, view
}

// last returns what the store showed last, as if that was new.
func (s *frozenStore) last() shared.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

func (s *frozenStore) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen {
		return s.view, nil
	}
	view, err := s.Store.Look(ctx, key, q)
	s.view = shared.View{Verdict: view.Verdict, Trouble: view.Trouble, Replicas: view.Replicas}
	s.view.Verdict.Age, s.view.Trouble.Age = 0, 0
	return view, err
}

// newFrozenFleet is a fleet of n whose store can be frozen.
func newFrozenFleet(t *testing.T, n int) (*fleet, *frozenStore) {
	f, store := &fleet{}, &frozenStore{Store: sharedtest.NewMemory()}
	for i := range n {
		f.join(t, always(account("1")), uint64(i), store)
	}
	f.world = f.replicas[0]
	f.start()
	return f, store
}

// Who owns the store can replay what it has kept. That costs at most one MaxStale for each answer,
// and none for an answer that the replica has seen.
func TestFleetReplay(t *testing.T) {
	t.Run("good_answer_to_a_new_replica", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f, store := newFrozenFleet(t, 2)
			store.freeze(store.last())
			f.will(always(refused))
			fresh := f.join(t, always(refused), 9, store)
			require.NoError(t, fresh.checker.Start(t.Context()))
			begin := time.Now()
			for fresh.checker.Snapshot().Open() {
				time.Sleep(time.Second)
			}
			assert.LessOrEqual(t, time.Since(begin), 15*time.Minute)
			for range 60 {
				time.Sleep(time.Minute)
				assert.Equal(t, []string{"fail: rejected"}, f.verdicts(), "once, and not again")
			}
		})
	})
	t.Run("good_answer_from_before_a_refusal", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f, store := newFrozenFleet(t, 2)
			good := store.last()
			require.NotZero(t, good.Verdict.Fence)
			f.will(always(refused))
			time.Sleep(3 * time.Minute)
			store.freeze(good)
			for range 60 {
				time.Sleep(time.Minute)
				assert.Equal(t, []string{"fail: rejected"}, f.verdicts())
			}
		})
	})
	t.Run("outage", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f, store := newFrozenFleet(t, 3)
			f.will(always(down))
			time.Sleep(3 * time.Minute)
			require.Equal(t, []string{"warn: stale"}, f.verdicts())
			store.freeze(store.last())
			f.will(always(account("1")))
			for range 60 {
				time.Sleep(time.Minute)
				for _, w := range f.replicas {
					require.True(t, w.checker.Snapshot().Open(), w.verdict())
				}
			}
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
		})
	})
	t.Run("refusal", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f, store := newFrozenFleet(t, 3)
			f.will(always(refused))
			time.Sleep(3 * time.Minute)
			require.Equal(t, []string{"fail: rejected"}, f.verdicts())
			store.freeze(store.last())
			f.will(always(account("1")))
			time.Sleep(3 * time.Minute)
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
		})
	})
}

// A refusal stays in the store for a day. A service that starts asks for itself.
func TestFleetOldRefusal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 1, always(account("1")))
		f.start()
		f.will(always(refused))
		time.Sleep(3 * time.Minute)
		require.Equal(t, "fail: rejected", f.verdict())
		require.NoError(t, f.checker.Close())
		time.Sleep(2 * time.Minute)
		f.will(always(account("1")))
		again := f.join(t, always(account("1")), 1, f.store)
		require.NoError(t, again.checker.Start(t.Context()))
		assert.Equal(t, "pass: verified", again.verdict())
	})
}

// A replica that knows of fewer refusals does not put the others in doubt: only a good answer
// improves a status.
func TestFleetRejectionStays(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 2, always(account("1")))
		f.start()
		f.will(always(refused))
		time.Sleep(3 * time.Minute)
		require.Equal(t, []string{"fail: rejected"}, f.verdicts())
		f.store.Clear()
		hasty := f.join(t, always(refused), 9, f.store, health.WithRejectionThreshold(1))
		require.Error(t, hasty.checker.Start(t.Context()))
		for range 180 {
			time.Sleep(time.Second)
			assert.Equal(t, []string{"fail: rejected"}, f.verdicts())
		}
	})
}
