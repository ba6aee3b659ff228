package health_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
)

// behindStore is a store whose clock can be set back, which makes what it keeps look younger.
type behindStore struct {
	*sharedtest.Memory
	mu   sync.Mutex
	last uint64 // the highest fence seen
	from uint64 // the highest fence at the time of the step
	by   time.Duration
}

func (s *behindStore) setBack(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.by = s.last, by
}

func (s *behindStore) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	peek := q
	peek.Lease = 0
	v, err := s.Memory.Look(ctx, key, peek)
	if err != nil {
		return v, err
	}
	if old := v.Verdict.Fence > 0 && v.Verdict.Fence <= s.from; old && v.Verdict.Age >= s.by {
		q.Due += s.by
	}
	v, err = s.Memory.Look(ctx, key, q)
	if old := v.Verdict.Fence > 0 && v.Verdict.Fence <= s.from; old {
		if v.Verdict.Age -= s.by; v.Verdict.Age < 0 {
			v.Verdict = shared.Entry{}
		}
	}
	s.last = max(s.last, v.Verdict.Fence, v.Lease)
	return v, err
}

// A failover to a server whose clock is a little behind makes the last verdict look younger than it
// is. The replicas know better, and one of them asks for all.
func TestFleetStoreClockSetBack(t *testing.T) {
	for _, by := range []time.Duration{0, 5 * time.Second, 20 * time.Second, 40 * time.Second} {
		t.Run(by.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				store := &behindStore{Memory: sharedtest.NewMemory()}
				f := &fleet{store: store.Memory}
				for i := range 50 {
					f.join(t, always(slowly("1", 200*time.Millisecond)), uint64(i), store)
				}
				f.world = f.replicas[0]
				f.start()
				time.Sleep(10 * time.Minute)
				f.platform.forget()
				for f.platform.count() == 0 {
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(45 * time.Second)
				f.platform.forget()
				store.setBack(by)
				time.Sleep(2 * time.Minute)
				assert.LessOrEqual(t, f.platform.count(), 5)
				assert.Equal(t, []string{"pass: verified"}, f.verdicts())
			})
		})
	}
}

// slowStore is a store whose answers are on their way for a while.
type slowStore struct {
	*sharedtest.Memory
	takes time.Duration
}

func (s slowStore) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	v, err := s.Memory.Look(ctx, key, q)
	select {
	case <-time.After(s.takes):
		return v, err
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// A verdict that becomes too old while the store's answer is on its way is taken: the store has
// granted no lease, and its clock is right.
func TestFleetStoreAgeAtTheLimit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := slowStore{Memory: sharedtest.NewMemory(), takes: 2 * time.Millisecond}
		f := &fleet{store: store.Memory}
		f.world = f.join(t, always(account("1")), 0, store)
		f.start()
		late := f.join(t, nil, 1, store)
		const due = 51 * time.Second // 85 % of the interval
		granted := f.checker.Snapshot().State().VerifiedAt.Add(-store.takes)
		time.Sleep(time.Until(granted.Add(due - store.takes/2)))
		assert.NoError(t, late.checker.Start(t.Context()))
		time.Sleep(time.Second)
		assert.Equal(t, []string{"pass: verified"}, f.verdicts())
		assert.Zero(t, f.platform.count())
	})
}

// foreignStore is a store whose entries were all written by a program that seals differently, until
// they are replaced.
type foreignStore struct {
	*sharedtest.Memory
	upTo uint64
}

func (s *foreignStore) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	v, err := s.Memory.Look(ctx, key, q)
	if v.Verdict.Fence <= s.upTo && len(v.Verdict.Data) > 0 {
		v.Verdict.Data[0]++
	}
	return v, err
}

// Replicas that find at the same moment an entry that cannot be opened need one call in all.
func TestFleetStoreForeignEntryColdStart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &foreignStore{Memory: sharedtest.NewMemory(), upTo: 1}
		f := &fleet{store: store.Memory}
		first := f.join(t, always(slowly("1", 200*time.Millisecond)), 0, store)
		assert.NoError(t, first.checker.Start(t.Context()))
		first.checker.Close()
		for i := range 50 {
			f.join(t, nil, uint64(i+1), store)
		}
		f.replicas = f.replicas[1:]
		f.world = f.replicas[0]
		first.platform.forget()
		var all sync.WaitGroup
		for _, w := range f.replicas {
			all.Go(func() { assert.NoError(t, w.checker.Start(t.Context())) })
		}
		all.Wait()
		time.Sleep(30 * time.Second)
		assert.LessOrEqual(t, first.platform.count(), 2)
	})
}
