package health_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestAnOutage(t *testing.T) {
	outages := map[string]reply{
		"the platform answers 503":              down,
		"the platform cannot be reached":        noRoute,
		"a proxy answers with a login page":     {status: 200, body: "<html>log in</html>"},
		"a gateway answers 404":                 gone,
		"a firewall answers 403":                firewall,
		"the platform limits the rate":          limited("1"),
		"the platform hangs":                    hang,
		"the answer is cut short":               {status: 200, body: `{"id":"1","bal`},
		"the answer is an account without id":   {status: 200, body: `{"balance":1}`},
		"the platform redirects somewhere else": {status: 302, header: map[string][]string{"Location": {"https://elsewhere.example/"}}},
	}
	for name, outage := range outages {
		t.Run("when "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				begin := time.Now() // the last good answer was sent now
				w.will(always(outage))

				time.Sleep(time.Minute + 6*time.Second) // one check, and the longest a hanging call takes
				assert.Equal(t, "warn: stale", w.verdict(), "the first failure makes it stale")
				assert.NoError(t, w.checker.Check(t.Context()))

				time.Sleep(time.Until(begin.Add(15*time.Minute - time.Nanosecond)))
				synctest.Wait()
				assert.Equal(t, "warn: stale", w.verdict(), "a nanosecond before MaxStale")
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				assert.Equal(t, "fail: unreachable", w.verdict(), "at MaxStale")
				assert.False(t, w.checker.Snapshot().Ready())

				w.will(always(account("1")))
				time.Sleep(2 * time.Minute)
				assert.Equal(t, "pass: verified", w.verdict(), "it recovers by itself")
			})
		})
	}
}

func TestTheStepToUnreachableComesWhileACheckHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The interval is as long as MaxStale allows, so that the hanging check is the only one.
		w := started(t, health.WithInterval(7*time.Minute), health.WithMaxStale(15*time.Minute))
		w.will(always(reply{status: 200, body: account("1").body, until: make(chan struct{})})) // ignores nothing, answers never
		begin := time.Now()
		time.Sleep(time.Until(begin.Add(15 * time.Minute)))
		synctest.Wait()
		assert.Equal(t, "fail: unreachable", w.verdict())
	})
}

func TestAnOutageNeverChangesAFail(t *testing.T) {
	tests := []struct {
		name    string
		fail    func(w *world)
		verdict string
	}{
		{"rejected", func(w *world) { w.will(always(refused)) }, "fail: rejected"},
		{"wrong_account", func(w *world) { w.will(always(account("2"))) }, "fail: wrong_account"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				tt.fail(w)
				time.Sleep(2 * time.Minute)
				require.Equal(t, tt.verdict, w.verdict())
				w.will(always(down))
				for range 60 {
					time.Sleep(time.Minute)
					require.Equal(t, tt.verdict, w.verdict())
				}
				w.will(always(account("1")))
				time.Sleep(2 * time.Minute)
				assert.Equal(t, "pass: verified", w.verdict(), "only a verification improves a status")
			})
		})
	}
}

func TestTheBackoff(t *testing.T) {
	t.Run("begins anew after an answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(down))
			time.Sleep(time.Minute + 2*time.Second) // at 1m0s and 1m1.25s
			w.will(always(account("1")))
			time.Sleep(3 * time.Second) // at 1m3.75s
			w.will(always(down))
			time.Sleep(time.Minute + time.Second)
			assert.Equal(t, []time.Duration{
				60000 * time.Millisecond, 61250 * time.Millisecond, 63750 * time.Millisecond, 123750 * time.Millisecond, 125000 * time.Millisecond,
			}, w.platform.times())
		})
	})
	t.Run("counts a call that two refreshes shared once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			held := down
			held.until = make(chan struct{})
			w.will(always(held))
			refreshed := make(chan error)
			for range 2 {
				go func() { refreshed <- w.checker.Refresh(t.Context()) }()
				synctest.Wait() // the second comes while the first one's call is in flight
			}
			close(held.until)
			require.Error(t, <-refreshed)
			require.Error(t, <-refreshed)
			time.Sleep(2 * time.Second)
			assert.Equal(t, []time.Duration{0, 1250 * time.Millisecond}, w.platform.times())
		})
	})
}

func TestASecondTokenThatGetsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(account("1")))
		w.source.has(tokenA, tokenB)
		require.NoError(t, w.checker.Start(t.Context()))
		w.platform.forget()
		w.will(byToken(map[string]reply{tokenB: {status: 200, body: "<html>"}}))
		time.Sleep(5 * time.Minute)
		assert.Equal(t, "fail: rejected", w.verdict())

		var asked []string
		for i, at := range w.platform.times() {
			assert.Equal(t, []string{tokenA, tokenB}[i%2], w.platform.tokens()[i])
			if i%2 == 1 {
				assert.Equal(t, w.platform.times()[i-1], at, "in the same check")
				asked = append(asked, at.String())
			}
		}
		assert.Equal(t, []string{
			"1m0s", "1m1s", // the refusal of the first is confirmed no later for it
			"1m3.5s", "1m8.5s", "1m18.5s", "1m38.5s", "2m18.5s", "3m18.5s", "4m18.5s", // and then it is asked about less and less often
		}, asked)
	})
}

func TestTheBreaker(t *testing.T) {
	t.Run("makes no call while it is open, and one right after", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(down))
			time.Sleep(3 * time.Minute)
			first := time.Minute
			third := first + 1250*time.Millisecond + 2500*time.Millisecond
			open := 30*time.Second + time.Millisecond
			assert.Equal(t, []time.Duration{
				first, first + 1250*time.Millisecond, third, // three failures in a row open it
				third + open, third + 2*open, third + 3*open, // one probe each time
			}, w.platform.times())
			assert.Equal(t, "open", w.checker.Snapshot().Breaker())

			w.will(always(account("1")))
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, "closed", w.checker.Snapshot().Breaker())
		})
	})
	t.Run("does not open for refusals", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(refused))
			time.Sleep(10*time.Minute + 5*time.Second)
			assert.Equal(t, "fail: rejected", w.verdict())
			assert.Equal(t, "closed", w.checker.Snapshot().Breaker())
			assert.Equal(t, 11, w.platform.count(), "one a minute, and one to confirm")
		})
	})
	t.Run("does not open for rate limits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(limited("2")))
			time.Sleep(10 * time.Minute)
			assert.Equal(t, "warn: stale", w.verdict())
			assert.Equal(t, "closed", w.checker.Snapshot().Breaker())
		})
	})
	t.Run("forbids a refresh, which says for how long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(down))
			time.Sleep(64 * time.Second)
			require.Equal(t, 3, w.platform.count())
			var notAsked *health.NotAskedError
			require.ErrorAs(t, w.checker.Refresh(t.Context()), &notAsked)
			assert.Equal(t, "circuit breaker open", notAsked.Why)
			assert.Equal(t, 29751*time.Millisecond, notAsked.Wait)
			assert.EqualError(t, notAsked, "health: the platform was not asked: circuit breaker open; try again in 29.751s")
			assert.Equal(t, 3, w.platform.count())
			assert.Equal(t, "warn: stale", w.verdict())
		})
	})
}

func TestARateLimit(t *testing.T) {
	t.Run("is obeyed as long as it says, by refreshes too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(limited("120")))
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, 1, w.platform.count())
			w.will(always(account("1")))
			var notAsked *health.NotAskedError
			require.ErrorAs(t, w.checker.Refresh(t.Context()), &notAsked)
			assert.Equal(t, health.NotAskedError{Wait: 2 * time.Minute, Why: "rate limited by the platform"}, *notAsked)
			time.Sleep(2*time.Minute - time.Nanosecond)
			assert.Equal(t, 1, w.platform.count())
			time.Sleep(time.Second)
			assert.Equal(t, 2, w.platform.count())
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("of a year lasts half of MaxStale", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(inTurn(limited("31536000"), account("1")))
			time.Sleep(time.Minute + 7*time.Minute + 30*time.Second - time.Nanosecond)
			assert.Equal(t, 1, w.platform.count())
			time.Sleep(time.Second)
			assert.Equal(t, 2, w.platform.count())
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
}

func TestReadyWhileUnreachable(t *testing.T) {
	t.Run("keeps a verified service ready while the gate closes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.ReadyWhileUnreachable())
			w.will(always(down))
			time.Sleep(time.Hour)
			snap := w.checker.Snapshot()
			assert.Equal(t, "fail: unreachable", w.verdict())
			assert.False(t, snap.Open())
			assert.True(t, snap.Ready())
			assert.Equal(t, health.StatusWarn, snap.Readiness())

			w.checker.Drain()
			assert.False(t, w.checker.Snapshot().Ready(), "draining comes before it")
		})
	})
	t.Run("does not make a service ready that was never verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(down), health.ReadyWhileUnreachable())
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, "fail: unreachable", w.verdict())
			assert.False(t, w.checker.Snapshot().Ready())
		})
	})
	t.Run("does not keep a refused credential ready", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.ReadyWhileUnreachable())
			w.will(always(refused))
			time.Sleep(2 * time.Minute)
			assert.False(t, w.checker.Snapshot().Ready())
			w.will(always(down))
			time.Sleep(time.Hour)
			assert.False(t, w.checker.Snapshot().Ready())
		})
	})
}

func TestTheSource(t *testing.T) {
	sealed := errors.New("vault is sealed")
	t.Run("may be broken while the loaded token goes on being verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.source.breaks(sealed)
			time.Sleep(5*time.Second + time.Millisecond)
			assert.Equal(t, "warn: source_unavailable", w.verdict(), "a poll sees it")
			assert.ErrorIs(t, w.checker.Snapshot().Cause(), sealed)
			time.Sleep(10 * time.Minute)
			assert.Equal(t, 10, w.platform.count())
			assert.Equal(t, "warn: source_unavailable", w.verdict())
			w.source.has(tokenA)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict(), "a poll sees that too")
			assert.Equal(t, 10, w.platform.count())
		})
	})
	t.Run("is what the last poll found it to be", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			poll := func() string {
				time.Sleep(5 * time.Second)
				synctest.Wait()
				return w.verdict()
			}
			w.source.breaks(sealed)
			assert.Equal(t, "warn: source_unavailable", poll())
			assert.ErrorIs(t, w.checker.Snapshot().Cause(), sealed)

			denied := errors.New("permission denied")
			w.source.breaks(denied)
			assert.Equal(t, "warn: source_unavailable", poll())
			assert.ErrorIs(t, w.checker.Snapshot().Cause(), denied, "not the failure of before")
			assert.NotErrorIs(t, w.checker.Snapshot().Cause(), sealed)

			w.source.has(tokenA)
			assert.Equal(t, "pass: verified", poll())
			assert.Equal(t, 1, w.source.readCount(), "none of which took a read")
		})
	})
	t.Run("is read less and less often while it gives nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			w.source.breaks(sealed)
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, 8750*time.Millisecond, time.Since(w.born), "the next read would be after Start's 10 seconds")
			time.Sleep(5*time.Minute - time.Since(w.born))
			var reads []string
			w.source.mu.Lock()
			defer w.source.mu.Unlock()
			for _, at := range w.source.readAt {
				reads = append(reads, at.Sub(w.born).String())
			}
			assert.Equal(t, []string{"0s", "1.25s", "3.75s", "8.75s", "18.75s", "38.75s", "1m18.75s", "2m18.75s", "3m18.75s", "4m18.75s"}, reads)
		})
	})
	t.Run("may hang for ever while the loaded token goes on being verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			release := make(chan struct{})
			w.source.hangsUntil(release)
			reads := w.source.readCount()
			time.Sleep(time.Minute + 6*time.Second)
			assert.Equal(t, "warn: source_unavailable", w.verdict())
			assert.EqualError(t, w.checker.Snapshot().Cause(), "health: test:source: no answer within 5s")
			time.Sleep(9 * time.Minute)
			assert.Equal(t, reads+1, w.source.readCount(), "one read at a time")
			assert.InDelta(t, 10, w.platform.count(), 1)
			close(release)
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("may use up its time at every read without holding up the loaded token's verification", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.WithInterval(6*time.Second))
			w.source.mu.Lock()
			w.source.slow = true
			w.source.mu.Unlock()
			time.Sleep(2*time.Minute + time.Second)
			assert.Equal(t, "warn: source_unavailable", w.verdict())
			calls := w.platform.times() // the first one waited for the source, which nobody knew to be slow
			for i, at := range calls[1:] {
				assert.Equal(t, 6*time.Second, at-calls[i])
			}
			assert.Equal(t, 11*time.Second, calls[0])
		})
	})
	t.Run("may hang when it is read first, and the loaded token is verified in time all the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client := func(w *world) *requester.Client {
				c, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{Transport: w}), requester.WithTimeout(time.Second))
				require.NoError(t, err)
				return c
			}
			for _, slow := range []bool{false, true} { // ignores its context, or uses up its time
				w := &world{t: t, born: time.Now(), log: &logBuffer{}, source: &source{tokens: []string{tokenA}}, platform: &platform{answer: always(account("1"))}}
				var err error
				w.checker, err = health.New(w.source, health.WithClient(client(w)), health.WithInterval(time.Second), health.WithMaxStale(3*time.Second), health.OnChange(func(_, new *health.Snapshot) {
					assert.NotEqual(t, health.ReasonUnreachable, new.Reason())
					if new.Reason() == health.ReasonSourceUnavailable {
						assert.Regexp(t, `^health: test:source: (no answer within [1-5](\.\d+)?s|an earlier read has not returned yet)$`, new.Cause().Error(), "it has a second at least")
					}
				}))
				require.NoError(t, err)
				require.NoError(t, w.checker.Start(t.Context()))
				release := make(chan struct{})
				if slow {
					w.source.mu.Lock()
					w.source.slow = true
					w.source.mu.Unlock()
				} else {
					w.source.hangsUntil(release)
				}
				time.Sleep(time.Minute)
				assert.Equal(t, "warn: source_unavailable", w.verdict())
				close(release)
				assert.NoError(t, w.checker.Close())
			}
		})
	})
	t.Run("has its answer used when it comes late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			time.Sleep(59 * time.Second)
			release := make(chan struct{})
			w.source.hangsUntil(release)
			time.Sleep(2 * time.Second) // the check at 60 s reads
			w.source.has(tokenB)
			time.Sleep(7*time.Second + 500*time.Millisecond)
			require.Equal(t, "warn: source_unavailable", w.verdict())
			assert.Equal(t, []string{tokenA}, w.platform.tokens())
			reads := w.source.readCount()
			close(release)
			synctest.Wait()
			token, err := w.checker.Token()
			require.NoError(t, err)
			assert.Equal(t, tokenB, token.Reveal())
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens())
			assert.Equal(t, reads, w.source.readCount())
			assert.Equal(t, "warn: source_unavailable", w.verdict(), "it was too slow for all that")
			w.source.hangsUntil(nil)
			time.Sleep(time.Minute + time.Second)
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("has its first answer used when it comes after the end of Start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			release := make(chan struct{})
			w.source.hangsUntil(release)
			require.NoError(t, w.checker.Start(t.Context()))
			require.Equal(t, "fail: no_credential", w.verdict())
			time.Sleep(500 * time.Millisecond)
			close(release)
			synctest.Wait()
			assert.Equal(t, "warn: source_unavailable", w.verdict())
		})
	})
	t.Run("may be empty at first, as long as nobody waits for Start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			w.source.breaks(sealed)
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, "fail: no_credential", w.verdict())
			w.source.has(tokenA)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict(), "the next poll finds it")
		})
	})
}
