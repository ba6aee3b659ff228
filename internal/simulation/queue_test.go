package simulation

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQueue_order(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var q queue
	var now, last time.Duration
	var lastOrder uint64
	for range 20_000 {
		for range random.IntN(3) {
			q.add(now+time.Duration(random.IntN(50)), wakes, 0)
		}
		e, ok := q.next(now)
		if !ok {
			now++
			continue
		}
		require.LessOrEqual(t, e.at, now)
		require.GreaterOrEqual(t, e.at, last)
		if e.at == last {
			require.Greater(t, e.order, lastOrder, "in the order in which they were added")
		}
		last, lastOrder = e.at, e.order
	}
}

func TestQueue_returns_every_event_once(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var q queue
	for i := range int32(1000) {
		q.add(time.Duration(random.IntN(100)), kind(i%4), i)
	}
	seen := make(map[int32]kind)
	for {
		e, ok := q.next(100)
		if !ok {
			break
		}
		seen[e.index] = e.kind
	}
	assert.Len(t, seen, 1000)
	assert.Equal(t, kind(3), seen[999])
}

func TestQueue_keeps_later_events(t *testing.T) {
	var q queue
	_, ok := q.next(time.Hour)
	assert.False(t, ok)
	q.add(2, wakes, 7)
	_, ok = q.next(1)
	assert.False(t, ok)
	e, ok := q.next(2)
	assert.True(t, ok)
	assert.Equal(t, int32(7), e.index)
}
