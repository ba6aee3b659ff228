package middleware_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// Unknown tokens that get no verdict close the way for unknown tokens, and not for verified ones.
func TestCallers_lanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t)
		good := w.platform.IssueToken("1")
		assert.Equal(t, 200, w.use(good))
		time.Sleep(ttl)
		for i := range 3 {
			w.platform.SetTokenFaults(made(i), requestertest.Status(500))
			assert.Equal(t, 503, w.use(made(i)))
		}
		assert.Equal(t, "open", w.callers.Stats().Unproven.Breaker)
		rec, _ := w.send([]string{authorization(w.platform.IssueToken("2"))})
		assert.Equal(t, 503, rec.Code)
		assert.Equal(t, "6", rec.Header().Get("Retry-After")) // 5 s and a margin, rounded up
		assert.Equal(t, 4, w.platform.Count())

		assert.Equal(t, 200, w.use(good))
		assert.Equal(t, 2, w.platform.CountToken(good))
		assert.Equal(t, "closed", w.callers.Stats().Verified.Breaker)
	})
}

// Calls about unknown tokens that hang in a transport without end stop no call about a verified
// one.
func TestCallers_hangInOneLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, release := requestertest.NewPlatform(), make(chan struct{})
		defer close(release)
		good := p.IssueToken("1")
		client := must(requester.New(requester.Production, requester.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("Authorization") != authorization(good) {
					<-release // whatever the request's context says
				}
				return p.Client().Transport.RoundTrip(r)
			}),
		})))
		w := &callersWorld{t: t, platform: p, callers: must(middleware.NewCallers(client))}
		defer w.callers.Close()
		assert.Equal(t, 200, w.use(good))
		var flood sync.WaitGroup
		for i := range 32 {
			flood.Go(func() { assert.Equal(t, 503, w.use(made(i))) })
		}
		flood.Wait()
		time.Sleep(ttl)
		assert.Equal(t, 200, w.use(good))
		assert.Equal(t, 2, p.CountToken(good))
	})
}

// The trouble of one token is not the platform's.
func TestCallers_oneTokenFails(t *testing.T) {
	for name, fault := range map[string]requestertest.Fault{
		"error": requestertest.Status(500),
		"429":   requestertest.RateLimited("30"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newCallersWorld(t)
				w.platform.SetTokenFaults(made(0), fault)
				for i := range 60 {
					assert.Equal(t, 503, w.use(made(0)))
					assert.Equal(t, 401, w.use(made(i+1)))
					time.Sleep(time.Second)
				}
				assert.LessOrEqual(t, w.platform.CountToken(made(0)), 6)
			})
		})
	}
	t.Run("alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newCallersWorld(t)
			w.platform.SetTokenFaults(made(0), requestertest.Status(500))
			for range 20 {
				assert.Equal(t, 503, w.use(made(0)))
				time.Sleep(time.Second)
			}
			assert.Equal(t, "closed", w.callers.Stats().Unproven.Breaker)
			assert.Equal(t, 401, w.use(made(1)))
		})
	})
}

// Two tokens that get a 429 hold all calls of their kind.
func TestCallers_hold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t)
		w.platform.SetFaults(requestertest.RateLimited("30"))
		for i := range 2 {
			assert.Equal(t, 503, w.use(made(i)))
		}
		w.platform.ClearFaults()
		rec, _ := w.send([]string{authorization(made(2))})
		assert.Equal(t, 503, rec.Code)
		assert.Equal(t, "30", rec.Header().Get("Retry-After"))
		assert.Equal(t, 2, w.platform.Count())
		time.Sleep(30 * time.Second)
		assert.Equal(t, 401, w.use(made(2)))
	})
}

// A hold after 429 answers about tokens of one kind does not hold calls about the other.
func TestCallers_holdOfOneKind(t *testing.T) {
	limited := requestertest.RateLimited("300")
	t.Run("unknown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newCallersWorld(t)
			good := w.platform.IssueToken("1")
			assert.Equal(t, 200, w.use(good))
			for i := range 2 {
				w.platform.SetTokenFaults(made(i), limited)
				assert.Equal(t, 503, w.use(made(i)))
			}
			time.Sleep(ttl)
			assert.Equal(t, 503, w.use(made(2)), "held")
			assert.Equal(t, 200, w.use(good))
			assert.Equal(t, 2, w.platform.CountToken(good))
		})
	})
	t.Run("verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newCallersWorld(t)
			var good []credentials.Token
			for range 3 {
				good = append(good, w.platform.IssueToken("1"))
				assert.Equal(t, 200, w.use(good[len(good)-1]))
			}
			time.Sleep(ttl)
			for _, token := range good[:2] {
				w.platform.SetTokenFaults(token, limited)
				assert.Equal(t, staleStatus, w.use(token))
			}
			assert.Equal(t, staleStatus, w.use(good[2]), "held")
			assert.Equal(t, 1, w.platform.CountToken(good[2]))
			assert.Equal(t, 401, w.use(made(0)))
		})
	})
}

// The budget is for unknown tokens: calls about verified ones neither wait for it nor spend it.
func TestCallers_budgetIsForUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t, middleware.WithUnknownBudget(1.0/3600, 2))
		good := w.platform.IssueToken("1")
		for i := range 10 {
			assert.Equal(t, 200, w.use(good))
			assert.Equal(t, i+1, w.platform.CountToken(good))
			time.Sleep(ttl)
		}
		assert.Equal(t, 401, w.use(made(0)), "the second of the budget")
		assert.Equal(t, 503, w.use(made(1)))
		assert.Equal(t, 200, w.use(good))
	})
}

// Over the limit of calls in flight, verified tokens wait for their turn.
func TestCallers_verifiedWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t, middleware.WithMaxInFlight(1))
		one, two := w.platform.IssueToken("1"), w.platform.IssueToken("2")
		assert.Equal(t, 200, w.use(one))
		assert.Equal(t, 200, w.use(two))
		time.Sleep(ttl)
		w.platform.SetTokenFaults(one, requestertest.Delay(4*time.Second))
		var first sync.WaitGroup
		first.Go(func() { assert.Equal(t, 200, w.use(one)) })
		synctest.Wait()
		begin := time.Now()
		assert.Equal(t, 200, w.use(two))
		assert.Equal(t, 4*time.Second, time.Since(begin))
		first.Wait()
	})
}

// A cache that is full evicts, and stays bounded.
func TestCallers_bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCallersWorld(t)
		var tokens []credentials.Token
		for i := range 11_000 {
			tokens = append(tokens, w.platform.IssueToken(fmt.Sprint(i)))
			assert.Equal(t, 200, w.use(tokens[i]))
			time.Sleep(50 * time.Millisecond)
		}
		assert.LessOrEqual(t, w.callers.Stats().Verified.Entries, 10_000)
		assert.Equal(t, 200, w.use(tokens[0]))
	})
}

// A token that got a 429 is not asked about before the time that the platform named, within bounds.
func TestCallers_rateLimitOfOneToken(t *testing.T) {
	for name, tt := range map[string]struct {
		retryAfter string
		maxStale   time.Duration
		want       time.Duration
	}{
		"none":              {"0", maxStale, time.Second},
		"short":             {"30", maxStale, 30 * time.Second},
		"longer than a TTL": {"300", maxStale, 5 * time.Minute},
		"half of MaxStale":  {"7200", maxStale, maxStale / 2},
		"an hour":           {"7200", 4 * time.Hour, time.Hour},
	} {
		for kind, verified := range map[string]bool{"unknown": false, "verified": true} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newCallersWorld(t, middleware.WithCallerMaxStale(tt.maxStale))
					token := w.platform.IssueToken("1")
					status, calls := 503, 1
					if verified {
						assert.Equal(t, 200, w.use(token))
						time.Sleep(ttl)
						status, calls = staleStatus, 2
					}
					w.platform.SetTokenFaults(token, requestertest.RateLimited(tt.retryAfter))
					assert.Equal(t, status, w.use(token))
					w.platform.SetTokenFaults(token)
					time.Sleep(tt.want - time.Millisecond)
					assert.Equal(t, status, w.use(token))
					assert.Equal(t, calls, w.platform.CountToken(token))
					time.Sleep(time.Millisecond)
					assert.Equal(t, 200, w.use(token))
					assert.Equal(t, calls+1, w.platform.CountToken(token))
				})
			})
		}
	}
}

// Accounts that stay over their quotas do not hold the calls about others until MaxStale ends.
func TestCallers_quotasOfOthers(t *testing.T) {
	for _, hint := range []string{"30", "900"} {
		t.Run(hint, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newCallersWorld(t)
				w.platform.SetFaults(requestertest.Delay(100 * time.Millisecond))
				var limited, good []credentials.Token
				for i := range 7 {
					token := w.platform.IssueToken(fmt.Sprint(i))
					assert.Equal(t, 200, w.use(token))
					if i < 2 {
						w.platform.SetTokenFaults(token, requestertest.RateLimited(hint))
						limited = append(limited, token)
					} else {
						good = append(good, token)
					}
				}
				begin := time.Now()
				var all sync.WaitGroup
				for _, token := range limited {
					all.Go(func() {
						for time.Since(begin) < 30*time.Minute {
							w.use(token)
							time.Sleep(100 * time.Millisecond)
						}
					})
				}
				for i, token := range good {
					time.Sleep(170 * time.Millisecond)
					all.Go(func() {
						for time.Since(begin) < 30*time.Minute {
							if status := w.use(token); status == 503 {
								t.Errorf("good token %d gets 503 after %v", i, time.Since(begin))
								return
							}
							time.Sleep(time.Second)
						}
					})
				}
				all.Wait()
			})
		})
	}
}

// An outage for many accounts does not keep the others from being asked, though it keeps the
// breaker open.
func TestCallers_outageForSomeAccounts(t *testing.T) {
	const failing = 50
	t.Run("verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			// Too short for a probe about each of the tokens.
			w := newCallersWorld(t, middleware.WithCallerMaxStale(3*time.Minute))
			tokens := make([]credentials.Token, failing)
			for i := range tokens {
				tokens[i] = w.platform.IssueToken(fmt.Sprint(i))
				assert.Equal(t, 200, w.use(tokens[i]))
				time.Sleep(time.Second)
			}
			good := w.platform.IssueToken("good")
			assert.Equal(t, 200, w.use(good))
			for _, token := range tokens {
				w.platform.SetTokenFaults(token, requestertest.Status(500))
			}
			for second := range 400 {
				for _, token := range tokens {
					w.use(token)
				}
				require.Less(t, w.use(good), 300, "after %d s", second)
				time.Sleep(time.Second)
			}
		})
	})
	t.Run("unknown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newCallersWorld(t)
			for i := range failing {
				w.platform.SetTokenFaults(made(i), requestertest.Status(500))
			}
			good := w.platform.IssueToken("good")
			for start := time.Now(); ; time.Sleep(time.Second) {
				for i := range failing {
					assert.Equal(t, 503, w.use(made(i)))
				}
				if w.use(good) == 200 {
					return
				}
				require.Less(t, time.Since(start), 6*time.Minute)
			}
		})
	})
}
