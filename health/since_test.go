package health_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestSinceSaysWhenTheReasonBecameWhatItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		begin := time.Now()
		time.Sleep(10*time.Minute + time.Second)
		assert.Equal(t, begin, w.checker.Snapshot().Since(), "ten checks have changed nothing")

		w.will(always(down))
		time.Sleep(time.Minute)
		stale := begin.Add(11 * time.Minute)
		assert.Equal(t, stale, w.checker.Snapshot().Since())
		time.Sleep(5 * time.Minute)
		assert.Equal(t, stale, w.checker.Snapshot().Since(), "it is stale as before")

		time.Sleep(time.Hour)
		assert.Equal(t, begin.Add(10*time.Minute+15*time.Minute), w.checker.Snapshot().Since(), "unreachable MaxStale after the last good answer")
	})
}
