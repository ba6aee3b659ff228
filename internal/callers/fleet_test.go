package callers

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
)

// Durations of the engines that newMember returns.
const (
	fleetTTL        = time.Minute
	fleetRefusedTTL = 10 * time.Second
	fleetMaxStale   = 15 * time.Minute
)

// fleet is several engines with one platform and one store.
type fleet struct {
	platform *requestertest.Platform
	store    *sharedtest.Memory
	token    credentials.Token
	engines  []*Engine
}

// inFleet runs test with n engines, on fake time.
func inFleet(t *testing.T, n int, test func(t *testing.T, f *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{platform: requestertest.NewPlatform(), store: sharedtest.NewMemory()}
		f.token = f.platform.IssueToken("1")
		for range n {
			f.engines = append(f.engines, f.join(t, f.store))
		}
		test(t, f)
		synctest.Wait()
	})
}

func (f *fleet) join(t *testing.T, store shared.Store, change ...func(*Config)) *Engine {
	t.Helper()
	return newMember(t, f.platform.Client().Transport, store, change...)
}

// newMember returns an engine that shares through the store.
func newMember(
	t *testing.T, transport http.RoundTripper, store shared.Store, change ...func(*Config),
) *Engine {
	t.Helper()
	client, err := requester.New(requester.Production,
		requester.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	c := Config{
		TTL: fleetTTL, RefusedTTL: fleetRefusedTTL, MaxStale: fleetMaxStale, Entries: 100,
		PerSecond: 20, Burst: 40, InFlight: 32, Member: sharing.NewMember(store, sharing.MostLook),
	}
	for _, change := range change {
		change(&c)
	}
	e := New(client, c)
	t.Cleanup(e.Close)
	return e
}

// use lets a caller use the token on the i-th engine.
func (f *fleet) use(i int) Outcome {
	o := check(f.engines[i], f.token)
	synctest.Wait() // the answer is stored in the background
	return o
}

// check returns the decision about a request with the token.
func check(e *Engine, token credentials.Token) Outcome {
	return e.Check(context.Background(), "ApiKey "+token.Reveal()).Outcome
}

// atOnce returns how often each outcome was that of n requests at the same time.
func atOnce(n int, request func(i int) Outcome) map[Outcome]int {
	outcomes := make(chan Outcome)
	for i := range n {
		go func() { outcomes <- request(i) }()
	}
	got := make(map[Outcome]int)
	for range n {
		got[<-outcomes]++
	}
	return got
}

func TestFleet(t *testing.T) {
	t.Run("one_call_for_all", func(t *testing.T) {
		inFleet(t, 2, func(t *testing.T, f *fleet) {
			assert.Equal(t, Fresh, f.use(0))
			assert.Equal(t, Fresh, f.use(1))
			assert.Equal(t, 1, f.platform.Count())
			r := f.engines[1].Check(context.Background(), "ApiKey "+f.token.Reveal()).Record
			assert.Equal(t, "1", r.Account.ID())
			for range 10 * 60 {
				time.Sleep(time.Second)
				assert.Equal(t, Fresh, f.use(0))
				assert.Equal(t, Fresh, f.use(1))
			}
			assert.InDelta(t, 12, f.platform.Count(), 3, "one call per TTL in all")
		})
	})
	t.Run("at_once", func(t *testing.T) {
		inFleet(t, 3, func(t *testing.T, f *fleet) {
			f.platform.SetFaults(requestertest.Delay(time.Second))
			got := atOnce(3, func(i int) Outcome { return check(f.engines[i], f.token) })
			assert.Equal(t, map[Outcome]int{Fresh: 3}, got)
			assert.Equal(t, 1, f.platform.Count())
		})
	})
	t.Run("refused", func(t *testing.T) {
		inFleet(t, 2, func(t *testing.T, f *fleet) {
			f.platform.DeleteToken(f.token)
			assert.Equal(t, Refused, f.use(0))
			assert.Equal(t, Refused, f.use(1))
			assert.Equal(t, 1, f.platform.Count())
			f.platform.AcceptToken("1", f.token)
			time.Sleep(10 * time.Second)
			assert.Equal(t, Fresh, f.use(1), "a refusal is shared for its TTL")
			assert.Equal(t, 2, f.platform.Count())
		})
	})
	// A verified token that is refused once is asked about again: one refusal that two engines read
	// does not confirm itself.
	t.Run("refusal_is_confirmed", func(t *testing.T) {
		inFleet(t, 2, func(t *testing.T, f *fleet) {
			assert.Equal(t, Fresh, f.use(0))
			assert.Equal(t, Fresh, f.use(1))
			f.platform.SetFaults(requestertest.Sequence(requestertest.Status(401), nil))
			time.Sleep(time.Minute)
			assert.Equal(t, Stale, f.use(0))
			assert.Equal(t, Stale, f.use(1), "it has heard of the refusal")
			assert.Equal(t, 2, f.platform.Count())
			assert.Equal(t, Stale, f.use(1), "and read it twice")
			time.Sleep(time.Second)
			assert.Equal(t, Fresh, f.use(1))
			assert.Equal(t, Fresh, f.use(0))
			assert.Equal(t, 3, f.platform.Count())
		})
	})
	t.Run("deleted", func(t *testing.T) {
		inFleet(t, 2, func(t *testing.T, f *fleet) {
			assert.Equal(t, Fresh, f.use(0))
			assert.Equal(t, Fresh, f.use(1))
			f.platform.DeleteToken(f.token)
			deleted := time.Now()
			refused := map[int]bool{}
			for len(refused) < 2 && time.Since(deleted) < time.Hour {
				time.Sleep(100 * time.Millisecond)
				for i := range 2 {
					if f.use(i) == Refused {
						refused[i] = true
					}
				}
			}
			assert.Less(t, time.Since(deleted), 62*time.Second, "the TTL and the confirmation")
			assert.LessOrEqual(t, f.platform.Count(), 4)
		})
	})
	t.Run("forget_asks_again", func(t *testing.T) {
		inFleet(t, 2, func(t *testing.T, f *fleet) {
			assert.Equal(t, Fresh, f.use(0))
			time.Sleep(time.Second)
			f.platform.DeleteToken(f.token)
			f.engines[1].Forget(f.token)
			assert.Equal(t, Refused, f.use(1), "the answer in the store is from before")
			assert.Equal(t, 2, f.platform.Count())
		})
	})
}

// An answer in the store counts only if it is newer than the last answer that the replica got by
// itself, and than its last Forget.
func TestFleetOlderAnswers(t *testing.T) {
	away := errors.New("connection refused")
	inOldFleet := func(t *testing.T, test func(t *testing.T, f *fleet)) {
		inFleet(t, 2, func(t *testing.T, f *fleet) {
			time.Sleep(time.Hour) // the engines' clock is not at zero
			test(t, f)
		})
	}
	t.Run("refused_by_itself", func(t *testing.T) {
		inOldFleet(t, func(t *testing.T, f *fleet) {
			assert.Equal(t, Fresh, f.use(0))
			f.platform.DeleteToken(f.token)
			f.store.SetError(away)
			assert.Equal(t, Refused, f.use(1))
			f.store.SetError(nil)
			time.Sleep(10 * time.Second)
			assert.Equal(t, Refused, f.use(1), "the answer in the store is from before")
			assert.Equal(t, 3, f.platform.Count())
		})
	})
	// A refusal is trusted for ten seconds in all, and not for ten seconds on each replica.
	t.Run("refused_by_another", func(t *testing.T) {
		inOldFleet(t, func(t *testing.T, f *fleet) {
			f.platform.DeleteToken(f.token)
			assert.Equal(t, Refused, f.use(0))
			f.platform.AcceptToken("1", f.token)
			time.Sleep(9900 * time.Millisecond)
			assert.Equal(t, Refused, f.use(1))
			assert.Equal(t, 1, f.platform.Count())
			time.Sleep(100 * time.Millisecond)
			assert.Equal(t, Fresh, f.use(1))
			assert.Equal(t, 2, f.platform.Count())
		})
	})
	t.Run("verified_and_refused_by_itself", func(t *testing.T) {
		inOldFleet(t, func(t *testing.T, f *fleet) {
			assert.Equal(t, Fresh, f.use(0))
			assert.Equal(t, Fresh, f.use(1))
			time.Sleep(time.Minute)
			assert.Equal(t, Fresh, f.use(0))
			f.platform.DeleteToken(f.token)
			f.store.SetError(away)
			assert.Equal(t, Stale, f.use(1))
			time.Sleep(time.Second)
			assert.Equal(t, Refused, f.use(1))
			f.store.SetError(nil)
			time.Sleep(10 * time.Second)
			assert.Equal(t, Refused, f.use(1), "the answer in the store is from before")
			assert.Equal(t, 5, f.platform.Count())
		})
	})
	t.Run("refused_and_an_outage", func(t *testing.T) {
		inOldFleet(t, func(t *testing.T, f *fleet) {
			assert.Equal(t, Fresh, f.use(0))
			f.platform.DeleteToken(f.token)
			f.store.SetError(away)
			assert.Equal(t, Refused, f.use(1))
			time.Sleep(10 * time.Second)
			f.platform.SetFaults(requestertest.Status(503))
			assert.Equal(t, Unavailable, f.use(1))
			f.platform.ClearFaults()
			f.store.SetError(nil)
			time.Sleep(time.Second)
			assert.Equal(t, Refused, f.use(1), "the answer in the store is from before")
		})
	})
	t.Run("forgotten_and_an_outage", func(t *testing.T) {
		inOldFleet(t, func(t *testing.T, f *fleet) {
			assert.Equal(t, Fresh, f.use(0))
			f.platform.DeleteToken(f.token)
			time.Sleep(time.Second)
			f.engines[1].Forget(f.token)
			f.store.SetError(away)
			f.platform.SetFaults(requestertest.Status(503))
			assert.Equal(t, Unavailable, f.use(1))
			f.platform.ClearFaults()
			f.store.SetError(nil)
			time.Sleep(time.Second)
			assert.Equal(t, Refused, f.use(1), "the answer in the store is from before")
		})
	})
	// Newer than the Forget, and still too old to pass on.
	t.Run("forgotten_long_ago", func(t *testing.T) {
		inOldFleet(t, func(t *testing.T, f *fleet) {
			f.engines[1].Forget(f.token)
			time.Sleep(time.Second)
			assert.Equal(t, Fresh, f.use(0))
			f.platform.DeleteToken(f.token)
			time.Sleep(10 * time.Minute)
			assert.Equal(t, Refused, f.use(1))
			assert.Equal(t, 2, f.platform.Count())
		})
	})
	t.Run("forgotten_and_verified_by_another", func(t *testing.T) {
		inOldFleet(t, func(t *testing.T, f *fleet) {
			f.engines[1].Forget(f.token)
			time.Sleep(time.Second)
			assert.Equal(t, Fresh, f.use(0))
			time.Sleep(time.Second)
			assert.Equal(t, Fresh, f.use(1))
			assert.Equal(t, 1, f.platform.Count())
			assert.Zero(t, f.engines[1].Stats().Shared.Leases, "it would keep the other from asking")
		})
	})
	t.Run("verified_by_itself", func(t *testing.T) {
		inOldFleet(t, func(t *testing.T, f *fleet) {
			f.platform.DeleteToken(f.token)
			assert.Equal(t, Refused, f.use(0))
			f.platform.AcceptToken("1", f.token)
			f.store.SetError(away)
			time.Sleep(time.Second)
			assert.Equal(t, Fresh, f.use(1))
			f.store.SetError(nil)
		})
	})
}

// A replica that is granted the lease because a pause has ended asks, even if there is a verdict
// from before. Else everybody, itself included, waits for its answer.
func TestFleetLeaseAfterTrouble(t *testing.T) {
	for name, after := range map[string]time.Duration{"old_verdict": 10, "young_verdict": 1} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				assert.Equal(t, Fresh, f.use(0))
				time.Sleep(time.Minute)
				f.platform.SetFaults(requestertest.Sequence(requestertest.Status(401), requestertest.Status(503)))
				assert.Equal(t, Stale, f.use(0))
				time.Sleep(after * time.Second)
				assert.Equal(t, Stale, f.use(0), "no verdict")
				time.Sleep(1500 * time.Millisecond)
				f.platform.ClearFaults()
				begin := time.Now()
				assert.Equal(t, Fresh, f.use(1))
				assert.Equal(t, Fresh, f.use(2))
				assert.Less(t, time.Since(begin), time.Second)
				assert.Equal(t, 4, f.platform.Count())
			})
		})
	}
}

// In an outage it then takes that verdict, as the replicas without the lease do.
func TestFleetLeaseInOutage(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		assert.Equal(t, Fresh, f.use(0))
		time.Sleep(time.Second)
		f.platform.SetFaults(requestertest.Status(503))
		f.engines[0].Forget(f.token)
		assert.Equal(t, Unavailable, f.use(0))
		time.Sleep(1500 * time.Millisecond)
		assert.Equal(t, Fresh, f.use(1))
		assert.Equal(t, Fresh, f.use(2))
		assert.Equal(t, Unavailable, f.use(0))
		time.Sleep(time.Minute)
		assert.Equal(t, Stale, f.use(1))
	})
}

func TestFleetOutage(t *testing.T) {
	t.Run("shared", func(t *testing.T) {
		inFleet(t, 4, func(t *testing.T, f *fleet) {
			f.platform.SetFaults(requestertest.Status(503))
			for i := range 4 {
				assert.Equal(t, Unavailable, f.use(i))
			}
			assert.Equal(t, 2, f.platform.Count(), "another engine has confirmed it")
			for range 60 {
				time.Sleep(time.Second)
				for i := range 4 {
					assert.Equal(t, Unavailable, f.use(i))
				}
			}
			assert.LessOrEqual(t, f.platform.Count(), 12)
			f.platform.ClearFaults()
			time.Sleep(45 * time.Second)
			for i := range 4 {
				f.use(i)
			}
			assert.Equal(t, Fresh, f.use(0))
		})
	})
	t.Run("rate_limit", func(t *testing.T) {
		inFleet(t, 2, func(t *testing.T, f *fleet) {
			f.platform.SetFaults(requestertest.RateLimited("30"))
			assert.Equal(t, Unavailable, f.use(0))
			v := f.engines[1].Check(context.Background(), "ApiKey "+f.token.Reveal())
			assert.Equal(t, Unavailable, v.Outcome)
			assert.Equal(t, 30*time.Second, v.RetryAfter)
			assert.Equal(t, 1, f.platform.Count())
		})
	})
	t.Run("store_away", func(t *testing.T) {
		inFleet(t, 2, func(t *testing.T, f *fleet) {
			f.store.SetError(errors.New("connection refused"))
			assert.Equal(t, Fresh, f.use(0))
			assert.Equal(t, Fresh, f.use(1))
			assert.Equal(t, 2, f.platform.Count(), "each by itself")
			assert.Equal(t, "away", f.engines[1].Stats().Shared.Mode)
			f.store.SetError(nil)
			time.Sleep(time.Minute)
			assert.Equal(t, Fresh, f.use(0))
			assert.Equal(t, Fresh, f.use(1))
			assert.Equal(t, 3, f.platform.Count())
		})
	})
	t.Run("store_busy", func(t *testing.T) {
		inFleet(t, 0, func(t *testing.T, f *fleet) {
			f.engines = []*Engine{f.join(t, busyStore{})}
			begin := time.Now()
			assert.Equal(t, Fresh, f.use(0), "it waits no longer than a call may take")
			assert.Less(t, time.Since(begin), 7*time.Second)
		})
	})
}

// busyStore always says that another replica asks.
type busyStore struct{}

func (busyStore) Look(context.Context, string, shared.Query) (shared.View, error) {
	return shared.View{Busy: time.Second}, nil
}

func (busyStore) Put(context.Context, string, shared.Answer) (bool, error) { return false, nil }

// Answers of other replicas take nothing from the budget for unknown tokens.
func TestFleetBudget(t *testing.T) {
	inFleet(t, 1, func(t *testing.T, f *fleet) {
		f.engines = append(f.engines, f.join(t, f.store, func(c *Config) { c.Burst = 2 }))
		f.engines[1].budget.SetLimit(0) // nothing comes back
		for range 5 {
			f.token = f.platform.IssueToken("1")
			assert.Equal(t, Fresh, f.use(0))
			assert.Equal(t, Fresh, f.use(1))
		}
		assert.Equal(t, 5, f.platform.Count())
		assert.InDelta(t, 2, f.engines[1].budget.Tokens(), 0.001, "of a burst of 2")
		for range 2 {
			f.token = f.platform.IssueToken("1")
			assert.Equal(t, Fresh, f.use(1))
		}
		f.token = f.platform.IssueToken("1")
		assert.Equal(t, Unavailable, f.use(1))
		assert.EqualValues(t, 1, f.engines[1].Stats().Skipped.Budget)
	})
}

// slowStore takes a moment, in which other requests look, too.
type slowStore struct{ shared.Store }

func (s slowStore) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	time.Sleep(time.Millisecond)
	return s.Store.Look(ctx, key, q)
}

// Requests over the budget leave no leases behind: the next requests with their tokens would wait.
func TestFleetBudgetAtOnce(t *testing.T) {
	inFleet(t, 0, func(t *testing.T, f *fleet) {
		e := f.join(t, slowStore{f.store}, func(c *Config) { c.Burst = 2 })
		got := atOnce(30, func(int) Outcome { return check(e, f.platform.IssueToken("1")) })
		assert.Equal(t, map[Outcome]int{Fresh: 2, Unavailable: 28}, got)
		synctest.Wait()
		assert.EqualValues(t, 2, e.Stats().Shared.Leases)
		assert.EqualValues(t, 28, e.Stats().Skipped.Budget)
		assert.Zero(t, e.reserved)
	})
}

// A request that waits for another replica's answer keeps nothing of the budget from others.
func TestFleetBudgetOfWaiting(t *testing.T) {
	inFleet(t, 1, func(t *testing.T, f *fleet) {
		e := f.join(t, f.store, func(c *Config) { c.Burst = 1 })
		f.platform.SetTokenFaults(f.token, requestertest.Delay(3*time.Second))
		go check(f.engines[0], f.token)
		synctest.Wait()
		waiting := make(chan Outcome)
		go func() { waiting <- check(e, f.token) }()
		synctest.Wait()
		other := f.platform.IssueToken("2")
		assert.Equal(t, Fresh, check(e, other))
		assert.Equal(t, Fresh, <-waiting)
		assert.Equal(t, 2, f.platform.Count())
		assert.Zero(t, e.reserved)
	})
}

// A replica that may not ask takes no lease: the others would wait for its answer.
func TestFleetBudgetTakesNoLease(t *testing.T) {
	inFleet(t, 1, func(t *testing.T, f *fleet) {
		f.engines = append(f.engines, f.join(t, slowStore{f.store}, func(c *Config) { c.Burst = 1 }))
		f.engines[1].budget.SetLimit(0) // nothing comes back
		f.platform.SetFaults(requestertest.Delay(100 * time.Millisecond))
		tokens := make([]credentials.Token, 10)
		got := atOnce(len(tokens), func(i int) Outcome {
			tokens[i] = f.platform.IssueToken("1")
			return check(f.engines[1], tokens[i])
		})
		assert.Equal(t, map[Outcome]int{Fresh: 1, Unavailable: 9}, got)
		begin := time.Now()
		for _, f.token = range tokens {
			assert.Equal(t, Fresh, f.use(0))
		}
		assert.Less(t, time.Since(begin), 2*time.Second)
	})
}
