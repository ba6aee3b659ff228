package callers

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
)

// outage is an engine in front of a platform that answers some tokens and not others.
type outage struct {
	engine   *Engine
	platform *requestertest.Platform
	calls    atomic.Int64
	fault    func(token string) fault // set while no call is in flight
	stop     atomic.Bool
	users    sync.WaitGroup
}

type fault int

const (
	works fault = iota
	fails
	hangs
	limits // 429, for 15 minutes
)

func newOutage(t *testing.T, inFlight int, member *sharing.Member) *outage {
	t.Helper()
	o := &outage{
		platform: requestertest.NewPlatform(),
		fault:    func(string) fault { return works },
	}
	client, err := requester.New(requester.Production,
		requester.WithHTTPClient(&http.Client{Transport: o}))
	require.NoError(t, err)
	o.engine = New(client, Config{
		TTL: time.Minute, RefusedTTL: 10 * time.Second, MaxStale: 15 * time.Minute,
		Entries: 10_000, PerSecond: 2000, Burst: 4000, InFlight: inFlight, Member: member,
	})
	t.Cleanup(func() {
		o.stop.Store(true)
		o.users.Wait()
		o.engine.Close()
	})
	return o
}

func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	o.calls.Add(1)
	time.Sleep(50 * time.Millisecond)
	answer := &http.Response{
		StatusCode: http.StatusInternalServerError, Header: http.Header{}, Body: http.NoBody,
		Request: r,
	}
	switch o.fault(r.Header.Get("Authorization")[len("ApiKey "):]) {
	case works:
		return o.platform.Client().Transport.RoundTrip(r)
	case hangs:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case limits:
		answer.StatusCode = http.StatusTooManyRequests
		answer.Header.Set("Retry-After", "900")
	}
	return answer, nil
}

func (o *outage) use(token credentials.Token) Outcome {
	return o.engine.Check(context.Background(), "ApiKey "+token.Reveal()).Outcome
}

// issue returns n tokens that the engine has verified.
func (o *outage) issue(t *testing.T, n int) []credentials.Token {
	t.Helper()
	all := make([]credentials.Token, n)
	for i := range all {
		all[i] = o.platform.IssueToken(strconv.Itoa(i))
		require.Equal(t, Fresh, o.use(all[i]))
	}
	return all
}

// only makes the platform answer these tokens and no others.
func (o *outage) only(f fault, good ...credentials.Token) {
	answered := map[string]bool{}
	for _, token := range good {
		answered[token.Reveal()] = true
	}
	o.fault = func(token string) fault {
		if answered[token] {
			return works
		}
		return f
	}
}

// keepUsing uses each token once per pause until the test ends, and passes each outcome to see.
func (o *outage) keepUsing(
	tokens []credentials.Token, pause time.Duration, see func(Outcome, time.Duration),
) {
	for i, token := range tokens {
		o.users.Go(func() {
			time.Sleep(pause * time.Duration(i) / time.Duration(len(tokens)))
			for !o.stop.Load() {
				began := time.Now()
				outcome := o.use(token)
				see(outcome, time.Since(began))
				time.Sleep(pause)
			}
		})
	}
}

func ignore(Outcome, time.Duration) {}

// TestOutage_breakerOpensAgain: after minutes in which every token failed, one good answer closes
// the breaker. The next failures open it again.
func TestOutage_breakerOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, 32, nil)
		tokens := o.issue(t, 200)
		var answers atomic.Int64
		o.fault = func(string) fault {
			if answers.Add(-1) >= 0 {
				return works
			}
			return fails
		}
		o.keepUsing(tokens, time.Second, ignore)
		time.Sleep(12 * time.Minute)
		answers.Store(1)
		time.Sleep(10 * time.Second)
		before := o.calls.Load()
		time.Sleep(time.Minute)
		require.Less(t, o.calls.Load()-before, int64(120), "calls in a minute")
	})
}

// TestOutage_nothingWaits: calls about overdue tokens hang, and no request waits for one.
func TestOutage_nothingWaits(t *testing.T) {
	for name, member := range map[string]func() *sharing.Member{
		"alone": func() *sharing.Member { return nil },
		"shared": func() *sharing.Member {
			return sharing.NewMember(sharedtest.NewMemory(), sharing.MostLook)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t, 2, member())
				tokens := o.issue(t, 150)
				o.only(hangs)
				var waited atomic.Int64
				o.keepUsing(tokens, 5*time.Second, func(_ Outcome, d time.Duration) {
					if d > 500*time.Millisecond {
						waited.Add(1)
					}
				})
				time.Sleep(3 * time.Minute)
				waited.Store(0)
				time.Sleep(10 * time.Minute)
				// A probe is one request that waits, at most every five seconds.
				require.LessOrEqual(t, waited.Load(), int64(10*60/5), "requests that waited")
			})
		})
	}
}

// TestOutage_goodTokensPass: the platform answers a few tokens, and the others hold no call back
// that these need.
func TestOutage_goodTokensPass(t *testing.T) {
	for name, tt := range map[string]struct {
		others int
		fault  fault
		failed bool // the good tokens failed, too, as the outage began
	}{
		"others fail":                   {150, fails, false},
		"others fail, failed once":      {150, fails, true},
		"others hang":                   {100, hangs, false},
		"others are over their quotas":  {12, limits, false},
		"two others over their quotas":  {2, limits, false},
		"a few hang, failed once":       {8, hangs, true},
		"others over quota, failed too": {8, limits, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOutage(t, 8, nil)
				others, good := o.issue(t, tt.others), o.issue(t, 3)
				if tt.failed {
					o.only(fails)
					time.Sleep(time.Minute)
					for _, token := range good {
						require.Equal(t, Stale, o.use(token))
					}
				}
				o.only(tt.fault, good...)
				o.keepUsing(others, 4*time.Second, ignore)
				var passed, refused atomic.Int64
				o.keepUsing(good, time.Second, func(outcome Outcome, _ time.Duration) {
					if outcome == Fresh || outcome == Stale {
						passed.Add(1)
					} else {
						refused.Add(1)
					}
				})
				time.Sleep(25 * time.Minute)
				require.Zero(t, refused.Load(), "requests with a good token that did not pass")
				require.Greater(t, passed.Load(), int64(3*20*60))
			})
		})
	}
}
