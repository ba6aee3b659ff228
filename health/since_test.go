package health_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

func TestAnsweredAtSaysWhenThePlatformSaidAnything(t *testing.T) {
	for name, answer := range map[string]reply{"a verification": account("1"), "a refusal": refused, "an outage": down, "nonsense": gone} {
		t.Run("by "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				w.will(always(answer))
				time.Sleep(7 * time.Second)
				_ = w.checker.Refresh(t.Context())
				assert.Equal(t, time.Now(), w.checker.Snapshot().AnsweredAt())
			})
		})
	}
	t.Run("not by a connection that was refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(noRoute))
			require.NoError(t, w.checker.Start(t.Context()))
			time.Sleep(time.Hour)
			assert.Zero(t, w.checker.Snapshot().AnsweredAt())
		})
	})
}
