package health_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// pair makes a world of two tokens.
func pair(t *testing.T, answer func(string) reply, opts ...health.Option) *world {
	t.Helper()
	return newWorldOf(t, &source{tokens: []string{tokenA, tokenB}}, answer, opts...)
}

// pairInUse makes one whose first token was verified.
func pairInUse(t *testing.T, opts ...health.Option) *world {
	t.Helper()
	w := pair(t, always(account("1")), opts...)
	w.start()
	return w
}

var onlyB = byToken(map[string]reply{tokenB: account("1")})

func TestFailover(t *testing.T) {
	t.Run("first is good", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pairInUse(t)
			time.Sleep(10 * time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Zero(t, w.platform.countOf(tokenB))
		})
	})
	t.Run("first is refused and accepted later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pair(t, onlyB)
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens(), "at once")
			assert.Zero(t, time.Since(w.born))
			assert.Equal(t, "warn: using_fallback", w.verdict())
			w.lines()
			w.platform.forget()
			time.Sleep(10*time.Minute + 2*time.Second)
			assert.Equal(t, 10, w.platform.countOf(tokenB))
			assert.InDelta(t, 10, w.platform.countOf(tokenA), 1, "and once to confirm the refusal")
			assert.Empty(t, w.lines(), "which is no news")
			require.NoError(t, w.checker.Refresh(t.Context()))

			w.will(always(account("1")))
			time.Sleep(time.Minute + time.Second)
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, tokenA, w.inUse())
		})
	})
	t.Run("first is refused while in use", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pairInUse(t)
			w.will(onlyB)
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, "warn: using_fallback", w.verdict(), "without waiting for the confirmation")
		})
	})
	t.Run("second is of another account", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pairInUse(t)
			w.will(byToken(map[string]reply{tokenB: account("2")}))
			time.Sleep(2 * time.Minute)
			assert.Empty(t, w.inUse())
			assert.Equal(t, health.StatusFail, w.checker.Snapshot().Status())
		})
	})
	t.Run("both are refused at the start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pair(t, always(refused))
			require.Error(t, w.checker.Start(t.Context()))
			assert.Equal(t, "fail: rejected", w.verdict())
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens()[:2])
			assert.Equal(t, 2, w.platform.countOf(tokenA))
			assert.Equal(t, 2, w.platform.countOf(tokenB))
			assert.Equal(t, "AAAA…#"+hash(tokenA), w.checker.Snapshot().TokenFingerprint(), "the first")
		})
	})
	t.Run("both are refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pairInUse(t)
			w.will(always(refused))
			err := w.checker.Refresh(t.Context())
			assert.Equal(t, "warn: confirming_rejection", w.verdict())
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens())
			assert.Len(t, w.lines(), 1)
			assert.Equal(t, requester.Rejected, requester.ClassOf(err))
			assert.NotContains(t, err.Error(), "BBBB…", "it is about the token in use")
		})
	})
	t.Run("second is refused once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pairInUse(t)
			answerB := inTurn(refused, account("1"))
			w.will(func(token string) reply {
				if token == tokenB {
					return answerB(token)
				}
				return refused
			})
			time.Sleep(time.Minute + time.Second)
			synctest.Wait()
			assert.Equal(t, "warn: using_fallback", w.verdict(), "asked again after a second")
		})
	})
	t.Run("refusals of the other token count", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pairInUse(t)
			w.will(always(refused))
			time.Sleep(time.Minute + 5*time.Second)
			require.Equal(t, "fail: rejected", w.verdict())
			require.Equal(t, 2, w.platform.countOf(tokenB), "confirmed as soon as the first is rejected")
			w.source.has(tokenB)
			w.will(always(down))
			time.Sleep(time.Minute)
			assert.Equal(t, "fail: rejected", w.verdict(), "it gets no second chance")
		})
	})
}

// One token's trouble is not the platform's: the next is asked about at once, in Start too.
func TestFailoverWithoutVerdict(t *testing.T) {
	troubles := map[string]reply{
		"400": {status: 400}, "404": gone, "limited": limited("60"), "500": {status: 500},
		"firewall": firewall, "no route": noRoute, "HTML": {status: 200, body: "<html>"},
	}
	for name, trouble := range troubles {
		answer := byToken(map[string]reply{tokenA: trouble, tokenB: account("1")})
		t.Run(name+"/start", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := pair(t, answer)
				require.NoError(t, w.checker.Start(t.Context()))
				assert.Zero(t, time.Since(w.born))
				assert.Equal(t, "warn: using_fallback", w.verdict())
				assert.Equal(t, tokenB, w.inUse())
				w.platform.forget()
				time.Sleep(time.Hour + time.Second)
				assert.Equal(t, 60, w.platform.countOf(tokenB))
				assert.Equal(t, "warn: using_fallback", w.verdict())
			})
		})
		t.Run(name+"/later", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := pairInUse(t)
				w.will(answer)
				time.Sleep(time.Minute)
				synctest.Wait()
				assert.Equal(t, "warn: using_fallback", w.verdict())
				assert.Equal(t, tokenB, w.inUse())
			})
		})
	}
	t.Run("hang/start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pair(t, byToken(map[string]reply{tokenA: hang, tokenB: account("1")}))
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, 5*time.Second, time.Since(w.born), "when the call about the first is given up")
			assert.Equal(t, "warn: using_fallback", w.verdict())
		})
	})
}

// TestFailoverToVerified: a token that worked when it was replaced is asked about as soon as the
// one in use gets into trouble, however short ago that was.
func TestFailoverToVerified(t *testing.T) {
	for name, a := range map[string]reply{
		"refused": refused, "other account": account("2"), "no verdict": down,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := pair(t, byToken(map[string]reply{tokenA: down, tokenB: account("1")}))
				require.NoError(t, w.checker.Start(t.Context()))
				w.will(always(account("1")))
				for w.inUse() != tokenA {
					time.Sleep(time.Second)
				}
				w.platform.forget()
				w.will(byToken(map[string]reply{tokenA: a, tokenB: account("1")}))
				time.Sleep(11 * time.Second)
				loan := borrow(t, w)
				begin := time.Now()
				require.NotNil(t, loan.Refused(t.Context()))
				synctest.Wait()
				assert.Zero(t, time.Since(begin))
				assert.Equal(t, tokenB, w.inUse())
				assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens()[:2])
			})
		})
	}
}

// The token in use is refused and not offered any more, and the first offered one is held by a rate
// limit of its own: the ones after it do not wait for that.
func TestFailoverPastHeldToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, &source{tokens: []string{tokenB, tokenA}}, byToken(map[string]reply{
			tokenA: account("1"), tokenB: limited("31536000"), tokenC: account("1"),
		}))
		w.start()
		require.Equal(t, tokenA, w.inUse())
		time.Sleep(8 * time.Minute) // tokenB is held again
		w.will(byToken(map[string]reply{tokenB: limited("31536000"), tokenC: account("1")}))
		time.Sleep(2 * time.Minute)
		require.Equal(t, "fail: rejected", w.verdict())
		w.platform.forget()
		w.source.has(tokenB, tokenC)
		time.Sleep(10 * time.Second)
		assert.Equal(t, "warn: using_fallback", w.verdict())
		assert.Equal(t, tokenC, w.inUse())
		assert.Equal(t, 1, w.platform.countOf(tokenC))
		assert.Zero(t, w.platform.countOf(tokenB), "its hold lasts")
	})
}

// A second token that gets no answer is asked about less and less often, and never delays the
// confirmation of the first one's refusal.
func TestFailoverBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := pairInUse(t)
		w.will(byToken(map[string]reply{tokenB: noRoute}))
		time.Sleep(5 * time.Minute)
		assert.Equal(t, "fail: rejected", w.verdict())
		assert.Equal(t, []time.Duration{time.Minute, 61 * time.Second}, w.platform.timesOf(tokenA)[:2])
		assert.Equal(t, 5, w.platform.countOf(tokenA))
		calls := w.platform.timesOf(tokenB)
		assert.Equal(t, []time.Duration{
			60 * time.Second, 61250 * time.Millisecond, 63750 * time.Millisecond, // opens its own breaker
		}, calls[:3])
		assert.LessOrEqual(t, len(calls), 12)
		assert.Equal(t, "closed", w.checker.Snapshot().State().Breaker, "the one of the token in use")
	})
}

// A source of many tokens costs at most 50 calls per interval, spread.
func TestManyTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		tokens := make([]string, n)
		for i := range tokens {
			tokens[i] = tokenC + "-" + time.Duration(i).String()
		}
		tokens[n-1] = tokenB
		w := newWorldOf(t, &source{tokens: tokens}, onlyB, health.RequireVerified())
		require.Error(t, w.checker.Start(t.Context()))
		assert.LessOrEqual(t, w.platform.count(), 70)
	})
	t.Run("slow refusals before the good one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tokens := make([]string, 50)
			for i := range tokens {
				tokens[i] = tokenC + "-" + time.Duration(i).String()
			}
			tokens[49] = tokenB
			slow := refused
			slow.after = 4 * time.Second
			w := newWorldOf(t, &source{tokens: tokens}, func(token string) reply {
				if token == tokenB {
					return account("1")
				}
				return slow
			})
			require.NoError(t, w.checker.Start(t.Context()))
			time.Sleep(5 * time.Minute)
			assert.Equal(t, tokenB, w.inUse())
		})
	})
}
