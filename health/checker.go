package health

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Checker keeps an eye on one credential: it loads the token from its provider, verifies it with the platform, follows its
// rotation, and publishes what it knows as a [Snapshot].
//
// Reading (Snapshot, Check, Token, Account) is one atomic load: no lock, no allocation, no clock, no I/O. All methods are
// safe for concurrent use.
type Checker struct {
	cfg      *config
	source   *source
	verifier *Verifier
	pace     pace
	changes  *dispatcher

	// Every request reads it. Only fields that do not change are near it: mu and what follows are on another cache line, so
	// that the checker's own work does not slow the readers down.
	snapshot atomic.Pointer[Snapshot]

	warned []string // what the source warned of and was logged; only for the goroutine that checks

	ctx    context.Context // ends with Close; checks descend from it, never from a caller's context
	cancel context.CancelFunc
	poke   chan struct{} // wakes the loop: a refresh waits for it

	mu             sync.Mutex // never held during I/O, logging or callbacks
	m              machine
	phase          phase
	due            time.Time // when the next check is
	heard          uint64    // number of the last answer that m took in
	sourceFailures int       // reads in a row that gave no token while there was none
	expiry         *time.Timer
	pending        *refresh      // waits for a check that has not read the source yet
	current        *refresh      // the loop's check that is going on
	published      chan struct{} // closed with the next publication; nil while nobody waits
	done           chan struct{} // closed when the loop has ended; nil while there is none
}

// phase is how far Start has come.
type phase uint8

const (
	idle phase = iota
	starting
	running
)

// New returns a checker of the credential that p provides. It does no I/O: the status is fail (starting) until [Checker.Start].
// The error names every option that makes no sense. Close the checker when done.
func New(p credentials.Provider, opts ...Option) (*Checker, error) {
	if p == nil {
		return nil, errors.New("health: New: the provider is nil; use credentials.Default() for the usual places")
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	// Drawn once, so that the half-open probes of a fleet that lost the platform together do not come together.
	cfg.breaker.BreakerOpen = spread(cfg.breaker.BreakerOpen, cfg.jitter())

	c := &Checker{
		cfg:      cfg,
		source:   newSource(p),
		verifier: NewVerifier(cfg.client, cfg.breaker),
		pace:     pace{interval: cfg.interval, recheck: cfg.rules.recheck},
		changes:  &dispatcher{callback: cfg.onChange, logger: cfg.logger},
		poke:     make(chan struct{}, 1),
		m:        machine{rules: cfg.rules},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	_, c.changes.last = c.publishLocked(time.Now())
	return c, nil
}

// Snapshot returns what is known at this moment. It is never nil.
func (c *Checker) Snapshot() *Snapshot { return c.snapshot.Load() }

// Check returns nil while the status is pass or warn, and an [*Error] while it is fail. It answers from the snapshot
// and has the shape that health frameworks ask for; ctx is not used.
func (c *Checker) Check(context.Context) error { return c.Snapshot().Check() }

// Token returns the verified token in use, or an [*Error] while the status is fail.
func (c *Checker) Token() (credentials.Token, error) { return c.Snapshot().Token() }

// Account returns the account of the token in use, or an [*Error] while the status is fail.
func (c *Checker) Account() (*requester.Account, error) { return c.Snapshot().Account() }

// WaitVerified returns nil as soon as the status is pass or warn. It returns an error that wraps ctx's when ctx ends
// first, and ErrClosed after Close.
func (c *Checker) WaitVerified(ctx context.Context) error {
	for {
		c.mu.Lock()
		snap := c.Snapshot()
		if c.published == nil {
			c.published = make(chan struct{})
		}
		published := c.published
		c.mu.Unlock()

		switch {
		case snap.Open():
			return nil
		case snap.Reasons().Has(ReasonClosed):
			return ErrClosed
		}
		select {
		case <-published:
		case <-ctx.Done():
			return &Error{Name: c.cfg.name, Reason: snap.Reason(), Err: errors.Join(context.Cause(ctx), snap.Cause())}
		}
	}
}

// Drain makes the service not ready, for good, so that load balancers send their requests elsewhere: call it when a
// shutdown begins, then wait until they have noticed, then stop the server. The gate stays as it is.
func (c *Checker) Drain() {
	c.update(func(time.Time) event {
		c.m.draining = true
		return event{}
	})
}

// Close cancels the call in flight, closes the gate for good and stops every goroutine. It waits for the checker's own
// goroutine, but not for a callback of [OnChange], from which it may be called. It can be called at any time and more than
// once, and always returns nil.
func (c *Checker) Close() error {
	c.update(func(time.Time) event {
		c.m.closed = true
		return event{}
	})
	c.cancel()
	c.verifier.Close()

	c.mu.Lock()
	if c.expiry != nil {
		c.expiry.Stop()
	}
	done := c.done
	c.mu.Unlock()
	if done != nil {
		<-done
	}
	return nil
}

// update is the only way to change the machine: it publishes and reports what came of it. After Close nothing changes
// any more.
func (c *Checker) update(change func(now time.Time) event) {
	c.mu.Lock()
	if c.m.closed {
		c.mu.Unlock()
		return
	}
	now := time.Now()
	ev := change(now)
	old, snap := c.publishLocked(now)
	if differ(old, snap) {
		c.changes.add(snap) // under the lock, so that changes are queued in the order of their publication
	}
	c.mu.Unlock()
	c.report(old, snap, ev)
}

// publishLocked makes the machine's state the current snapshot.
func (c *Checker) publishLocked(now time.Time) (old, snap *Snapshot) {
	s := c.m.state()
	s.Name = c.cfg.name
	s.Environment = c.cfg.client.Environment()
	s.TokenSource = c.source.String()
	s.Breaker = c.verifier.Breaker()
	s.RetryAfter = max(c.due.Sub(now), time.Second)
	s.Since = now
	old = c.snapshot.Load()
	snap = NewSnapshot(s)
	if old != nil && old.status == snap.status && old.reason == snap.reason {
		snap.state.Since = old.state.Since
	}
	c.snapshot.Store(snap)
	if c.published != nil {
		close(c.published)
		c.published = nil
	}
	return old, snap
}

// differ reports whether a callback should hear of the step: every verification publishes, most change nothing.
func differ(old, snap *Snapshot) bool {
	return old.Reasons() != snap.Reasons() || old.Readiness() != snap.Readiness() || old.Draining() != snap.Draining() ||
		old.Started() != snap.Started() || !old.state.Token.Equal(snap.state.Token) || accountID(old) != accountID(snap)
}

func accountID(s *Snapshot) string {
	if s.state.Account == nil {
		return ""
	}
	return s.state.Account.ID()
}

// armExpiryLocked has the step from stale to unreachable published on time by a timer of its own: also under pass, so that
// it comes while a check hangs.
func (c *Checker) armExpiryLocked(now time.Time) {
	if !c.m.working() || c.m.expired {
		return
	}
	left := c.m.good.SentAt.Add(c.cfg.maxStale).Sub(now)
	if c.expiry == nil {
		c.expiry = time.AfterFunc(left, c.expire)
		return
	}
	c.expiry.Reset(left)
}

// expire runs when the timer fires. A good answer may have come in the meantime, so it looks again under the lock.
func (c *Checker) expire() {
	c.update(func(now time.Time) event {
		if c.m.working() && now.Sub(c.m.good.SentAt) >= c.cfg.maxStale {
			c.m.expire()
		} else {
			c.armExpiryLocked(now)
		}
		return event{}
	})
}
