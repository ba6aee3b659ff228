package health

import "time"

// sourceState is what is known of the source, and when it is read.
type sourceState struct {
	name func() string

	busy    bool    // the provider is being called
	reading bool    // by a read rather than a poll
	overdue bool    // for longer than the source timeout
	limit   instant // when it is overdue

	wanted  bool    // read as soon as possible
	readAt  instant // when the last read began
	readDue instant
	pollDue instant
	polls   bool // the provider can be polled

	begun    uint64 // number of the last read that began
	done     uint64 // number of the last read that ended, or was given up
	failures int    // reads in a row that left the checker without a token

	readErr   error // of the last read
	holdsNone bool  // it says that the source has no token, or none that can be one
	pollErr   error // of the last poll since then
}

// problem returns what is wrong with the source, nil if nothing is. A poll that went well does
// not make up for a failed read: it may not see all of the source.
func (s *sourceState) problem() error {
	if s.readErr != nil {
		return s.readErr
	}
	return s.pollErr
}

// todo is what the loop does next.
type todo struct {
	read, poll bool
	ask        []*record
	look       []look
	put        []put
	finished   *round
	wake       instant // when to plan again
	changed    bool    // the state changed
}

// plan decides what happens at now, and notes that it does.
func (m *machine) plan(now instant) todo {
	t := todo{wake: forever}
	m.planFleet(now, &t)
	m.planRound(now, &t)
	m.planSource(now, &t)
	m.planMain(now, &t)
	m.planOthers(now, &t)
	m.finishRound(now, &t)
	if m.works() && !m.expired(now) {
		t.at(m.inUse.verifiedAt + m.rules.maxStale)
	}
	return t
}

// at makes the loop plan again at the instant.
func (t *todo) at(i instant) { t.wake = min(t.wake, i) }

// planSource starts a read or a poll, and gives up the one that takes too long.
func (m *machine) planSource(now instant, t *todo) {
	s := &m.source
	if s.busy && !s.overdue {
		if now < s.limit {
			t.at(s.limit)
			return
		}
		s.overdue, t.changed = true, true
		m.readEnded(now, silence(s.name(), m.pace.sourceTimeout))
	}
	if s.busy {
		return // it is not called again before it has returned
	}
	switch pollDue := s.polls && m.started; {
	case s.wanted || now >= s.readDue:
		s.busy, s.reading, s.wanted = true, true, false
		s.begun++
		s.readAt, s.readDue = now, now+m.pace.next(m.jitter())
		t.read = true
	case pollDue && now >= s.pollDue:
		s.busy, s.reading = true, false
		t.poll = true
	default:
		t.at(s.readDue)
		if pollDue {
			t.at(s.pollDue)
		}
		return
	}
	s.limit = now + m.pace.sourceTimeout
	s.pollDue = now + m.pace.pollInterval
	t.at(s.limit)
}

// readEnded notes that a read has ended, or is not waited for any more.
func (m *machine) readEnded(now instant, err error) {
	m.stats.read(err)
	s := &m.source
	s.done = s.begun
	s.readErr, s.holdsNone, s.pollErr = err, false, nil
	if len(m.offered) > 0 || err == nil {
		s.failures = 0
		return
	}
	s.failures++
	failures := s.failures
	if m.starting {
		failures = 1
	}
	s.readDue = now + m.pace.backoff(failures, m.jitter())
}

// main returns the token whose check comes first: the one in use, or the one that will take
// its place whatever the answer. It is nil if there is none.
func (m *machine) main() *record {
	if r := m.inUse; r != nil && (r.rank >= 0 || m.works()) {
		return r
	}
	if len(m.offered) > 0 {
		return m.offered[0]
	}
	return nil
}

// planMain makes the call about the main token as soon as it is due. No other token can delay it.
func (m *machine) planMain(now instant, t *todo) {
	r := m.main()
	if r == nil || r.asking {
		return
	}
	due := m.dueMain(r)
	if m.forcesMain(now, r) {
		due = r.blockedUntil()
	}
	if now >= due {
		m.ask(now, r, t)
		return
	}
	t.at(due)
}

// dueMain returns when the check of the main token begins. While its breaker is open, it can still
// take an answer from the shared store.
func (m *machine) dueMain(r *record) instant {
	if m.fleet != nil {
		return max(r.due, r.heldUntil)
	}
	return max(r.due, r.blockedUntil())
}

// forcesMain reports whether the current round needs an answer about the main token now. It
// waits for the read, and for the tokens of the source that may replace the main one: a token
// that was replaced is not worth a call.
func (m *machine) forcesMain(now instant, r *record) bool {
	if !m.checks.forces(r) || !m.roundRead() {
		return false
	}
	if r.rank >= 0 {
		return true
	}
	for _, o := range m.offered {
		askable := max(m.dueOther(o), m.others.from(m.pace.interval))
		if o.asking || m.checks.forces(o) && now >= askable {
			return false
		}
	}
	return true
}

// planOthers makes at most one call at a time about another token than the one in use. The one
// that waits longest comes first: tokens that are refused slowly must not keep those after them
// from their turn.
func (m *machine) planOthers(now instant, t *todo) {
	var next *record
	var nextDue instant
	main := m.main()
	for _, r := range m.offered {
		if r.asking && r != main {
			return
		}
	}
	for _, r := range m.replacements(now) {
		if due := m.dueOther(r); r != main && (next == nil || due < nextDue) {
			next, nextDue = r, due
		}
	}
	if next == nil {
		return
	}
	due := max(nextDue, m.others.from(m.pace.interval))
	if now >= due {
		m.others.take(now, m.pace.interval)
		m.ask(now, next, t)
		return
	}
	t.at(due)
}

// replacements returns the tokens, other than the one in use, that are asked about. While that one
// is healthy these are the preferred ones, otherwise all of them.
func (m *machine) replacements(now instant) []*record {
	switch r, main := m.inUse, m.main(); {
	case main == nil:
		return nil
	case (r == nil || !m.works() && r.rank < 0) &&
		(main.asking || !main.asked && now >= main.blockedUntil()):
		return nil // the main token is asked about first
	case r == nil:
		return m.offered
	case m.healthy():
		return m.preferred()
	default:
		return m.offered
	}
}

// blockedOther returns when a call about a replacement is allowed.
func (m *machine) blockedOther(r *record) instant {
	if in := m.inUse; m.works() && in.rank < 0 {
		// The rate limit is the account's: it binds the token that replaces this one, too.
		return max(r.blockedUntil(), in.heldUntil)
	}
	return r.blockedUntil()
}

// dueOther returns when a replacement is asked about.
func (m *machine) dueOther(r *record) instant {
	due := r.due
	switch {
	case m.checks.forces(r) && m.roundRead():
		due = 0
	case !m.healthy() && r.err == nil && r.skipped == nil:
		due = 0 // it was good when it was asked about last
	case !m.works() && r.outages == 0 && r.refusals > 0 && r.refusals < m.rules.rejectionThreshold:
		due = min(due, r.refusedAt+m.rules.recheck) // it may be the only token that works
	}
	return max(due, m.blockedOther(r))
}

// ask begins a check of r: a call, or first a look at the shared store.
func (m *machine) ask(now instant, r *record, t *todo) {
	r.asking = true
	if m.fleet != nil {
		m.startLook(now, r, t)
		return
	}
	m.call(now, r, t)
}

// call makes a call about r.
func (m *machine) call(now instant, r *record, t *todo) {
	if r.anew {
		r.breaker, r.anew = m.breaker(), false
	}
	r.asked, r.askedAt = true, now
	t.ask = append(t.ask, r)
}

// recently reports whether a call about r was made less than d ago.
func (r *record) recently(now instant, d time.Duration) bool {
	return r.asked && now-r.askedAt < d
}

// dueIn returns how long after now the token in use, or the source, is checked next.
func (m *machine) dueIn(now instant) time.Duration {
	if r := m.main(); r != nil {
		return m.dueMain(r) - now
	}
	return m.source.readDue - now
}
