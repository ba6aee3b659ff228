package health

import (
	"fmt"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/platform"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
)

// machine is the state behind the snapshots: what was read from the source, what the platform
// answered, what was asked of the checker. Its methods do no I/O and read no clock; the checker
// calls them under its lock. What an answer does is decided in roles.go, what comes next in
// plan.go, when in schedule.go, and what a state means to the reader in verdict.go; fleet.go has
// what changes with a shared store.
type machine struct {
	rules   rules
	pace    pace
	jitter  func() float64           // random numbers in [0, 1)
	breaker func() *platform.Breaker // makes one
	cache   *accounts
	stats   *stats
	fleet   *fleet // nil without a shared store

	begun    bool // Start was called
	starting bool // Start has not returned
	started  bool // Start has returned nil
	draining bool
	closed   bool

	records map[string]*record // of all offered tokens, the one in use, and those being asked about
	offered []*record          // most preferred first; kept while the source cannot be read
	inUse   *record            // nil before any answer
	pinned  string             // id of the account that was verified first

	source     sourceState
	passedOver error // why a token that would replace the one in use does not, see passOver
	unanswered error // why nothing is known of the token at the end of Start
	others     allowance
	answers    uint64 // number of the last answer
	checks     checks

	answeredAt time.Time // when the platform last answered anything at all
	latency    time.Duration
}

// note is what an event did beyond changing the status, for the log.
type note struct {
	rotatedFrom credentials.Token // a verified token that was replaced by another
	passedOver  credentials.Token // a candidate that was turned down for the first time
	why         error             // why it was
	warnings    []string          // of the source

	lost     error // why the shared store does not answer, the first time
	found    bool  // it answers again
	unsealed error // why an entry of the shared store cannot be opened, the first time
}

// add joins what two answers did.
func (n *note) add(more note) {
	if n.rotatedFrom.IsZero() {
		n.rotatedFrom = more.rotatedFrom
	}
	if n.passedOver.IsZero() {
		n.passedOver, n.why = more.passedOver, more.why
	}
}

// works reports whether the token in use was verified and not found wrong since.
func (m *machine) works() bool {
	r := m.inUse
	return r != nil && r.verified && r.misfit == nil && r.refusals < m.rules.rejectionThreshold
}

// healthy reports whether the token in use works and its last call got a good answer.
func (m *machine) healthy() bool {
	return m.works() && m.inUse.refusals == 0 && m.inUse.outages == 0
}

// expired reports whether the last good answer about the token in use has reached MaxStale.
func (m *machine) expired(now instant) bool {
	return m.works() && now-m.inUse.verifiedAt >= m.rules.maxStale
}

// confirming reports whether the token in use works and was refused, unconfirmed.
func (m *machine) confirming() bool { return m.works() && m.inUse.refusals > 0 }

// offer updates the records with what the source holds. Tokens that it does not hold any more
// are forgotten, except the one in use.
func (m *machine) offer(tokens []credentials.Token) {
	for _, r := range m.offered {
		r.rank = -1
	}
	before := m.offered
	m.offered = make([]*record, 0, len(tokens))
	for _, t := range tokens {
		key := m.cache.key(t)
		r := m.records[key]
		if r == nil {
			r = m.newRecord(t, key)
		}
		if r.rank < 0 { // not a duplicate
			r.rank = len(m.offered)
			m.offered = append(m.offered, r)
		}
	}
	for _, r := range before {
		m.forget(r)
	}
	m.passOver()
}

func (m *machine) newRecord(t credentials.Token, key string) *record {
	r := &record{token: t, key: key, rank: -1, breaker: m.breaker()}
	if m.fleet != nil {
		r.team.keys = m.fleet.keys(t)
	}
	m.records[key] = r
	return r
}

// sourceRead applies what a read delivered. Tokens that come late are used, but the error that
// says so stays until a read is in time.
func (m *machine) sourceRead(now instant, r reading) note {
	s := &m.source
	late := s.overdue // readEnded was called when its time was up
	s.busy, s.overdue = false, false
	if len(r.tokens) > 0 {
		m.offer(r.tokens)
	}
	n := note{warnings: r.warnings}
	if late {
		return n
	}
	if r.err != nil && now >= s.limit {
		// What the provider calls it does not matter.
		r.err = silence(s.name(), m.pace.sourceTimeout)
	}
	m.readEnded(now, r.err)
	s.holdsNone = r.holdsNone
	return n
}

// sourcePolled applies the result of a poll.
func (m *machine) sourcePolled(p polled) note {
	s := &m.source
	s.busy, s.overdue = false, false
	s.wanted = s.wanted || p.changed
	if !p.changed {
		s.pollErr = p.err
	}
	return note{}
}

// forget drops a record that is of no use any more. A token that is being asked about keeps its
// record until the answer arrives, so that there is never a second call about it.
func (m *machine) forget(r *record) {
	if r.rank < 0 && r != m.inUse && !r.asking {
		delete(m.records, r.key)
		m.cache.forget(r.key)
	}
}

// answer applies the platform's answer about r, which arrived at now.
func (m *machine) answer(now instant, r *record, a platform.Answer) note {
	r.asking = false
	defer m.forget(r)
	m.stats.called(a)
	n := m.learn(now, r, a, nil)
	if platform.Asked(a.Class) {
		r.team.deaf = !platform.Conclusive(a.Class)
		if r.team.lease.fence > 0 {
			m.give(now, r, a)
		}
	}
	r.team.lease = lease{}
	if r.slept {
		r.slept, r.due = false, now // the answer is older than it looks
	}
	return n
}

// learn applies an answer about r. shared is set if another replica got it.
func (m *machine) learn(now instant, r *record, a platform.Answer, shared *sharing.Answer) note {
	first := m.checks.current != nil && r.heard <= m.checks.current.after
	if shared == nil || shared.Age < shareWithin {
		m.answers++
		r.heard = m.answers
	}
	if !platform.Asked(a.Class) {
		r.skipped = a.Err
		r.due = now + m.pace.backoff(1, m.jitter()) // nothing was learned
		return note{}
	}
	r.skipped = nil
	if a.Answered {
		m.answeredAt = a.SentAt.Add(a.Latency)
	}
	if shared == nil {
		m.latency = a.Latency
	}

	as := m.roleOf(r)
	was := r.turnedDown()
	o, err := m.outcomeOf(r, a)
	r.class = a.Class
	refusals := r.refusals
	r.note(o, err, r.askedAt, m.rules.recheck)
	if shared != nil && o == refused {
		// The other replica may know of more refusals, or of a good answer between them. Of its
		// count, nothing from before a good answer that is known here is taken. A rejection stays:
		// only a good answer improves a status.
		from := r.askedAt - shared.RefusedFor
		if refusals < m.rules.rejectionThreshold && (!r.verified || from > r.verifiedAt) {
			r.refusals, r.refusedFrom = max(shared.Refusals, 1), from
		}
		r.refusedAt = now // it was refused before, and its age is only an estimate
	}
	if a.Account != nil {
		m.cache.put(r.key, fetched{a.Account, a.SentAt})
	}
	n := m.apply(as, o, r)
	if o == refused && r == m.inUse {
		m.readAgain(first) // it may have been replaced in this very moment
	}
	if was == nil && as == roleCandidate && m.inUse.rank < 0 && r.turnedDown() != nil {
		n.passedOver, n.why = r.token, r.turnedDown()
	}
	m.stats.rotated(n)
	m.schedule(now, r, a)
	if shared == nil {
		r.openUntil = 0
		if r.breaker.Open() {
			opens := now + m.pace.breakerOpen + platform.OpenMargin
			r.openUntil = m.before(now, r, opens)
			r.anew = r.openUntil < opens
		}
	}
	return n
}

// apply has the effect of an answer on which token is in use.
func (m *machine) apply(as role, o outcome, r *record) note {
	old := m.inUse
	switch transitions[as][o] {
	case replace:
		if as == roleSibling && o == otherAccount && old.misfit != nil {
			return note{} // no better than the one in use
		}
		// A token that worked long ago is not verified until the platform says so again.
		r.verified = o == accepted
		m.inUse, m.passedOver = r, nil
	case passOver:
		m.passOver()
		return note{}
	}
	if m.inUse != r {
		return note{}
	}
	if o == accepted && m.pinned == "" {
		m.pinned = m.cache.of(r.key).account.ID()
	}
	m.passOver()
	if old == nil || old == r {
		return note{}
	}
	defer m.forget(old)
	if as != roleCandidate {
		return note{}
	}
	if old.refusals > 0 {
		old.due = old.askedAt + m.regular(old) // it needs no confirmation any more
	}
	return note{rotatedFrom: old.token}
}

// passOver updates the reason why a token that would replace the one in use does not. Where a
// token that was turned down has been replaced by one without a verdict, the reason stays until
// there is one: only a verification improves a status.
func (m *machine) passOver() {
	preferred := m.preferred()
	for _, r := range preferred {
		if why := r.turnedDown(); why != nil {
			m.passedOver = why
			return
		}
	}
	if len(preferred) == 0 {
		m.passedOver = nil
	}
}

// preferred returns the tokens that replace the one in use if they are accepted: those before
// it, or all if it is not offered.
func (m *machine) preferred() []*record {
	if m.inUse != nil && m.inUse.rank >= 0 {
		return m.offered[:m.inUse.rank]
	}
	return m.offered
}

// wake makes the checks due that must not wait any longer after the machine was suspended: the
// answers are older than they look, and a breaker that was open knows nothing of today.
func (m *machine) wake(now instant) {
	m.source.readDue = now
	for _, r := range m.records {
		r.slept = r.asking
		if r.openUntil > 0 {
			r.breaker, r.openUntil = m.breaker(), 0
		}
	}
	if m.inUse != nil {
		m.inUse.due = now
	}
}

// keep copies what outlives a Start that failed: the pinned account, and the rate limits, because
// calling Start in a loop must not call the platform more often than it allows.
func (m *machine) keep(old *machine, now instant) {
	m.cache, m.pinned = old.cache, old.pinned
	for key, r := range old.records {
		if r.heldUntil > now {
			m.newRecord(r.token, key).heldUntil = r.heldUntil
		}
	}
}

// settle ends the haste of Start: what has failed since begins its backoff anew, and opens the
// circuit breaker only by failing again as often as it must.
func (m *machine) settle() {
	m.starting = false
	m.source.failures = min(m.source.failures, 1)
	for _, r := range m.records {
		r.outages = min(r.outages, 1)
		r.breaker, r.openUntil = m.breaker(), 0 // it may have opened in this very moment
	}
}

// timeUp notes a cause where Start ended before anything has failed.
func (m *machine) timeUp(limit time.Duration) {
	switch {
	case len(m.offered) == 0 && m.source.readErr == nil:
		m.source.readErr = fmt.Errorf("health: %s: %w within the %s of Start",
			m.source.name(), errSilent, limit)
	case m.inUse == nil:
		m.unanswered = fmt.Errorf("%w within the %s of Start", errSilent, limit)
	}
}
