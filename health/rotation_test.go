package health_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

// poll sleeps until the next poll of the source has had its effect.
func poll() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

func TestRotation(t *testing.T) {
	t.Run("accepted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.source.has(tokenB)
			poll()
			assert.Equal(t, []string{tokenB}, w.platform.tokens(), "the old one is not asked about")
			assert.Equal(t, tokenB, w.inUse())
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, []string{
				`level=INFO msg="toloka credential rotated" environment=production ` + account1 +
					` token.previous=AAAA…#` + hash(tokenA) + toB,
			}, w.lines())
		})
	})
	t.Run("superseded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{
				tokenA: account("1"), tokenB: slowly("1", 3*time.Second), tokenC: account("1"),
			}))
			w.source.has(tokenB)
			time.Sleep(6 * time.Second) // the poll at 5 s asks about B
			w.source.has(tokenC)
			poll()
			assert.Equal(t, tokenC, w.inUse())
		})
	})
	t.Run("no accounts left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			time.Sleep(time.Second) // between the polls
			for i := range 100 {
				w.source.has(fmt.Sprintf("%s-%d", tokenB, i))
				time.Sleep(5 * time.Second)
			}
			assert.Equal(t, 100, w.platform.count())
			assert.Equal(t, 1, w.checker.Remembered())
			w.will(always(refused))
			time.Sleep(2 * time.Minute)
			require.Equal(t, "fail: rejected", w.verdict())
			w.source.has(tokenC)
			poll()
			assert.Zero(t, w.checker.Remembered(), "nor of a rejected one")
		})
	})
	t.Run("during an outage", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(down))
			w.source.has(tokenB)
			poll()
			assert.Equal(t, "pass: verified", w.verdict())
			time.Sleep(2 * time.Minute)
			assert.Equal(t, "warn: stale", w.verdict())
			w.will(always(account("1")))
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, tokenB, w.inUse())
		})
	})
	t.Run("of a rejected token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenB: account("1")}))
			time.Sleep(2 * time.Minute)
			require.Equal(t, "fail: rejected", w.verdict())
			w.source.has(tokenB)
			poll()
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("of a rejected token during an outage", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(refused))
			time.Sleep(2 * time.Minute)
			require.Equal(t, "fail: rejected", w.verdict())
			w.will(always(down))
			w.source.has(tokenB)
			time.Sleep(10 * time.Second)
			assert.Equal(t, "fail: unreachable", w.verdict(), "the new token was not refused")
		})
	})
	t.Run("back to a token with an old answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.source.has(tokenB)
			poll()
			require.Equal(t, tokenB, w.inUse())
			w.source.has(tokenA)
			w.platform.forget()
			poll()
			assert.Equal(t, tokenA, w.inUse())
			assert.Equal(t, []string{tokenA}, w.platform.tokens(), "it is verified anew")
		})
	})
}

func TestRotationRejected(t *testing.T) {
	onlyA := byToken(map[string]reply{tokenA: account("1")})
	t.Run("old token stays", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(onlyA)
			w.source.has(tokenB)
			time.Sleep(10*time.Minute + time.Second)
			assert.Equal(t, "warn: rotation_rejected", w.verdict())
			assert.Equal(t, tokenA, w.inUse())
			assert.Equal(t, 10, w.platform.countOf(tokenA), "once a minute")
			assert.Equal(t, 10, w.platform.countOf(tokenB), "at the poll, and then once a minute")
			assert.Equal(t, []string{
				`level=WARN msg="toloka credential: new token refused, the old one stays in use"` +
					` environment=production status=warn reason=rotation_rejected token.refused=BBBB…#` +
					hash(tokenB) + ` ` + no + ` action="put a working token of the same account in place` +
					` before the old one is deleted"` + fromA,
			}, withoutAdvice(w.lines()), "once")
		})
	})
	t.Run("taken back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(onlyA)
			w.source.has(tokenB)
			poll()
			require.Equal(t, "warn: rotation_rejected", w.verdict())
			w.platform.forget()
			w.source.has(tokenA)
			poll()
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Zero(t, w.platform.count(), "which takes no call")
		})
	})
	t.Run("each token is named", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(onlyA)
			w.source.has(tokenB, tokenC)
			time.Sleep(10 * time.Minute)
			lines := w.lines()
			require.Len(t, lines, 2)
			assert.Contains(t, lines[0], " token.refused=BBBB…#"+hash(tokenB))
			assert.Contains(t, lines[1], " token.refused=CCCC…#"+hash(tokenC))
		})
	})
	t.Run("followed by a token without a verdict", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1"), tokenC: down}))
			w.source.has(tokenB)
			time.Sleep(6 * time.Second)
			require.Equal(t, "warn: rotation_rejected", w.verdict())
			w.lines()
			w.source.has(tokenC)
			time.Sleep(10 * time.Minute)
			assert.Equal(t, "warn: rotation_rejected", w.verdict(), "only an answer clears it")
			assert.Empty(t, w.lines())
			w.will(always(account("1")))
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, tokenC, w.inUse())
		})
	})
	t.Run("accepted later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(onlyA)
			w.source.has(tokenB)
			time.Sleep(30 * time.Second)
			w.will(always(account("1")))
			time.Sleep(35 * time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict(), "an interval after the refusal")
			assert.Equal(t, tokenB, w.inUse())
		})
	})
}

// Nothing that is answered about a new token delays the checks of the one in use.
func TestRotationWithoutVerdict(t *testing.T) {
	for name, answer := range map[string]reply{
		"limited": limited(""), "limited with a hint": limited("3600"), "400": {status: 400}, "404": gone,
		"500": {status: 500}, "firewall": firewall, "no route": noRoute, "hang": hang,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t, health.OnChange(func(_, snap *health.Snapshot) {
					if snap.Reason() != health.ReasonClosed {
						assert.True(t, snap.Open(), "%s", snap.State().Reasons)
					}
				}))
				w.will(byToken(map[string]reply{tokenA: account("1"), tokenB: answer}))
				w.source.has(tokenB)
				time.Sleep(time.Hour + time.Second)
				assert.Equal(t, "pass: verified", w.verdict())
				assert.Equal(t, 60, w.platform.countOf(tokenA))
				assert.LessOrEqual(t, w.platform.countOf(tokenB), 120)
			})
		})
	}
}
