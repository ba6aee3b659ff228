package health

import (
	"fmt"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// reasons returns the set that holds at now.
func (m *machine) reasons(now instant) reasonSet {
	var set reasonSet
	add := func(r Reason, holds bool) {
		if holds {
			set |= setOf(r)
		}
	}
	loaded := len(m.offered) > 0
	rejected, wrong := m.rejected(), m.wrongAccount()
	judged := m.works() || rejected || wrong
	add(ReasonClosed, m.closed)
	add(ReasonNoCredential, !loaded && (m.source.readErr != nil || m.started))
	add(ReasonWrongAccount, wrong)
	add(ReasonRejected, rejected)
	add(ReasonUnreachable, m.expired(now) || loaded && !judged && m.started)
	add(ReasonStarting, !judged && !m.started && (loaded || m.source.readErr == nil))
	add(ReasonSourceUnavailable, loaded && m.source.problem() != nil)
	if m.works() {
		add(ReasonConfirmingRejection, m.confirming())
		add(ReasonStale, m.inUse.outages > 0 && !m.expired(now))
		add(ReasonRotationRejected, m.inUse.rank < 0 && m.passedOver != nil)
		add(ReasonUsingFallback, m.inUse.rank > 0 && m.fallbackErr() != nil)
		low := m.lowBalance() != nil
		add(ReasonInsufficientBalance, low && m.rules.lowBalanceFails)
		add(ReasonLowBalance, low && !m.rules.lowBalanceFails)
	}
	add(ReasonVerified, set == 0 && m.works())
	return set
}

// rejected reports whether the platform refuses the token in use: as often as the threshold
// says, or at all where it never accepted it.
func (m *machine) rejected() bool {
	r := m.inUse
	return r != nil && (r.refusals >= m.rules.rejectionThreshold ||
		r.refusals > 0 && !r.verified && r.misfit == nil)
}

// wrongAccount reports whether the token in use belongs to another account than it should.
func (m *machine) wrongAccount() bool {
	r := m.inUse
	return r != nil && r.misfit != nil && r.refusals < m.rules.rejectionThreshold
}

// lowBalance returns an error if the account of the token in use has less than the minimum.
func (m *machine) lowBalance() error {
	if !m.works() || !m.rules.minBalance.Valid {
		return nil
	}
	return m.rules.lowBalance(m.account().account)
}

// fallbackErr returns why no token before the one in use is used, nil if that is not known yet.
func (m *machine) fallbackErr() error {
	if m.passedOver != nil {
		return m.passedOver
	}
	for _, r := range m.preferred() {
		if r.outages > 0 {
			return fmt.Errorf("%s has no verdict: %w", named(r.token), r.err)
		}
	}
	return nil
}

// verdictErr is the error for a token that was judged and found wrong, nil for any other. A
// single refusal is no verdict.
func (m *machine) verdictErr() error {
	r := m.inUse
	switch {
	case m.wrongAccount():
		return &Error{Name: m.rules.name, Reason: ReasonWrongAccount, Err: r.misfit}
	case r != nil && r.refusals >= m.rules.rejectionThreshold:
		return &Error{Name: m.rules.name, Reason: ReasonRejected, Err: r.refusedErr}
	default:
		return nil
	}
}

// cause returns the error behind a reason.
func (m *machine) cause(r Reason) error {
	switch r {
	case ReasonNoCredential, ReasonSourceUnavailable:
		return m.source.problem()
	case ReasonWrongAccount:
		return m.inUse.misfit
	case ReasonRejected, ReasonConfirmingRejection:
		return m.inUse.refusedErr
	case ReasonUnreachable, ReasonStarting, ReasonStale:
		switch {
		case !m.begun:
			return ErrNotStarted
		case m.inUse != nil:
			return m.inUse.err
		case len(m.offered) == 0:
			return m.source.problem()
		default:
			return m.unanswered
		}
	case ReasonRotationRejected:
		return m.passedOver
	case ReasonUsingFallback:
		return m.fallbackErr()
	case ReasonLowBalance, ReasonInsufficientBalance:
		return m.rules.lowBalance(m.account().account)
	}
	return nil
}

// account returns the account of the token in use, as last answered.
func (m *machine) account() fetched {
	if m.inUse == nil {
		return fetched{}
	}
	return m.cache.of(m.inUse.key)
}

// state returns what a snapshot is made of, except for what only the checker knows.
func (m *machine) state(now instant) State {
	reasons := m.reasons(now)
	s := State{
		Reasons:    reasons.list(),
		KeepReady:  m.rules.readyWhileUnreachable,
		Draining:   m.draining,
		Started:    m.started,
		AnsweredAt: m.answeredAt,
		Latency:    m.latency,
	}
	if r := m.inUse; r != nil {
		account := m.account()
		s.Token, s.Breaker = r.token, r.breaker.State()
		s.Account, s.VerifiedAt = account.account, account.at
	}
	s.Err = m.cause(reasons.primary())
	return s
}

// startErr returns the error with which Start fails at once, because waiting does not help: the
// source holds no token, or every token was found wrong or met something else than the
// platform.
func (m *machine) startErr() error {
	if m.works() {
		return nil
	}
	if len(m.offered) == 0 {
		if err := m.source.readErr; m.source.holdsNone {
			return &Error{Name: m.rules.name, Reason: ReasonNoCredential, Err: err}
		}
		return nil
	}
	for _, r := range m.offered {
		wrong := r.misfit != nil || r.refusals >= m.rules.rejectionThreshold
		if !wrong && r.class != requester.Misdirected {
			return nil
		}
	}
	if m.inUse == nil {
		return nil
	}
	if err := m.verdictErr(); err != nil {
		return err
	}
	return &Error{Name: m.rules.name, Reason: ReasonUnreachable, Err: m.inUse.err}
}
