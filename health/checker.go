package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
	"github.com/tolokacheck/tolokacheck/internal/platform"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
)

// Checker monitors one credential: it loads the token from its provider, verifies it with the
// platform, follows its rotation, and publishes what it knows as a [Snapshot].
//
// Snapshot and Check are one atomic load: no lock, no allocation, no clock, no
// I/O. All methods are safe for concurrent use.
type Checker struct {
	cfg     *config
	clock   *clock
	source  *source
	caller  *platform.Caller
	member  *sharing.Member // nil without a shared store
	changes *dispatcher[change]
	log     *lines

	// Every request reads it. Only fields that do not change are near it: mu and what follows
	// are on another cache line, so that the checker's own work does not slow the readers down.
	snapshot atomic.Pointer[Snapshot]

	ctx      context.Context // ends with Close; calls descend from it, never from a caller's
	cancel   context.CancelFunc
	events   chan event
	poke     chan struct{} // wakes the loop
	patient  atomic.Bool   // failures do not open the circuit breaker: Start has little time
	reminder *time.Timer   // logs that Start was not called

	hostWarning sync.Once // for a request to the platform with another Host

	mu        sync.Mutex // never held during I/O or foreign code
	m         machine
	told      *Snapshot       // the last one that OnChange got
	warned    map[string]bool // warnings of the source that were logged
	published chan struct{}   // closed with the next publication; nil while nothing waits
	stopped   chan struct{}   // closed when the loop has ended; nil while there is none

	stats stats // apart from the snapshot, because the loop writes it
}

// remindAfter is how long after New a checker that was not started says so in the log.
const remindAfter = time.Minute

// flushTime is how long Start and Close wait for their own log lines.
const flushTime = time.Second

// New returns a checker of the credential that p provides. It does no I/O: the status is fail
// (starting) until [Checker.Start]. The error lists every invalid option. Close the checker
// when done.
func New(p credentials.Provider, opts ...Option) (*Checker, error) {
	if isnil.Value(p) {
		return nil, errors.New("health: New: the provider is nil; " +
			"use credentials.Default() for the usual places")
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	// Drawn once, so that the probes of replicas that lost the platform together are spread.
	cfg.pace.breakerOpen = spread(cfg.pace.breakerOpen, cfg.jitter())

	c := &Checker{
		cfg:    cfg,
		clock:  newClock(cfg.suspended),
		source: newSource(p, cfg.pace.sourceTimeout),
		caller: platform.NewCaller(cfg.client),
		log:    newLines(cfg.logger),
		events: make(chan event),
		poke:   make(chan struct{}, 1),
		warned: make(map[string]bool),
	}
	c.changes = newChanges(cfg.onChange, c.log)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if cfg.store != nil {
		c.member = sharing.NewMember(cfg.store, lookLimit(cfg.pace))
	}
	c.m = c.newMachine()
	c.mu.Lock()
	defer c.mu.Unlock()
	_, c.told = c.publishLocked(c.clock.now())
	c.reminder = time.AfterFunc(remindAfter, c.remind)
	return c, nil
}

func (c *Checker) newMachine() machine {
	m := machine{
		rules:   c.cfg.rules,
		pace:    c.cfg.pace,
		jitter:  c.cfg.jitter,
		cache:   newAccounts(),
		stats:   &c.stats,
		records: make(map[string]*record),
		source:  sourceState{name: c.source.String, polls: c.source.polls()},
		breaker: func() *platform.Breaker {
			return platform.NewBreaker(platform.Settings{
				Failures: c.cfg.breakerFailures,
				Open:     c.cfg.pace.breakerOpen,
				Hold:     c.patient.Load,
			})
		},
	}
	if c.member != nil {
		m.fleet = newFleet(c.member.ID, c.cfg.pace, c.member.Stats(),
			func(t credentials.Token) sharing.Keys {
				return sharing.KeysOf(c.cfg.client, t)
			})
		m.fleet.place = c.cfg.jitter()
	}
	return m
}

// Snapshot returns what is known at this moment. It is never nil.
func (c *Checker) Snapshot() *Snapshot { return c.snapshot.Load() }

// Check returns nil while the status is pass or warn, and an [*Error] while it is fail. It has
// the shape that health frameworks ask for, answers from the snapshot and ignores ctx. The
// error is for logs: it may name hosts, paths and the token's fingerprint.
func (c *Checker) Check(context.Context) error { return c.Snapshot().Check() }

// WaitVerified returns nil as soon as the status is pass or warn. It returns an [*Error] that
// wraps ctx's error if ctx ends first, and ErrClosed after Close.
func (c *Checker) WaitVerified(ctx context.Context) error {
	if ctx == nil {
		return errNilContext("WaitVerified")
	}
	for {
		snap, published := c.watch()
		switch {
		case snap.Open():
			return nil
		case snap.reasons.has(ReasonClosed):
			return ErrClosed
		}
		select {
		case <-published:
		case <-ctx.Done():
			err := context.Cause(ctx)
			if cause := snap.state.Err; cause != nil {
				err = fmt.Errorf("%w: %w", err, cause)
			}
			return &Error{Name: c.cfg.rules.name, Reason: snap.Reason(), Err: err}
		}
	}
}

// watch returns the current snapshot, and a channel that is closed when there is another.
func (c *Checker) watch() (*Snapshot, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.published == nil {
		c.published = make(chan struct{})
	}
	return c.Snapshot(), c.published
}

// Drain makes the service not ready, for good, so that load balancers send their requests
// elsewhere. Call it when a shutdown begins, wait until they have noticed, then stop the
// server. The gate stays as it is.
func (c *Checker) Drain() {
	c.update(func(instant) (note, bool) {
		c.m.draining = true
		return note{}, true
	})
}

// Close closes the gate, cancels the calls in flight, and stops the checker's goroutines. It
// waits up to a second for the last log lines, and neither for callbacks nor for a provider
// or RoundTripper that ignores its context. It may be called at any time, more than once, and
// from a callback. It always returns nil.
func (c *Checker) Close() error {
	var waiting checks
	c.update(func(instant) (note, bool) {
		c.m.closed = true
		c.cancel()
		c.reminder.Stop()
		waiting, c.m.checks = c.m.checks, checks{}
		return note{}, true
	})
	for _, r := range []*round{waiting.current, waiting.pending} {
		if r != nil {
			r.err = ErrClosed
			close(r.done)
		}
	}
	c.mu.Lock()
	stopped := c.stopped
	c.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	c.log.flush(flushTime)
	return nil
}

// update applies an event to the machine, and publishes and reports what has changed. Without news
// it publishes only what time alone has changed. After Close nothing changes.
func (c *Checker) update(apply func(now instant) (n note, news bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m.closed {
		return
	}
	now := c.clock.now()
	n, news := apply(now)
	if !news && c.m.reasons(now) == c.Snapshot().reasons {
		return
	}
	old, snap := c.publishLocked(now)
	if differ(c.told, snap) {
		c.changes.add(change{c.told, snap})
		c.told = snap
	}
	c.report(old, snap, n)
}

// publishLocked makes the machine's state the current snapshot.
func (c *Checker) publishLocked(now instant) (old, snap *Snapshot) {
	wall := time.Now().Round(0)
	s := c.m.state(now)
	s.Name = c.cfg.rules.name
	s.Environment = c.cfg.client.Environment()
	s.TokenSource = c.source.String()
	dueIn := c.m.dueIn(now)
	s.RetryAfter = max(dueIn, time.Second)
	s.NextCheck = wall.Add(dueIn)
	s.MaxStale = c.cfg.rules.maxStale
	s.MinBalance = c.cfg.rules.minBalance
	s.Since = wall
	if c.member != nil {
		s.Shared = c.member.Stats().Snapshot()
	}
	old = c.snapshot.Load()
	snap = NewSnapshot(s)
	switch {
	case old == nil:
	case old.reason == snap.reason:
		snap.state.Since, snap.state.History = old.state.Since, old.state.History
	default:
		snap.state.History = remembered(old.state.History,
			Change{wall, old.reason, snap.reason, s.Err})
	}
	c.snapshot.Store(snap)
	if c.published != nil {
		close(c.published)
		c.published = nil
	}
	return old, snap
}

// remembered returns a copy of the history with another change.
func remembered(history []Change, c Change) []Change {
	if n := len(history) - maxHistory + 1; n > 0 {
		history = history[n:]
	}
	return append(slices.Clip(history), c)
}

// change is a step that OnChange is told of.
type change struct{ old, new *Snapshot }

// newChanges returns the dispatcher of OnChange. When changes pile up, those in the middle are
// joined, so that the old of every call is the new of the call before.
func newChanges(callback func(old, new *Snapshot), log *lines) *dispatcher[change] {
	if callback == nil {
		callback = func(_, _ *Snapshot) {}
	}
	return &dispatcher[change]{
		deliver: func(c change) { callback(c.old, c.new) },
		overflow: func(queue []change, c change) []change {
			queue[len(queue)-1].new = c.new
			return queue
		},
		lost: log.callbackPanicked,
	}
}

// differ reports whether OnChange must be called. Every verification publishes a snapshot,
// most change nothing.
func differ(old, snap *Snapshot) bool {
	return old.reasons != snap.reasons || old.Readiness() != snap.Readiness() ||
		old.state.Draining != snap.state.Draining || old.state.Started != snap.state.Started ||
		!old.state.Token.Equal(snap.state.Token) || accountID(old) != accountID(snap)
}

func accountID(s *Snapshot) string {
	if s.state.Account == nil {
		return ""
	}
	return s.state.Account.ID()
}

// remind logs that Start was forgotten.
func (c *Checker) remind() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.m.begun && !c.m.closed {
		c.line(slog.LevelWarn, msgForgotten, c.Snapshot(), nil)
	}
}
