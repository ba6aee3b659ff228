package health_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestARefusal(t *testing.T) {
	t.Run("of a verified token is confirmed after a second before the gate closes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(refused))
			reads := w.source.readCount()
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, "warn: confirming_rejection", w.verdict())
			assert.Equal(t, reads+2, w.source.readCount(), "the provider is asked at once")
			time.Sleep(time.Second - time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "warn: confirming_rejection", w.verdict())
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, "fail: rejected", w.verdict())
			assert.Equal(t, []time.Duration{time.Minute, 61 * time.Second}, w.platform.times())
			assert.Equal(t, "none", fingerprint(w.checker))
		})
	})
	t.Run("that is not confirmed was none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(inTurn(refused, account("1")))
			time.Sleep(time.Minute + time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("is counted across an outage", func(t *testing.T) {
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
	t.Run("waits for its confirmation no longer than MaxStale", func(t *testing.T) {
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
	t.Run("is not confirmed by a burst of refreshes within the same second", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(refused))
			for range 20 {
				require.Error(t, w.checker.Refresh(t.Context()))
				time.Sleep(time.Millisecond)
			}
			assert.Equal(t, "warn: confirming_rejection", w.verdict())
			time.Sleep(time.Second)
			assert.Equal(t, "fail: rejected", w.verdict())
		})
	})
	t.Run("needs as many confirmations as the option says", func(t *testing.T) {
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
	t.Run("makes the checker look for a new token at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			// Polls are far apart: it is the refusal that makes it look.
			w := started(t, health.WithPollInterval(time.Hour))
			w.will(func(token string) reply {
				if token == tokenA {
					w.source.has(tokenB) // replaced while the old one is being refused
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

func fingerprint(c *health.Checker) string {
	token, _ := c.Token()
	return token.Fingerprint()
}

func TestARotation(t *testing.T) {
	t.Run("is seen by the next poll, verified, and then takes over in one step", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.source.has(tokenB)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			assert.Equal(t, []string{tokenB}, w.platform.tokens(), "the old one is not asked about")
			token, err := w.checker.Token()
			require.NoError(t, err)
			assert.Equal(t, tokenB, token.Reveal())
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, []string{
				`level=INFO msg="toloka credential rotated" environment=production account.id=1 account.name="Jack Smith" company.id=123 balance=121.3 latency=0s token.previous=AAAA…#` +
					hash(tokenA) + ` token.source=test:source token.fingerprint=BBBB…#` + hash(tokenB),
			}, w.lines())
		})
	})
	t.Run("to a refused token is warned about once, and the old one stays", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1")}))
			w.source.has(tokenB)
			time.Sleep(10*time.Minute + time.Second)
			assert.Equal(t, "warn: rotation_rejected", w.verdict())
			token, err := w.checker.Token()
			require.NoError(t, err)
			assert.Equal(t, tokenA, token.Reveal())
			assert.Equal(t, 21, w.platform.count(), "one at the poll, then one a minute for each token")
			lines := w.lines()
			require.Len(t, lines, 1)
			assert.Regexp(t, `^level=WARN msg="toloka credential: new token refused, the old one stays in use" environment=production status=warn reason=rotation_rejected token.refused=BBBB…#`+hash(tokenB)+
				` error="requester: .*" action="put a working token of the same account in place before the old one is deleted" token.source=test:source token.fingerprint=AAAA…#`+hash(tokenA)+`$`, lines[0])
		})
	})
	t.Run("to a refused token is taken back without a call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1")}))
			w.source.has(tokenB)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			require.Equal(t, "warn: rotation_rejected", w.verdict())
			w.platform.forget()
			w.source.has(tokenA)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Zero(t, w.platform.count())
		})
	})
	t.Run("leaves nothing behind of the tokens before it", func(t *testing.T) {
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
			time.Sleep(5 * time.Second)
			assert.Equal(t, 1, w.checker.Remembered(), "nor of one that was rejected")
		})
	})
	t.Run("names each new token that is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1")}))
			w.source.has(tokenB, tokenC)
			time.Sleep(10 * time.Minute)
			lines := w.lines()
			require.Len(t, lines, 2)
			assert.Contains(t, lines[0], " token.refused=BBBB…#"+hash(tokenB))
			assert.Contains(t, lines[1], " token.refused=CCCC…#"+hash(tokenC))
		})
	})
	t.Run("to a refused token is not made good by another that gets no answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1"), tokenC: down}))
			w.source.has(tokenB)
			time.Sleep(6 * time.Second)
			require.Equal(t, "warn: rotation_rejected", w.verdict())
			w.lines()
			w.source.has(tokenC)
			time.Sleep(10 * time.Minute)
			assert.Equal(t, "warn: rotation_rejected", w.verdict())
			assert.Empty(t, w.lines())
			w.will(always(account("1")))
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
			token, _ := w.checker.Token()
			assert.Equal(t, tokenC, token.Reveal())
		})
	})
	t.Run("to a token that the platform learns of later is tried again at the interval", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1")}))
			w.source.has(tokenB)
			time.Sleep(30 * time.Second)
			w.will(always(account("1")))
			time.Sleep(30 * time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict())
			token, _ := w.checker.Token()
			assert.Equal(t, tokenB, token.Reveal())
		})
	})
	t.Run("during an outage changes nothing and is made good afterwards", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(down))
			w.source.has(tokenB)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict())
			time.Sleep(2 * time.Minute)
			assert.Equal(t, "warn: stale", w.verdict())
			w.will(always(account("1")))
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
			token, _ := w.checker.Token()
			assert.Equal(t, tokenB, token.Reveal())
		})
	})
	t.Run("replaces a rejected token within a poll", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenB: account("1")}))
			time.Sleep(2 * time.Minute)
			require.Equal(t, "fail: rejected", w.verdict())
			w.source.has(tokenB)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("replaces a rejected token during an outage, and then it is no longer called rejected", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(refused))
			time.Sleep(2 * time.Minute)
			require.Equal(t, "fail: rejected", w.verdict())
			w.will(always(down))
			w.source.has(tokenB)
			time.Sleep(10 * time.Second)
			assert.Equal(t, "fail: unreachable", w.verdict())
		})
	})
	t.Run("to a token that is replaced before its answer comes has no effect", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			slow := reply{status: 200, body: account("1").body, after: 3 * time.Second}
			w.will(byToken(map[string]reply{tokenA: account("1"), tokenB: slow, tokenC: account("1")}))
			w.source.has(tokenB)
			time.Sleep(6 * time.Second) // the poll at 5 s asks about B
			w.source.has(tokenC)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			token, _ := w.checker.Token()
			assert.Equal(t, tokenC, token.Reveal())
		})
	})
}

// hash is the part of a fingerprint after '#'.
func hash(value string) string {
	token, err := credentials.ParseToken(value)
	if err != nil {
		panic(err)
	}
	f := token.Fingerprint()
	return f[len(f)-8:]
}

func TestTheAccount(t *testing.T) {
	t.Run("is pinned: a token of another account does not take over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenA: account("1"), tokenB: account("2")}))
			w.source.has(tokenB)
			time.Sleep(time.Minute)
			assert.Equal(t, "warn: rotation_rejected", w.verdict())
			assert.EqualError(t, w.checker.Snapshot().Cause(), "this service was verified as account 1, the token belongs to account 2")
		})
	})
	t.Run("stays pinned after a rejection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenB: account("2")}))
			time.Sleep(2 * time.Minute)
			require.Equal(t, "fail: rejected", w.verdict())
			w.source.has(tokenB)
			time.Sleep(time.Minute)
			assert.Equal(t, "fail: wrong_account", w.verdict())
			_, err := w.checker.Account()
			assert.Error(t, err)
		})
	})
	t.Run("may change where the option allows it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.AllowAccountChange())
			w.will(byToken(map[string]reply{tokenA: account("1"), tokenB: account("2")}))
			w.source.has(tokenB)
			time.Sleep(6 * time.Second)
			assert.Equal(t, "pass: verified", w.verdict())
			a, err := w.checker.Account()
			require.NoError(t, err)
			assert.Equal(t, "2", a.ID())
		})
	})
	t.Run("may not change against an expectation, whatever the option allows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.AllowAccountChange(), health.ExpectAccount("1"))
			w.will(byToken(map[string]reply{tokenA: account("1"), tokenB: account("2")}))
			w.source.has(tokenB)
			time.Sleep(6 * time.Second)
			assert.Equal(t, "warn: rotation_rejected", w.verdict())
		})
	})
	t.Run("of the same token changes: wrong at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(account("2")))
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, "fail: wrong_account", w.verdict())
			assert.Equal(t, 1, w.platform.count())
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			assert.Equal(t, 11, w.platform.count(), "and there is nothing to confirm")
		})
	})
}

func TestTheBalance(t *testing.T) {
	tests := []struct {
		name, balance string
		opts          []health.Option
		want          string
	}{
		{"is not looked at by default", "0", nil, "pass: verified"},
		{"may be exactly the minimum", "50", []health.Option{health.WithMinBalance(decimal.MustParse("50"))}, "pass: verified"},
		{"below the minimum is a warning", "49.99", []health.Option{health.WithMinBalance(decimal.MustParse("50"))}, "warn: low_balance"},
		{"below zero is a warning", "-1", []health.Option{health.WithMinBalance(decimal.MustParse("0"))}, "warn: low_balance"},
		{"below the minimum fails where the option says so", "49.99", []health.Option{health.WithMinBalance(decimal.MustParse("50")), health.FailOnLowBalance()}, "fail: low_balance"},
		{"that cannot be read is not judged", `"much"`, []health.Option{health.WithMinBalance(decimal.MustParse("50")), health.FailOnLowBalance()}, "pass: verified"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(poor("1", tt.balance)), tt.opts...)
				require.NoError(t, w.checker.Start(t.Context()))
				assert.Equal(t, tt.want, w.verdict())
				if w.checker.Snapshot().Reasons().Has(health.ReasonLowBalance) {
					assert.EqualError(t, w.checker.Snapshot().Cause(), "the balance is "+tt.balance+" USD, the minimum is "+map[bool]string{true: "0", false: "50"}[tt.balance == "-1"]+" USD")
				}
			})
		})
	}
}

func TestSeveralTokens(t *testing.T) {
	first := func(t *testing.T, replies map[string]reply, opts ...health.Option) *world {
		w := newWorld(t, byToken(replies), opts...)
		w.source.has(tokenA, tokenB)
		require.NoError(t, w.checker.Start(t.Context()))
		return w
	}
	t.Run("use the first while it is good, and ask about no other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := first(t, map[string]reply{tokenA: account("1"), tokenB: account("1")})
			time.Sleep(10 * time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
			assert.NotContains(t, w.platform.tokens(), tokenB)
		})
	})
	t.Run("use the second at the first's refusal, and go back when the first is good again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := first(t, map[string]reply{tokenB: account("1")})
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens(), "at once")
			assert.Equal(t, "warn: using_fallback", w.verdict())
			w.lines()
			w.platform.forget()
			time.Sleep(10*time.Minute + time.Second)
			assert.Equal(t, 20, w.platform.count(), "both at each interval")
			assert.Empty(t, w.lines(), "which is no news")
			require.NoError(t, w.checker.Refresh(t.Context()))

			w.will(always(account("1")))
			time.Sleep(time.Minute + time.Second)
			assert.Equal(t, "pass: verified", w.verdict())
			token, _ := w.checker.Token()
			assert.Equal(t, tokenA, token.Reveal())
		})
	})
	t.Run("use the second within the check that sees the first refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := first(t, map[string]reply{tokenA: account("1"), tokenB: account("1")})
			w.will(byToken(map[string]reply{tokenB: account("1")}))
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, "warn: using_fallback", w.verdict())
		})
	})
	t.Run("do not use the second when it is of another account", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := first(t, map[string]reply{tokenA: account("1"), tokenB: account("2")})
			w.will(byToken(map[string]reply{tokenB: account("2")}))
			time.Sleep(2 * time.Minute)
			_, err := w.checker.Token()
			require.Error(t, err)
			assert.Equal(t, health.StatusFail, w.checker.Snapshot().Status())
		})
	})
	t.Run("are rejected when both are refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(refused))
			w.source.has(tokenA, tokenB)
			require.Error(t, w.checker.Start(t.Context()))
			assert.Equal(t, "fail: rejected", w.verdict())
			assert.Equal(t, []string{tokenA, tokenB, tokenA, tokenB}, w.platform.tokens())
			assert.Equal(t, "AAAA…#"+hash(tokenA), w.checker.Snapshot().TokenFingerprint(), "of which the first counts")
		})
	})
	t.Run("count the refusals of those that are not in use", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := first(t, map[string]reply{tokenA: account("1"), tokenB: account("1")}, health.WithRejectionThreshold(3))
			w.will(byToken(map[string]reply{tokenB: noRoute}))
			time.Sleep(time.Minute + 5*time.Second)
			assert.Equal(t, "fail: rejected", w.verdict())
			w.will(always(refused))
			for range 2 {
				time.Sleep(time.Second)
				require.Error(t, w.checker.Refresh(t.Context()))
			}
			assert.Equal(t, "AAAA…#"+hash(tokenA), w.checker.Snapshot().TokenFingerprint())
			w.source.has(tokenB)
			time.Sleep(3 * time.Second) // the next poll is 70 seconds after the start
			synctest.Wait()
			assert.Equal(t, "fail: rejected", w.verdict(), "and gets no second chance")
			assert.Equal(t, "BBBB…#"+hash(tokenB), w.checker.Snapshot().TokenFingerprint())
		})
	})
	t.Run("say once that the one in use is refused when the other is too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := first(t, map[string]reply{tokenA: account("1"), tokenB: account("1")})
			w.lines()
			w.platform.forget()
			w.will(always(refused))
			err := w.checker.Refresh(t.Context())
			assert.Equal(t, "warn: confirming_rejection", w.verdict())
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens())
			assert.Len(t, w.lines(), 1)
			assert.Equal(t, requester.Rejected, requester.ClassOf(err))
			assert.NotContains(t, err.Error(), "BBBB…", "which is beside the point")
		})
	})
	t.Run("are not all asked about while the platform is away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := first(t, map[string]reply{tokenA: account("1"), tokenB: account("1")})
			w.will(always(refused))
			time.Sleep(2 * time.Minute)
			assert.Equal(t, "fail: rejected", w.verdict())
			w.will(always(noRoute))
			w.platform.forget()
			require.Error(t, w.checker.Refresh(t.Context()))
			assert.Equal(t, []string{tokenA}, w.platform.tokens())
		})
	})
}
