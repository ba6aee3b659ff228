package callers

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
)

// Config configures an [Engine]. All fields but Member are required.
type Config struct {
	TTL, RefusedTTL, MaxStale time.Duration
	Entries                   int
	PerSecond                 float64
	Burst, InFlight           int

	Member *sharing.Member // shares answers with other replicas, if set
}

// Outcome is a decision about a request.
type Outcome int

const (
	// NoToken: there is no token of a known scheme, or it cannot be one. The platform is not asked.
	NoToken Outcome = iota
	// Fresh: verified less than a TTL ago.
	Fresh
	// Stale: verified less than MaxStale ago, and the platform gives no newer verdict, or refused
	// the token once.
	Stale
	// Refused: the platform refused the token.
	Refused
	// Unavailable: there is no verdict.
	Unavailable
)

// Verdict is the decision about one request.
type Verdict struct {
	Outcome    Outcome
	Record     *Record       // for Fresh and Stale
	RetryAfter time.Duration // for Unavailable
	Err        error         // why, for the other outcomes; without the token
}

// Errors of verdicts.
var (
	ErrNoToken = errors.New("no Authorization header with the scheme ApiKey or OAuth and a token")
	ErrClosed  = errors.New("closed")
)

// Engine verifies tokens. It is safe for concurrent use.
type Engine struct {
	config Config
	client *requester.Client
	start  time.Time
	keys   *keyer
	ctx    context.Context
	cancel context.CancelFunc

	verified *otter.Cache[key, *known]
	others   *otter.Cache[key, *unproven]
	flights  singleflight.Group
	// proven is for tokens in the verified cache, however old their verdict is; strange for all
	// others.
	proven, strange *lane
	budget          *rate.Limiter

	mu      sync.Mutex // guards what follows, and writes to the caches
	closed  atomic.Bool
	running sync.WaitGroup
	// forgets counts Forget calls by the first byte of the key. A call that was in flight during a
	// Forget is not cached.
	forgets [256]uint32
	// reserved counts the calls that flights may take from the budget and have not taken yet.
	reserved int

	counts counts
}

// New returns an engine that asks through client.
func New(client *requester.Client, c Config) *Engine {
	e := &Engine{
		config: c, client: client, start: time.Now(),
		keys:   newKeyer(),
		budget: rate.NewLimiter(rate.Limit(c.PerSecond), c.Burst),
	}
	e.verified = newCache[*known](c.Entries, &e.counts.verifiedEvictions)
	e.others = newCache[*unproven](c.Entries, &e.counts.otherEvictions)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	open := min(5*time.Second, c.MaxStale/4)
	e.proven, e.strange = newLane(client, open, c.InFlight), newLane(client, open, c.InFlight)
	return e
}

// newCache returns a bounded cache that counts its evictions. It does its maintenance in the
// goroutines that use it: there is none to stop.
func newCache[V any](entries int, evictions *atomic.Uint64) *otter.Cache[key, V] {
	return otter.Must(&otter.Options[key, V]{
		MaximumSize: entries,
		Executor:    func(f func()) { f() },
		OnAtomicDeletion: func(d otter.DeletionEvent[key, V]) {
			if d.WasEvicted() {
				evictions.Add(1)
			}
		},
	})
}

func (e *Engine) now() time.Duration { return time.Since(e.start) }

// Check decides about a request with this Authorization header. It waits for the platform only if
// there is no usable verdict. The end of ctx ends the wait, not the call.
func (e *Engine) Check(ctx context.Context, authorization string) Verdict {
	if e.closed.Load() {
		return Verdict{Outcome: Unavailable, RetryAfter: time.Second, Err: ErrClosed}
	}
	h, ok := parseHeader(authorization)
	if !ok {
		return Verdict{Outcome: NoToken, Err: ErrNoToken}
	}
	k := e.keys.key(h)
	now := e.now()
	if entry, ok := e.verified.GetIfPresent(k); ok {
		r := entry.record.Load()
		if now < r.verified+e.config.TTL && r.refusals == 0 {
			if now >= r.refreshAt && entry.refreshing.CompareAndSwap(false, true) {
				e.refresh(k, h, entry)
			}
			return Verdict{Outcome: Fresh, Record: r}
		}
		if now < r.retryAt {
			return e.verdictOn(r, flight{retryAfter: r.retryAt - now, err: errPaced})
		}
	} else if u, ok := e.others.GetIfPresent(k); ok && now < u.retryAt {
		return u.verdict(now)
	}
	t, err := h.token()
	if err != nil {
		return Verdict{Outcome: NoToken, Err: err}
	}
	select {
	case r := <-e.fly(k, t):
		f := r.Val.(flight)
		return e.verdictOn(f.record, f)
	case <-ctx.Done():
		return Verdict{Outcome: Unavailable, RetryAfter: time.Second, Err: ctx.Err()}
	}
}

// verdictOn returns the verdict that follows from a flight about a token with the record r, which
// is nil if the token was never verified.
func (e *Engine) verdictOn(r *Record, f flight) Verdict {
	switch {
	case f.refused:
		return Verdict{Outcome: Refused, Err: f.err}
	case r == nil:
		return Verdict{Outcome: Unavailable, RetryAfter: f.retryAfter, Err: f.err}
	}
	age := e.now() - r.verified
	switch {
	case age < e.config.TTL && r.refusals == 0:
		return Verdict{Outcome: Fresh, Record: r}
	case age < e.config.MaxStale:
		return Verdict{Outcome: Stale, Record: r}
	default:
		return Verdict{Outcome: Unavailable, RetryAfter: f.retryAfter, Err: f.err}
	}
}

func (u *unproven) verdict(now time.Duration) Verdict {
	if u.refused {
		return Verdict{Outcome: Refused, Err: u.err}
	}
	return Verdict{Outcome: Unavailable, RetryAfter: u.retryAt - now, Err: u.err}
}

// Forget removes what is known about the token, under both schemes. The answer of a call in flight
// is not cached.
func (e *Engine) Forget(t credentials.Token) {
	if t.IsZero() {
		return
	}
	for _, scheme := range []credentials.Scheme{credentials.SchemeAPIKey, credentials.SchemeOAuth} {
		k := e.keys.key(header{scheme: scheme, value: t.Reveal()})
		e.mu.Lock()
		e.forgets[k[0]]++
		e.verified.Invalidate(k)
		e.others.Invalidate(k)
		if e.config.Member != nil {
			e.others.Set(k, &unproven{pace: pace{since: e.now()}})
		}
		e.mu.Unlock()
		e.flights.Forget(string(k[:]))
	}
}

// Close cancels the calls in flight and waits for them, at most a second. It is idempotent.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed.Store(true)
	e.mu.Unlock()
	e.cancel()
	done := make(chan struct{})
	go func() { e.running.Wait(); close(done) }()
	limit := time.NewTimer(time.Second)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C: // a transport's error hangs
	}
}

// refreshTime returns when a token verified at this time is refreshed: after 75 to 90 % of the TTL,
// at random, so that the callers of one moment do not stay together.
func (e *Engine) refreshTime(verified time.Duration) time.Duration {
	ttl := e.config.TTL
	return verified + ttl*3/4 + rand.N(ttl*15/100+1)
}
