package health_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

var errSealed = errors.New("vault is sealed")

func TestBrokenSource(t *testing.T) {
	t.Run("loaded token stays in use", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.source.breaks(errSealed)
			time.Sleep(5*time.Second + time.Millisecond)
			assert.Equal(t, "warn: source_unavailable", w.verdict(), "a poll sees it")
			assert.ErrorIs(t, w.checker.Snapshot().State().Err, errSealed)
			time.Sleep(10 * time.Minute)
			assert.Equal(t, 10, w.platform.count())
			assert.Equal(t, "warn: source_unavailable", w.verdict())
			w.source.has(tokenA)
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, 11, w.platform.count())
		})
	})
	t.Run("first poll soon after Start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.WithPollInterval(time.Second))
			w.source.breaks(errSealed)
			time.Sleep(time.Second + time.Millisecond)
			assert.Equal(t, "warn: source_unavailable", w.verdict())
		})
	})
	t.Run("last poll counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			polled := func() string {
				poll()
				return w.verdict()
			}
			w.source.breaks(errSealed)
			assert.Equal(t, "warn: source_unavailable", polled())
			assert.ErrorIs(t, w.checker.Snapshot().State().Err, errSealed)

			denied := errors.New("permission denied")
			w.source.breaks(denied)
			assert.Equal(t, "warn: source_unavailable", polled())
			assert.ErrorIs(t, w.checker.Snapshot().State().Err, denied)
			assert.NotErrorIs(t, w.checker.Snapshot().State().Err, errSealed)

			w.source.has(tokenA)
			assert.Equal(t, "pass: verified", polled())
			assert.Equal(t, 1, w.source.readCount(), "which took no read")
		})
	})
	t.Run("read less and less often without a token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")), health.WithStartupTimeout(9*time.Second))
			w.source.breaks(errSealed)
			require.NoError(t, w.checker.Start(t.Context()))
			time.Sleep(5*time.Minute - time.Since(w.born))
			reads := w.source.readTimes(w.born)
			var begin []time.Duration
			for i := range 8 { // while Start waits
				begin = append(begin, time.Duration(i)*1250*time.Millisecond)
			}
			assert.Equal(t, begin, reads[:8])
			after := reads[8:]
			assert.Equal(t, 10*time.Second, after[0])
			for i := 1; i < len(after); i++ {
				pause := after[i] - after[i-1]
				assert.Equal(t, min(1250*time.Millisecond<<i, time.Minute), pause)
			}
			assert.GreaterOrEqual(t, len(after), 9)
		})
	})
	t.Run("token after Start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			w.source.breaks(errSealed)
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, "fail: no_credential", w.verdict())
			w.source.has(tokenA)
			poll()
			assert.Equal(t, "pass: verified", w.verdict(), "the next poll finds it")
		})
	})
	t.Run("empty later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.source.has()
			time.Sleep(2 * time.Minute)
			assert.Equal(t, "warn: source_unavailable", w.verdict())
			assert.Equal(t, tokenA, w.inUse())
		})
	})
}

// Reads of the source never delay the checks of the loaded token.
func TestHangingSource(t *testing.T) {
	t.Run("forever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			release := make(chan struct{})
			w.source.hangsUntil(release)
			reads := w.source.readCount()
			time.Sleep(time.Minute + 6*time.Second)
			assert.Equal(t, "warn: source_unavailable", w.verdict())
			assert.EqualError(t, w.checker.Snapshot().State().Err, "health: test:source: no answer within 5s")
			time.Sleep(9 * time.Minute)
			assert.Equal(t, reads+1, w.source.readCount(), "one read at a time")
			assert.Equal(t, 10, w.platform.count())
			w.source.hangsUntil(nil)
			close(release)
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("until the timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.WithInterval(6*time.Second))
			w.source.usesUpItsTime()
			time.Sleep(2*time.Minute + time.Second)
			assert.Equal(t, "warn: source_unavailable", w.verdict())
			for i, at := range w.platform.times() {
				assert.Equal(t, time.Duration(i+1)*6*time.Second, at)
			}
			assert.Equal(t, 20, w.platform.count())
		})
	})
	for name, deaf := range map[string]bool{"short MaxStale": false, "context ignored": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(account("1")))
				c, err := health.New(w.source, health.WithClient(w.client(requester.WithTimeout(time.Second))),
					health.WithInterval(time.Second), health.WithMaxStale(3*time.Second),
					health.OnChange(func(_, snap *health.Snapshot) {
						assert.NotEqual(t, health.ReasonUnreachable, snap.Reason())
					}))
				require.NoError(t, err)
				defer c.Close()
				require.NoError(t, c.Start(t.Context()))
				release := make(chan struct{})
				defer close(release)
				if deaf {
					w.source.hangsUntil(release)
				} else {
					w.source.usesUpItsTime()
				}
				time.Sleep(time.Minute)
				assert.Equal(t, "warn: source_unavailable", verdictOf(c.Snapshot()))
			})
		})
	}
	t.Run("late token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			time.Sleep(59 * time.Second)
			release := make(chan struct{})
			w.source.hangsUntil(release)
			w.source.has(tokenB)
			time.Sleep(9*time.Second + 500*time.Millisecond) // the read at 60 s hangs
			require.Equal(t, "warn: source_unavailable", w.verdict())
			assert.Equal(t, []string{tokenA}, w.platform.tokens())
			reads := w.source.readCount()
			close(release)
			synctest.Wait()
			assert.Equal(t, tokenB, w.inUse(), "it is used")
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens())
			assert.Equal(t, reads, w.source.readCount())
			assert.Equal(t, "warn: source_unavailable", w.verdict(), "until a read is in time")
			w.source.hangsUntil(nil)
			time.Sleep(time.Minute + time.Second)
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("refresh", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			release := make(chan struct{})
			defer close(release)
			w.source.hangsUntil(release)
			begin := time.Now()
			assert.ErrorContains(t, w.checker.Refresh(t.Context()), "no answer within 5s")
			assert.Equal(t, 5*time.Second, time.Since(begin))
			assert.Equal(t, 1, w.platform.count(), "the loaded token is verified all the same")
			begin = time.Now()
			assert.Error(t, w.checker.Refresh(t.Context()))
			assert.Zero(t, time.Since(begin), "the source hangs already")
		})
	})
}

// A chain names its source only after the first read, which is before the line about the start.
func TestSourceNameOfFirstRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Setenv("TOKEN_OF_CHAIN", tokenA)
		chain := credentials.Chain(credentials.Env("NO_SUCH_TOKEN"), credentials.Env("TOKEN_OF_CHAIN"))
		w := newWorldOf(t, chain, always(account("1")))
		require.NoError(t, w.checker.Start(t.Context()))
		assert.Equal(t, "env:TOKEN_OF_CHAIN", w.checker.Snapshot().State().TokenSource)
		if lines := w.lines(); assert.Len(t, lines, 1) {
			assert.Contains(t, lines[0], " token.source=env:TOKEN_OF_CHAIN ")
		}
	})
}
