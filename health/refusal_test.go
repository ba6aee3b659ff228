package health_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

func TestRefusal(t *testing.T) {
	t.Run("confirmed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(refused))
			reads := w.source.readCount()
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, "warn: confirming_rejection", w.verdict())
			assert.Equal(t, reads+2, w.source.readCount(), "the regular read and one for the refusal")
			time.Sleep(time.Second - time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "warn: confirming_rejection", w.verdict())
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "fail: rejected", w.verdict())
			assert.Equal(t, []time.Duration{time.Minute, 61 * time.Second}, w.platform.times())
			assert.Empty(t, w.inUse())
		})
	})
	t.Run("unconfirmed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(inTurn(refused, account("1")))
			time.Sleep(time.Minute + time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("counted across an outage", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(inTurn(refused, down, down, refused))
			time.Sleep(time.Minute + time.Second)
			synctest.Wait()
			assert.Equal(t, "warn: confirming_rejection,stale", w.verdict())
			time.Sleep(time.Minute)
			assert.Equal(t, "fail: rejected", w.verdict())
		})
	})
	t.Run("unconfirmed until MaxStale", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(inTurn(refused, down))
			time.Sleep(15*time.Minute - time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "warn: confirming_rejection,stale", w.verdict())
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "fail: unreachable,confirming_rejection", w.verdict())
		})
	})
	t.Run("burst of refreshes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(refused))
			for range 20 {
				require.Error(t, w.checker.Refresh(t.Context()))
				time.Sleep(time.Millisecond)
			}
			assert.Equal(t, "warn: confirming_rejection", w.verdict(), "within a second they are one")
			time.Sleep(time.Second)
			assert.Equal(t, "fail: rejected", w.verdict())
		})
	})
	t.Run("threshold", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.WithRejectionThreshold(4), health.WithRejectionRecheck(3*time.Second))
			w.will(always(refused))
			time.Sleep(time.Minute + 9*time.Second - time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "warn: confirming_rejection", w.verdict())
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "fail: rejected", w.verdict())
		})
	})
	t.Run("token replaced meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			// Polls are far apart: the refusal causes the read.
			w := started(t, health.WithPollInterval(time.Hour))
			w.will(func(token string) reply {
				if token == tokenA {
					w.source.has(tokenB)
					return refused
				}
				return account("1")
			})
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens())
		})
	})
}

// A refusal of a token that was never accepted is said at once, whatever comes next: unreachable
// would send an operator to the network.
func TestRefusalOfUnverified(t *testing.T) {
	for name, next := range map[string]reply{
		"down": down, "no route": noRoute, "hang": hang, "limited": limited("60"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, inTurn(refused, next))
				require.NoError(t, w.checker.Start(t.Context()))
				assert.Equal(t, "fail: rejected", w.verdict())
				assert.ErrorContains(t, w.checker.Check(t.Context()), "answered 401")
				time.Sleep(time.Hour)
				assert.Equal(t, "fail: rejected", w.verdict())
				w.will(always(account("1")))
				time.Sleep(2 * time.Minute)
				assert.Equal(t, "pass: verified", w.verdict())
			})
		})
	}
	t.Run("successor", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(refused))
			time.Sleep(2 * time.Minute)
			require.Equal(t, "fail: rejected", w.verdict())
			w.source.has(tokenB)
			answerB := inTurn(refused, down)
			w.will(func(token string) reply {
				if token == tokenB {
					return answerB(token)
				}
				return refused
			})
			time.Sleep(20 * time.Second)
			assert.Equal(t, "fail: rejected", w.verdict())
			assert.Equal(t, "BBBB…#"+hash(tokenB), w.checker.Snapshot().TokenFingerprint())
		})
	})
}
