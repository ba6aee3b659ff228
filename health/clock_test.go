package health_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

// machine is what the system tells about suspension. Fake time is the monotonic clock, which
// stands still meanwhile.
type machine struct{ suspended atomic.Int64 }

// sleep suspends the machine for d, while everything waits for time to pass.
func (m *machine) sleep(d time.Duration) {
	synctest.Wait()
	m.suspended.Add(int64(d))
}

func (m *machine) option() health.Option {
	return health.WithSuspended(func() time.Duration { return time.Duration(m.suspended.Load()) })
}

// look sleeps until the checker has noticed that the machine was suspended.
func look() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

func TestSuspend(t *testing.T) {
	for _, d := range []time.Duration{
		time.Second, time.Minute, 10 * time.Minute, 2 * time.Hour, 1000 * time.Hour,
	} {
		t.Run("platform answers/"+d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m machine
				w := started(t, m.option(), health.WithPollInterval(time.Hour))
				time.Sleep(17 * time.Second)
				m.sleep(d)
				reads := w.source.readCount()
				look()
				assert.Equal(t, "pass: verified", w.verdict())
				assert.Equal(t, 1, w.platform.count(), "verified anew")
				assert.Equal(t, 1, w.source.readCount()-reads, "read anew")
				time.Sleep(50 * time.Second)
				assert.Equal(t, 1, w.platform.count(), "and then at the interval")
			})
		})
	}
	t.Run("platform is down/short", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var m machine
			w := started(t, m.option())
			w.will(always(down))
			m.sleep(10 * time.Minute)
			look()
			assert.Equal(t, "warn: stale", w.verdict())
			time.Sleep(5*time.Minute - 5*time.Second - time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "warn: stale", w.verdict())
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "fail: unreachable", w.verdict(), "the age counts suspended time")
		})
	})
	t.Run("platform is down/long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var m machine
			w := started(t, m.option())
			w.will(always(down))
			m.sleep(2 * time.Hour)
			look()
			assert.Equal(t, "fail: unreachable", w.verdict())
			w.will(always(account("1")))
			time.Sleep(3 * time.Second)
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("call hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var m machine
			w := started(t, m.option())
			w.will(always(hang))
			m.sleep(2 * time.Hour)
			look()
			assert.Equal(t, "fail: unreachable", w.verdict())
		})
	})
	t.Run("breaker is open", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var m machine
			w := started(t, m.option())
			w.will(always(down))
			time.Sleep(64 * time.Second)
			require.Equal(t, "open", w.checker.Snapshot().State().Breaker)
			w.will(always(account("1")))
			m.sleep(time.Minute)
			look()
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, "closed", w.checker.Snapshot().State().Breaker)
		})
	})
	t.Run("rate limit is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var m machine
			w := started(t, m.option())
			w.will(inTurn(limited("300"), account("1")))
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, "warn: stale", w.verdict())
			m.sleep(5 * time.Minute)
			look()
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("rate limit is not over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var m machine
			w := started(t, m.option())
			w.will(inTurn(limited("300"), account("1")))
			time.Sleep(time.Minute)
			synctest.Wait()
			m.sleep(time.Minute)
			look()
			assert.Equal(t, 1, w.platform.count())
		})
	})
	t.Run("new token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var m machine
			w := started(t, m.option(), health.WithPollInterval(time.Hour))
			w.source.has(tokenB)
			m.sleep(time.Hour)
			look()
			assert.Equal(t, tokenB, w.inUse())
		})
	})
}

// The system's clocks are read one after the other, so the suspended time has noise.
func TestSuspendNoise(t *testing.T) {
	for name, noise := range map[string]func(i int64) time.Duration{
		"flicker":    func(i int64) time.Duration { return time.Duration(i%2) * 100 * time.Millisecond },
		"decreasing": func(i int64) time.Duration { return -time.Duration(i) * time.Second },
		"short":      func(i int64) time.Duration { return time.Duration(min(i, 999)) * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var looks atomic.Int64
				w := started(t, health.WithSuspended(func() time.Duration { return noise(looks.Add(1)) }))
				time.Sleep(10*time.Minute + time.Second)
				assert.Equal(t, 10, w.platform.count(), "no call but the regular ones")
				assert.Equal(t, "pass: verified", w.verdict())
				assert.Greater(t, looks.Load(), int64(100), "looked at every 5 s at least")
			})
		})
	}
}
