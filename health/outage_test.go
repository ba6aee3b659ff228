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

func TestOutage(t *testing.T) {
	redirect := reply{status: 302, header: map[string][]string{"Location": {"https://elsewhere.example/"}}}
	for name, outage := range map[string]reply{
		"503":        down,
		"no route":   noRoute,
		"login page": {status: 200, body: "<html>log in</html>"},
		"404":        gone,
		"firewall":   firewall,
		"rate limit": limited("1"),
		"hang":       hang,
		"cut short":  {status: 200, body: `{"id":"1","bal`},
		"no id":      {status: 200, body: `{"balance":1}`},
		"redirect":   redirect,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				begin := time.Now() // the last good answer was sent now
				w.will(always(outage))

				time.Sleep(time.Minute + 6*time.Second) // one check, and the longest that a call takes
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
				assert.Equal(t, "pass: verified", w.verdict(), "it recovers automatically")
			})
		})
	}
}

func TestUnreachableWhileACallHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The interval is as long as MaxStale allows, so that the hanging call is the only one.
		w := started(t, health.WithInterval(7*time.Minute), health.WithMaxStale(15*time.Minute))
		held := account("1")
		held.until = make(chan struct{})
		w.will(always(held))
		begin := time.Now()
		time.Sleep(time.Until(begin.Add(15 * time.Minute)))
		synctest.Wait()
		assert.Equal(t, "fail: unreachable", w.verdict())
	})
}

func TestOutageNeverChangesAFail(t *testing.T) {
	for verdict, answer := range map[string]reply{
		"fail: rejected": refused, "fail: wrong_account": account("2"),
	} {
		t.Run(verdict, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				w.will(always(answer))
				time.Sleep(2 * time.Minute)
				require.Equal(t, verdict, w.verdict())
				w.will(always(down))
				for range 60 {
					time.Sleep(time.Minute)
					require.Equal(t, verdict, w.verdict())
				}
				w.will(always(account("1")))
				time.Sleep(2 * time.Minute)
				assert.Equal(t, "pass: verified", w.verdict(), "only a verification improves a status")
			})
		})
	}
}

// Only an outage of more than MaxStale closes the gate, and it opens within an interval of the
// platform's return.
func TestRecovery(t *testing.T) {
	for _, outage := range []time.Duration{
		30 * time.Second, 80 * time.Second, 2 * time.Minute, 10 * time.Minute, 14 * time.Minute,
	} {
		t.Run(outage.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				w.will(always(down))
				for range outage / time.Second {
					time.Sleep(time.Second)
					require.NoError(t, w.checker.Check(t.Context()))
				}
				w.will(always(account("1")))
				time.Sleep(time.Minute + 12*time.Second)
				assert.Equal(t, "pass: verified", w.verdict())
			})
		})
	}
	t.Run("short MaxStale", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.WithInterval(5*time.Second), health.WithMaxStale(20*time.Second))
			w.will(always(down))
			time.Sleep(2 * time.Minute)
			require.Equal(t, "fail: unreachable", w.verdict())
			w.will(always(account("1")))
			time.Sleep(6 * time.Second)
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
}

func TestBackoff(t *testing.T) {
	t.Run("restarts after an answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(down))
			time.Sleep(time.Minute + 2*time.Second) // at 1m0s and 1m1.25s
			w.will(always(account("1")))
			time.Sleep(3 * time.Second) // at 1m3.75s
			w.will(always(down))
			time.Sleep(time.Minute + time.Second)
			assert.Equal(t, []time.Duration{
				60000 * time.Millisecond, 61250 * time.Millisecond, 63750 * time.Millisecond,
				123750 * time.Millisecond, 125000 * time.Millisecond,
			}, w.platform.times())
		})
	})
	t.Run("shared call", func(t *testing.T) {
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
			assert.Equal(t, []time.Duration{0, 1250 * time.Millisecond}, w.platform.times(), "counts once")
		})
	})
}

func TestBreaker(t *testing.T) {
	t.Run("open", func(t *testing.T) {
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
			assert.Equal(t, "open", w.checker.Snapshot().State().Breaker)

			w.will(always(account("1")))
			time.Sleep(time.Minute)
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, "closed", w.checker.Snapshot().State().Breaker)
		})
	})
	t.Run("refusals", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(refused))
			time.Sleep(10*time.Minute + 5*time.Second)
			assert.Equal(t, "fail: rejected", w.verdict())
			assert.Equal(t, "closed", w.checker.Snapshot().State().Breaker)
			assert.Equal(t, 11, w.platform.count(), "one a minute, and one to confirm")
		})
	})
	t.Run("rate limits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(limited("2")))
			time.Sleep(10 * time.Minute)
			assert.Equal(t, "warn: stale", w.verdict())
			assert.Equal(t, "closed", w.checker.Snapshot().State().Breaker)
		})
	})
	t.Run("refresh", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(down))
			time.Sleep(64 * time.Second)
			require.Equal(t, 3, w.platform.count())
			var notAsked *health.NotAskedError
			require.ErrorAs(t, w.checker.Refresh(t.Context()), &notAsked)
			assert.Equal(t, 29751*time.Millisecond, notAsked.Wait)
			assert.EqualError(t, notAsked,
				"health: the platform was not asked: circuit breaker open; try again in 29.751s")
			assert.Equal(t, 3, w.platform.count())
			assert.Equal(t, "warn: stale", w.verdict())
		})
	})
	t.Run("default for a short MaxStale", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.WithInterval(10*time.Second), health.WithMaxStale(40*time.Second))
			w.will(always(down))
			time.Sleep(15 * time.Second) // at 10, 11.25 and 13.75 s
			require.Equal(t, 3, w.platform.count())
			time.Sleep(8 * time.Second)
			assert.Equal(t, 3, w.platform.count())
			time.Sleep(time.Second)
			assert.Equal(t, 4, w.platform.count(), "a quarter of MaxStale")
		})
	})
}

func TestRateLimit(t *testing.T) {
	t.Run("with a hint", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(limited("120")))
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, 1, w.platform.count())
			w.will(always(account("1")))
			var notAsked *health.NotAskedError
			require.ErrorAs(t, w.checker.Refresh(t.Context()), &notAsked)
			assert.Equal(t, 2*time.Minute, notAsked.Wait)
			assert.EqualError(t, notAsked, "health: the platform was not asked: "+
				"rate limited by the platform; try again in 2m0s")
			time.Sleep(2*time.Minute - time.Nanosecond)
			assert.Equal(t, 1, w.platform.count())
			time.Sleep(time.Second)
			assert.Equal(t, 2, w.platform.count())
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("of a year", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(inTurn(limited("31536000"), account("1")))
			time.Sleep(time.Minute + 7*time.Minute + 30*time.Second - time.Nanosecond)
			assert.Equal(t, 1, w.platform.count())
			time.Sleep(time.Second)
			assert.Equal(t, 2, w.platform.count(), "half of MaxStale")
			assert.Equal(t, "pass: verified", w.verdict())
		})
	})
	t.Run("without a hint", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(limited("")))
			time.Sleep(10 * time.Minute)
			assert.InDelta(t, 14, w.platform.count(), 2, "it backs off up to the interval")
		})
	})
	t.Run("binds a new token too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(limited("60")))
			time.Sleep(time.Minute)
			synctest.Wait()
			w.platform.forget()
			w.will(always(account("1")))
			w.source.has(tokenB)
			time.Sleep(time.Minute - time.Nanosecond)
			assert.Zero(t, w.platform.count())
			time.Sleep(time.Second)
			assert.Equal(t, tokenB, w.inUse())
		})
	})
}

func TestReadyWhileUnreachable(t *testing.T) {
	t.Run("verified before", func(t *testing.T) {
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
			assert.False(t, w.checker.Snapshot().Ready(), "draining comes first")
		})
	})
	t.Run("never verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(down), health.ReadyWhileUnreachable())
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, "fail: unreachable", w.verdict())
			assert.False(t, w.checker.Snapshot().Ready())
		})
	})
	t.Run("rejected", func(t *testing.T) {
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

func TestSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		begin := time.Now()
		time.Sleep(10*time.Minute + time.Second)
		assert.Equal(t, begin, w.checker.Snapshot().State().Since, "ten checks have changed nothing")

		w.will(always(down))
		time.Sleep(time.Minute)
		stale := begin.Add(11 * time.Minute)
		assert.Equal(t, stale, w.checker.Snapshot().State().Since)
		time.Sleep(5 * time.Minute)
		assert.Equal(t, stale, w.checker.Snapshot().State().Since, "it is stale as before")

		time.Sleep(time.Hour)
		unreachable := begin.Add(25 * time.Minute)
		assert.Equal(t, unreachable, w.checker.Snapshot().State().Since, "MaxStale after the last good answer")

		var steps []string
		for _, c := range w.checker.Snapshot().State().History {
			steps = append(steps, c.From.String()+" > "+c.To.String()+" at "+c.At.Sub(begin).String())
		}
		assert.Equal(t, []string{
			"starting > verified at 0s", "verified > stale at 11m0s", "stale > unreachable at 25m0s",
		}, steps)
	})
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		first := w.checker.Snapshot()
		for i := range 60 {
			w.will(always([]reply{account("2"), account("1")}[i%2]))
			_ = w.checker.Refresh(t.Context())
		}
		history := w.checker.Snapshot().State().History
		require.Len(t, history, 50)
		for i := 1; i < len(history); i++ {
			assert.Equal(t, history[i-1].To, history[i].From, "they chain")
		}
		assert.Len(t, first.State().History, 1, "an old snapshot does not change")
	})
}

func TestAnsweredAt(t *testing.T) {
	for name, answer := range map[string]reply{
		"verified": account("1"), "refused": refused, "down": down, "404": gone, "limited": limited("1"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				w.will(always(answer))
				time.Sleep(7 * time.Second)
				_ = w.checker.Refresh(t.Context())
				assert.True(t, time.Now().Equal(w.checker.Snapshot().State().AnsweredAt))
			})
		})
	}
	t.Run("no route", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(noRoute))
			require.NoError(t, w.checker.Start(t.Context()))
			time.Sleep(time.Hour)
			assert.Zero(t, w.checker.Snapshot().State().AnsweredAt)
		})
	})
}

// An outage that has ended before the last good answer is too old does not close the gate: the
// last call comes in time, whatever the backoff and the circuit breaker say.
func TestOutageShorterThanMaxStale(t *testing.T) {
	for name, opts := range map[string][]health.Option{
		"default":          nil,
		"longest interval": {health.WithInterval(7 * time.Minute)},
		"longest breaker":  {health.WithInterval(7 * time.Minute), health.WithBreakerOpen(450 * time.Second)},
	} {
		for _, jitter := range []float64{0, 0.5, 0.999} {
			for _, after := range []time.Duration{8 * time.Minute, 12 * time.Minute, 14*time.Minute + 20*time.Second} {
				t.Run(fmt.Sprintf("%s/jitter %v/until %v", name, jitter, after), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := started(t, append(opts, health.WithJitter(jitter))...)
						time.Sleep(time.Second)
						w.will(always(down))
						time.Sleep(after)
						w.will(always(account("1")))
						for range 20 * 60 {
							time.Sleep(time.Second)
							require.NoError(t, w.checker.Check(t.Context()), "%v", w.platform.times())
						}
						assert.Equal(t, "pass: verified", w.verdict())
					})
				})
			}
		}
	}
}
