package health

import (
	"context"
	"errors"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// round is a check that callers wait for.
type round struct {
	force bool          // ask about every token, also those that are not due
	doubt *record       // verify it again if it is still in use when the rest is done
	read  uint64        // number of the first read of the source that is recent enough
	after uint64        // answers with a higher number are recent enough
	done  chan struct{} // closed when the round is finished
	err   error         // valid once done is closed
}

// checks are the rounds that callers wait for: one at a time, and one for the callers who came
// too late for it.
type checks struct{ current, pending *round }

// forces reports whether the current round needs an answer about r, due or not.
func (c *checks) forces(r *record) bool {
	return c.current != nil && c.current.force && r.heard <= c.current.after
}

// doubts reports whether the current round verifies r again.
func (c *checks) doubts(r *record) bool { return c.current != nil && c.current.doubt == r }

// Refresh reads the source again and verifies what it finds now. Concurrent callers share the
// read and one call per token, also a call that is in flight when they come. Each may leave by
// its own ctx without disturbing the others.
//
// It returns nil if the token in use was verified and the source holds no new token that was
// turned down. Otherwise it returns an [*Error] for a verdict, the error of the source or of
// the client, or a [*NotAskedError] if the circuit breaker or a rate limit forbids the call. It
// returns ErrNotStarted before Start has returned nil, and ErrClosed after Close.
func (c *Checker) Refresh(ctx context.Context) error {
	if ctx == nil {
		return errNilContext("Refresh")
	}
	c.mu.Lock()
	if err := c.runningLocked(); err != nil {
		c.mu.Unlock()
		return err
	}
	r := c.m.join(c.m.source.begun+1, true)
	c.mu.Unlock()
	c.wake()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return &leftError{context.Cause(ctx)}
	}
}

// join returns the pending round, for a caller who needs the read with this number or a later
// one.
func (m *machine) join(read uint64, force bool) *round {
	if m.checks.pending == nil {
		m.checks.pending = &round{done: make(chan struct{})}
	}
	r := m.checks.pending
	r.force = r.force || force
	r.read = max(r.read, read)
	r.after = m.answers
	return r
}

// readAgain reads the source as soon as possible. The current round waits for it after the first
// answer about the token in use; later ones must not keep it from ending.
func (m *machine) readAgain(first bool) {
	m.source.wanted = true
	if r := m.checks.current; r != nil && first {
		r.read = m.source.begun + 1
	}
}

// roundRead reports whether the source was read for the current round, or does not answer.
func (m *machine) roundRead() bool {
	return m.source.done >= m.checks.current.read || m.source.overdue
}

// planRound begins the pending round.
func (m *machine) planRound(now instant, t *todo) {
	c, s := &m.checks, &m.source
	allowed := s.readAt + readPause
	if c.current == nil && c.pending != nil {
		if !c.pending.force && c.pending.read > s.begun && s.begun > 0 && now < allowed {
			t.at(allowed)
			return
		}
		c.current, c.pending = c.pending, nil
	}
	if c.current != nil && s.begun < c.current.read {
		s.wanted = true
	}
	// A call of the current round may hang: the read for those who came later does not wait for it.
	if c.pending != nil && s.begun < c.pending.read {
		if now < allowed {
			t.at(allowed)
		} else {
			s.wanted = true
		}
	}
}

// finishRound ends the current round when the source was read and there is an answer about every
// token that may be called about. Later calls are not waited for: there may be one at any time.
func (m *machine) finishRound(now instant, t *todo) {
	c := &m.checks
	if c.current == nil || !m.roundRead() {
		return
	}
	if r := m.main(); r != nil && m.awaited(r, now >= r.blockedUntil()) {
		return
	}
	for _, r := range m.replacements(now) {
		if m.awaited(r, now >= max(m.blockedOther(r), m.others.from(m.pace.interval))) {
			return
		}
	}
	if r := c.current.doubt; r != nil && r == m.inUse {
		if r.asking {
			return // the answer settles the doubt
		}
		allowed := now >= r.blockedUntil() && !r.recently(now, reverifyPause)
		if allowed {
			m.ask(now, r, t)
		}
		c.current.doubt = nil
		if allowed {
			return
		}
	}
	t.finished, c.current = c.current, nil
	t.finished.err = m.roundErr(now, t.finished)
	if c.pending != nil {
		t.at(now)
	}
}

// awaited reports whether the current round waits for an answer about r. allowed says whether a
// call about r is allowed now, though perhaps not yet made.
func (m *machine) awaited(r *record, allowed bool) bool {
	c := m.checks.current
	return r.heard <= c.after && (r.asking || allowed && (c.force || !r.asked))
}

// roundErr returns what a caller of Refresh gets: nil if everything is fine.
func (m *machine) roundErr(now instant, r *round) error {
	return errors.Join(m.mainErr(now, r), m.source.readErr, m.candidatesErr(r))
}

// mainErr returns what is wrong with the token in use.
func (m *machine) mainErr(now instant, r *round) error {
	main := m.main()
	switch {
	case main == nil:
		return nil // the source's error says why
	case main.heard > r.after && main.skipped != nil:
		return &NotAskedError{Wait: max(0, main.due-now), why: main.skipped.Error()}
	case main.heard <= r.after:
		why := whyOpen
		if main.heldUntil > main.openUntil {
			why = whyRateLimited
		}
		return &NotAskedError{Wait: max(0, main.blockedUntil()-now), why: why}
	}
	if err := m.verdictErr(); err != nil {
		return err
	}
	return main.err
}

// candidatesErr returns why the new tokens of the source do not replace the one in use.
func (m *machine) candidatesErr(r *round) error {
	if !m.works() || m.inUse.rank >= 0 {
		return nil
	}
	var errs []error
	for _, o := range m.offered {
		switch {
		case o.heard <= r.after:
		case o.misfit != nil:
			errs = append(errs,
				&Error{Name: m.rules.name, Reason: ReasonWrongAccount, Err: o.misfit})
		default:
			errs = append(errs, o.err)
		}
	}
	return errors.Join(errs...)
}

const (
	whyRateLimited = "rate limited by the platform"
	whyOpen        = "circuit breaker open"
)

// leftError is for a caller whose own context ended while it waited for a shared check.
type leftError struct{ cause error }

func (e *leftError) Error() string {
	return "health: stopped waiting for the platform's answer: " + e.cause.Error()
}
func (e *leftError) Unwrap() error { return e.cause }

// Class returns requester.Cancelled.
func (e *leftError) Class() requester.Class { return requester.Cancelled }

// wake makes the loop plan again.
func (c *Checker) wake() {
	select {
	case c.poke <- struct{}{}:
	default: // it was woken already
	}
}

// runningLocked returns the error of methods that need a running checker.
func (c *Checker) runningLocked() error {
	switch {
	case c.m.closed:
		return ErrClosed
	case !c.m.started:
		return ErrNotStarted
	default:
		return nil
	}
}
