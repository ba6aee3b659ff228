package health

import (
	"context"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// clockTolerance is how far the wall clock and the monotonic clock may drift apart between two looks before a check is made.
const clockTolerance = 5 * time.Second

// run is the checker's one goroutine: it makes every check after Start's, one after the other, until Close.
func (c *Checker) run(done chan<- struct{}) {
	defer close(done)

	check := time.NewTimer(c.untilDue())
	defer check.Stop()
	poller, poll := c.newPoll()
	if poll != nil {
		defer poll.Stop()
	}
	last := time.Now()
	for {
		var polled bool
		var late []credentials.Token
		select {
		case <-c.ctx.Done():
			c.endRefresh(c.takeRefresh(), ErrClosed)
			return
		case <-check.C:
		case <-c.poke:
		case <-tickOf(poll):
			polled = true
		case late = <-c.source.late:
			c.takeLate(late)
		}
		now := time.Now()
		woken := jumped(now.Round(0).Sub(last.Round(0)), now.Sub(last), clockTolerance)
		last = now

		asked := c.takeRefresh()
		switch {
		case asked != nil:
			c.perform(asked, everything)
		case woken || c.untilDue() <= 0:
			c.postpone(now)
			c.perform(c.begin(), everything)
		case polled && c.mayPoll() && c.pollSource(poller):
			c.perform(c.begin(), newOnly)
		case late != nil:
			c.perform(c.begin(), newUnread)
		}
		check.Reset(c.untilDue())
	}
}

// newPoll returns the provider as a poller and the ticker for it, or nil where it is none.
func (c *Checker) newPoll() (credentials.Poller, *time.Ticker) {
	poller, ok := c.source.provider.(credentials.Poller)
	if !ok {
		return nil, nil
	}
	return poller, time.NewTicker(c.cfg.pollInterval)
}

func tickOf(t *time.Ticker) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}

// mayPoll keeps a look at a source that hangs, or may hang, from holding up the next check for too long.
func (c *Checker) mayPoll() bool {
	_, first := c.sourcePatience()
	return first && (!c.sourceHangs() || c.untilDue() > c.cfg.sourceTimeout)
}

// pollSource reports whether the source is worth a read. What it finds out about the source's health is published.
func (c *Checker) pollSource(poller credentials.Poller) bool {
	patience, _ := c.sourcePatience()
	c.mu.Lock()
	have := c.m.held
	c.mu.Unlock()
	changed, err := c.source.poll(c.ctx, patience, poller, have)
	if c.ctx.Err() != nil || changed {
		return changed
	}
	c.mu.Lock()
	known := c.m.pollErr
	c.mu.Unlock()
	if err == nil && known == nil || err != nil && known != nil && err.Error() == known.Error() {
		return false // no news
	}
	c.update(func(time.Time) event {
		c.m.pollErr = err
		return event{}
	})
	return false
}

func (c *Checker) untilDue() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Until(c.due)
}

// postpone makes sure that a check which sets no time for the next one does not become a busy loop.
func (c *Checker) postpone(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = now.Add(c.pace.interval)
}

// refresh is a check that callers may wait for.
type refresh struct {
	heard uint64 // how many answers there had been when the last of them came
	done  chan struct{}
	err   error // valid once done is closed
}

// Refresh reads the source again and verifies what it finds now. Callers at the same time share one call for the same
// token, also one that was in flight when they came; each may leave by its own ctx without disturbing the others.
//
// It returns nil when the token in use was verified and nothing that the source newly holds was turned down. Otherwise it
// is an [*Error] for a verdict, the source's or the client's error, or a [*NotAskedError] with the time to wait when the
// circuit breaker or a rate limit forbids the call; ErrNotStarted before Start has returned nil, ErrClosed after Close.
func (c *Checker) Refresh(ctx context.Context) error {
	c.mu.Lock()
	switch {
	case c.m.closed:
		c.mu.Unlock()
		return ErrClosed
	case c.phase != running:
		c.mu.Unlock()
		return ErrNotStarted
	}
	call := c.joinLocked(c.verifier.answered())
	c.mu.Unlock()
	return call.wait(ctx)
}

// joinLocked returns the refresh that has not begun yet, a new one if there is none. Answers up to the number heard are not
// good enough for the caller.
func (c *Checker) joinLocked(heard uint64) *refresh {
	if c.pending == nil {
		c.pending = &refresh{done: make(chan struct{})}
		select {
		case c.poke <- struct{}{}:
		default: // the loop has been poked and not looked yet
		}
	}
	c.pending.heard = max(c.pending.heard, heard)
	return c.pending
}

func (r *refresh) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return &leftError{context.Cause(ctx)}
	}
}

// takeRefresh begins the refresh that callers wait for, nil when nobody does.
func (c *Checker) takeRefresh() *refresh {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.pending = c.pending, nil
	return c.current
}

// begin begins a check that nobody has asked for, so that those who come while it goes on can wait for it.
func (c *Checker) begin() *refresh {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = &refresh{heard: c.verifier.answered(), done: make(chan struct{})}
	return c.current
}

// perform makes the check that was begun.
func (c *Checker) perform(r *refresh, what scope) {
	c.endRefresh(r, c.check(c.ctx, what, r.heard))
}

func (c *Checker) endRefresh(r *refresh, err error) {
	if r == nil {
		return
	}
	if c.ctx.Err() != nil {
		err = ErrClosed
	}
	c.mu.Lock()
	c.current = nil
	c.mu.Unlock()
	r.err = err
	close(r.done)
}
