package health_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
)

// fleet is several checkers with one platform and one shared store.
type fleet struct {
	*world   // the first replica
	store    *sharedtest.Memory
	replicas []*world
}

// newFleet makes n checkers of tokenA, each with its own jitter.
func newFleet(t *testing.T, n int, answer func(token string) reply, opts ...health.Option) *fleet {
	t.Helper()
	f := &fleet{store: sharedtest.NewMemory()}
	for i := range n {
		f.join(t, answer, uint64(i), f.store, opts...)
	}
	f.world = f.replicas[0]
	return f
}

// join adds a checker that shares through store.
func (f *fleet) join(
	t *testing.T, answer func(string) reply, seed uint64, store shared.Store, opts ...health.Option,
) *world {
	t.Helper()
	random := rand.New(rand.NewPCG(1, seed))
	jitter := make([]float64, 997)
	for i := range jitter {
		jitter[i] = random.Float64()
	}
	opts = append([]health.Option{health.WithJitter(jitter...), health.WithShared(store)}, opts...)
	w := newWorld(t, answer, opts...)
	if len(f.replicas) > 0 {
		w.platform = f.replicas[0].platform
	}
	f.replicas = append(f.replicas, w)
	return w
}

// start starts all checkers at once, and forgets the calls and lines so far.
func (f *fleet) start() {
	f.t.Helper()
	var all sync.WaitGroup
	for _, w := range f.replicas {
		all.Go(func() { assert.NoError(f.t, w.checker.Start(f.t.Context())) })
	}
	all.Wait()
	f.platform.forget()
	for _, w := range f.replicas {
		w.lines()
	}
}

// verdicts returns the verdicts of all replicas, each once.
func (f *fleet) verdicts() []string {
	var out []string
	seen := make(map[string]bool)
	for _, w := range f.replicas {
		if v := w.verdict(); !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// inBubble runs test on fake time.
func inBubble(t *testing.T, test func(t *testing.T)) { t.Helper(); synctest.Test(t, test) }

func TestFleet(t *testing.T) {
	t.Run("cold_start", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 100, always(slowly("1", 300*time.Millisecond)))
			var all sync.WaitGroup
			for _, w := range f.replicas {
				all.Go(func() { assert.NoError(t, w.checker.Start(t.Context())) })
			}
			all.Wait()
			assert.Equal(t, 1, f.platform.count())
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
			for _, w := range f.replicas {
				account, err := w.checker.Snapshot().Account()
				require.NoError(t, err)
				assert.Equal(t, "1 (Jack Smith), company 123, balance 121.3 USD", account.String())
			}
		})
	})
	t.Run("steady", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(account("1")))
			f.start()
			for range 60 {
				time.Sleep(time.Minute)
				assert.Equal(t, []string{"pass: verified"}, f.verdicts())
				for _, w := range f.replicas {
					age := time.Since(w.checker.Snapshot().State().VerifiedAt)
					assert.Less(t, age, 2*time.Minute+5*time.Second)
				}
			}
			assert.LessOrEqual(t, f.platform.count(), 72, "one call in 51 s")
			assert.GreaterOrEqual(t, f.platform.count(), 50)
		})
	})
	t.Run("refused", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(account("1")))
			f.start()
			f.will(always(refused))
			time.Sleep(70 * time.Second)
			assert.Equal(t, []string{"fail: rejected"}, f.verdicts())
			assert.LessOrEqual(t, f.platform.count(), 5)
			assert.GreaterOrEqual(t, f.platform.count(), 2)
		})
	})
	t.Run("refused_once", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(account("1")))
			f.start()
			f.will(inTurn(refused, account("1")))
			for range 180 {
				time.Sleep(time.Second)
				for _, v := range f.verdicts() {
					assert.Contains(t, []string{"pass: verified", "warn: confirming_rejection"}, v)
				}
			}
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
		})
	})
	t.Run("outage", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(account("1")))
			f.start()
			f.will(always(down))
			time.Sleep(5 * time.Minute)
			assert.Equal(t, []string{"warn: stale"}, f.verdicts())
			assert.LessOrEqual(t, f.platform.count(), 15)
			f.will(always(account("1")))
			time.Sleep(130 * time.Second)
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
		})
	})
	t.Run("outage_longer_than_max_stale", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(account("1")))
			f.start()
			f.will(always(down))
			time.Sleep(20 * time.Minute)
			assert.Equal(t, []string{"fail: unreachable"}, f.verdicts())
			assert.LessOrEqual(t, f.platform.count(), 50)
			f.will(always(account("1")))
			time.Sleep(130 * time.Second)
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
		})
	})
	t.Run("rate_limited", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(account("1")))
			f.start()
			f.will(always(limited("120")))
			time.Sleep(4 * time.Minute)
			assert.LessOrEqual(t, f.platform.count(), 3)
			assert.Equal(t, []string{"warn: stale"}, f.verdicts())
		})
	})
	t.Run("rotation_half_way", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 10, byToken(map[string]reply{tokenA: account("1"), tokenB: account("1")}))
			f.start()
			for _, w := range f.replicas[5:] {
				w.source.has(tokenB)
			}
			time.Sleep(5 * time.Minute)
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
			assert.Equal(t, tokenA, f.replicas[0].inUse())
			assert.Equal(t, tokenB, f.replicas[9].inUse())
			assert.LessOrEqual(t, f.platform.countOf(tokenA), 7)
			assert.LessOrEqual(t, f.platform.countOf(tokenB), 7)
			f.will(byToken(map[string]reply{tokenB: account("1")})) // tokenA is deleted
			time.Sleep(70 * time.Second)
			assert.Empty(t, f.replicas[0].inUse())
			assert.Equal(t, tokenB, f.replicas[9].inUse())
		})
	})
	t.Run("refresh", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(slowly("1", 200*time.Millisecond)))
			f.start()
			time.Sleep(10 * time.Second)
			f.platform.forget()
			f.will(always(refused))
			var all sync.WaitGroup
			for _, w := range f.replicas {
				all.Go(func() { assert.ErrorContains(t, w.checker.Refresh(t.Context()), "rejected") })
			}
			all.Wait()
			assert.Equal(t, 1, f.platform.count())
		})
	})
}

func TestFleetStore(t *testing.T) {
	t.Run("restarted_empty", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(account("1")))
			f.start()
			for range 20 {
				time.Sleep(47 * time.Second)
				f.store.Clear()
				assert.Equal(t, []string{"pass: verified"}, f.verdicts())
			}
			assert.LessOrEqual(t, f.platform.count(), 60)
			for _, w := range f.replicas {
				assert.Empty(t, w.lines())
			}
		})
	})
	t.Run("away", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(account("1")))
			f.start()
			f.store.SetError(errors.New("connection refused"))
			time.Sleep(10 * time.Minute)
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
			assert.InDelta(t, 200, f.platform.count(), 40, "each by itself")
			f.store.SetError(nil)
			time.Sleep(10 * time.Minute)
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
			assert.Less(t, f.platform.count(), 260)
			for _, w := range f.replicas {
				lines := w.lines()
				require.Len(t, lines, 2, "%q", lines)
				assert.Contains(t, lines[0], `level=WARN msg="toloka credential: the shared store does not answer" `+
					`environment=production `+
					`error="health: the shared store: connection refused"`)
				assert.Contains(t, lines[1], `level=INFO msg="toloka credential: the shared store answers again"`)
				stats := w.checker.Stats().Shared
				assert.Equal(t, "active", stats.Mode)
				assert.NotZero(t, stats.Errors)
			}
		})
	})
	t.Run("away_from_the_start", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 3, always(account("1")))
			f.store.SetError(errors.New("connection refused"))
			f.start()
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
			assert.Equal(t, "away", f.checker.Stats().Shared.Mode)
		})
	})
	t.Run("refused_while_away", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 20, always(account("1")))
			f.start()
			f.store.SetError(errors.New("connection refused"))
			f.will(always(refused))
			time.Sleep(70 * time.Second)
			assert.Equal(t, []string{"fail: rejected"}, f.verdicts())
		})
	})
	for name, store := range map[string]shared.Store{
		"hangs":  badStore{func(ctx context.Context) { <-ctx.Done() }},
		"panics": badStore{func(context.Context) { panic("no") }},
		"lies":   badStore{func(context.Context) {}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := &fleet{}
				f.world = f.join(t, always(account("1")), 1, store)
				f.start()
				time.Sleep(30 * time.Minute)
				assert.Equal(t, "pass: verified", f.verdict())
				f.will(always(refused))
				time.Sleep(20 * time.Minute)
				assert.Equal(t, "fail: rejected", f.verdict())
				assert.Less(t, f.platform.count(), 80)
			})
		})
	}
}

// The replica that asks is gone. The next one asks soon after the end of its lease, and the others
// hear the answer soon after that.
func TestFleetHolderIsGone(t *testing.T) {
	const interval = 5 * time.Second // the timeout of a call, too
	lease := sharing.Lease(interval)
	for seed := range uint64(50) {
		inBubble(t, func(t *testing.T) {
			f := &fleet{store: sharedtest.NewMemory()}
			add := func(seed uint64, answer func(string) reply) *world {
				w := f.join(t, answer, seed, f.store, health.WithInterval(interval),
					health.WithStartupTimeout(lease+time.Second))
				go func() { _ = w.checker.Start(t.Context()) }()
				synctest.Wait()
				return w
			}
			holder := add(3*seed, always(hang))
			f.world = holder
			add(3*seed+1, nil)
			add(3*seed+2, nil)
			require.NoError(t, holder.checker.Close())
			f.will(always(account("1")))
			time.Sleep(lease + time.Second)
			f.replicas = f.replicas[1:]
			assert.Equal(t, []string{"pass: verified"}, f.verdicts())
			assert.Equal(t, 2, f.platform.count(), "the call of the holder, and one for the others")
		})
	}
}

// badStore does something bad, and knows nothing but that another replica asks.
type badStore struct{ do func(context.Context) }

func (s badStore) Look(ctx context.Context, _ string, q shared.Query) (shared.View, error) {
	s.do(ctx)
	return shared.View{
		Verdict: shared.Entry{Fence: 1 << 50, Data: []byte(strings.Repeat("x", 1000))},
		Busy:    q.Lease,
	}, ctx.Err()
}

func (s badStore) Put(ctx context.Context, _ string, _ shared.Answer) (bool, error) {
	s.do(ctx)
	return true, nil
}

// The network of some replicas is broken. The others are not disturbed, and the broken ones live on
// what the others know.
func TestFleetBrokenReplica(t *testing.T) {
	for name, tt := range map[string]struct {
		broken int
		gets   reply
		others []string // the verdicts that the others may have
	}{
		"no_network":         {1, noRoute, []string{"pass: verified"}},
		"firewall":           {1, firewall, []string{"pass: verified"}},
		"proxy_without_peer": {1, down, []string{"pass: verified"}},
		"three_of_thirteen":  {3, noRoute, []string{"pass: verified", "warn: stale"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 10, always(account("1")))
				f.start()
				client, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{
					Transport: roundTripper(tt.gets.give),
				}))
				require.NoError(t, err)
				for i := range tt.broken {
					w := f.join(t, always(account("1")), uint64(100+i), f.store, health.WithClient(client))
					require.NoError(t, w.checker.Start(t.Context()))
				}
				for range 60 {
					time.Sleep(time.Minute)
					for i, w := range f.replicas {
						if i < 10 {
							assert.Contains(t, tt.others, w.verdict())
						}
						assert.True(t, w.checker.Snapshot().Open(), w.verdict())
					}
				}
			})
		})
	}
}
