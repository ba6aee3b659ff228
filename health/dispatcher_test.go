package health

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// recorder is a dispatcher that records what it did with its items.
type recorder struct {
	dispatcher[int]
	delivered, dropped []int
	panics             []any
}

// newRecorder returns a recorder that calls deliver for each item, which may be nil.
func newRecorder(deliver func(int)) *recorder {
	r := &recorder{}
	r.deliver = func(i int) {
		r.delivered = append(r.delivered, i)
		if deliver != nil {
			deliver(i)
		}
	}
	r.overflow = func(queue []int, item int) []int {
		r.dropped = append(r.dropped, item)
		return queue
	}
	r.lost = func(value any) { r.panics = append(r.panics, value) }
	return r
}

func numbers(n int) []int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	return all
}

func TestDispatcher(t *testing.T) {
	t.Run("order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(nil)
			for i := range 50 {
				r.add(i)
			}
			synctest.Wait()
			assert.Equal(t, numbers(50), r.delivered)
			assert.Empty(t, r.dropped)
		})
	})
	t.Run("overflow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			r := newRecorder(func(int) { <-release })
			r.add(0)
			synctest.Wait() // 0 is being delivered
			for i := range maxQueue + 3 {
				r.add(i + 1)
			}
			close(release)
			synctest.Wait()
			assert.Equal(t, numbers(maxQueue+1), r.delivered)
			assert.Equal(t, []int{maxQueue + 1, maxQueue + 2, maxQueue + 3}, r.dropped)
			r.add(7)
			synctest.Wait()
			assert.Len(t, r.delivered, maxQueue+2, "it goes on")
		})
	})
	t.Run("panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(i int) { panic(i) })
			for i := range 3 {
				r.add(i)
			}
			synctest.Wait()
			assert.Equal(t, numbers(3), r.delivered)
			assert.Equal(t, []any{0, 1, 2}, r.panics)
		})
	})
	t.Run("goexit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(int) { runtime.Goexit() })
			for i := range 3 {
				r.add(i)
			}
			r.flush(time.Second)
			assert.Equal(t, numbers(3), r.delivered)
			r.add(3)
			synctest.Wait()
			assert.Equal(t, numbers(4), r.delivered)
		})
	})
	t.Run("add from an item", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var r *recorder
			r = newRecorder(func(i int) {
				if i < 3 {
					r.add(i + 1)
				}
			})
			r.add(0)
			synctest.Wait()
			assert.Equal(t, numbers(4), r.delivered)
		})
	})
	t.Run("one at a time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var busy sync.Mutex
			r := newRecorder(func(int) {
				assert.True(t, busy.TryLock())
				time.Sleep(time.Millisecond)
				busy.Unlock()
			})
			for i := range 20 {
				go r.add(i)
			}
			synctest.Wait() // all are queued
			r.flush(time.Second)
			synctest.Wait()
			assert.ElementsMatch(t, numbers(20), r.delivered)
		})
	})
}

func TestDispatcherFlush(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			newRecorder(nil).flush(time.Second)
			assert.Zero(t, time.Since(begin))
		})
	})
	t.Run("until delivered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			r := newRecorder(func(int) { time.Sleep(100 * time.Millisecond) })
			r.add(0)
			r.add(1)
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					r.flush(time.Second)
					assert.Equal(t, 200*time.Millisecond, time.Since(begin))
				})
			}
			all.Wait()
		})
	})
	t.Run("limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			begin := time.Now()
			r := newRecorder(func(int) { <-release })
			r.add(0)
			r.flush(time.Second)
			assert.Equal(t, time.Second, time.Since(begin))
		})
	})
}
