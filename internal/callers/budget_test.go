package callers

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Requests that find the budget spent take nothing from it, also when many come at once. Otherwise
// a flood leaves a debt, and unknown good tokens get 503 for long after it.
func TestEngine_reserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := requester.New(requester.Production)
		assert.NoError(t, err)
		e := New(client, Config{
			TTL: time.Minute, RefusedTTL: time.Second, MaxStale: time.Hour,
			Entries: 1, PerSecond: 20, Burst: 2, InFlight: 1,
		})
		defer e.Close()
		for range 2 {
			assert.Zero(t, e.reserve())
			assert.True(t, e.budget.Allow())
			e.release()
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 5000 {
					if wait := e.reserve(); wait != 50*time.Millisecond {
						t.Errorf("a wait of %v", wait)
						return
					}
				}
			})
		}
		all.Wait()
		time.Sleep(50 * time.Millisecond)
		assert.Zero(t, e.reserve())
		assert.Equal(t, 50*time.Millisecond, e.reserve(), "set aside")
		e.release()
		assert.Zero(t, e.reserve())
		assert.True(t, e.budget.Allow())
		e.release()
	})
}
