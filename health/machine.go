package health

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/govalues/decimal"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// rules are the options that the machine decides by.
type rules struct {
	maxStale              time.Duration
	rejectionThreshold    int
	recheck               time.Duration
	expectAccount         string
	expectCompany         string
	allowAccountChange    bool
	watchBalance          bool
	minBalance            decimal.Decimal
	lowBalanceFails       bool
	readyWhileUnreachable bool
}

// verdict is what the platform's answers say about the token in use.
type verdict uint8

const (
	unjudged     verdict = iota // no answer so far that says anything
	verified                    // accepted, and of the right account
	confirming                  // verified, then refused less often than the threshold asks
	rejected                    // refused as often as the threshold asks
	wrongAccount                // accepted, but of another account
)

// machine is the state behind the snapshots: what was read, what was answered, what was asked of the checker. Its methods
// do no I/O and read no clock; the checker calls them under its lock.
type machine struct {
	rules rules

	closed, draining, started bool

	offered   []credentials.Token // what the source holds, most preferred first; kept while it cannot be read
	held      []credentials.Token // what the last read returned; none if it failed
	sourceErr error               // why the source could not be read (whole) last time
	pollErr   error               // why the last look since then could not tell whether it has changed

	token   credentials.Token // in use; the zero token before any answer
	verdict verdict
	good    Answer // the last good answer about token
	expired bool   // good is older than maxStale
	silent  bool   // the last call about token got no answer that says anything about it
	pinned  string // id of the account that was verified first
	wrong   error  // what the verdict rests on, where it is not verified
	lastErr error  // what the last call about token failed with

	refused    []refusal // tokens that were refused or unfit and have not been accepted since
	passedOver error     // why a token that would replace the one in use was not taken, see passOver

	answeredAt time.Time // when the platform last said anything
	latency    time.Duration
	outages    []outage // tokens whose last call got no answer
	last       turn     // what the last call came to
}

// event is what an answer did beyond changing the status, for the log.
type event struct {
	rotatedFrom credentials.Token // set when a verified token was replaced by another
	refusedNew  credentials.Token // set when a candidate was refused that was not known to be refused
	refusedBy   error             // why it was
}

// working reports whether the token in use has been verified and not been found wrong since.
func (m *machine) working() bool { return m.verdict == verified || m.verdict == confirming }

// offer takes in what the source holds. On an error without tokens the tokens known from before stay.
func (m *machine) offer(tokens []credentials.Token, err error) {
	m.held, m.sourceErr, m.pollErr = tokens, err, nil
	if len(tokens) == 0 {
		return
	}
	m.offered = tokens
	m.refused = slices.DeleteFunc(m.refused, func(r refusal) bool { return !m.known(r.token) })
	m.outages = slices.DeleteFunc(m.outages, func(o outage) bool { return !m.known(o.token) })
	m.passOver()
}

// sourceProblem returns what is wrong with the source, nil when nothing is. A look that went well does not make up for a read
// that did not: it may not see all of the source.
func (m *machine) sourceProblem() error {
	if m.sourceErr != nil {
		return m.sourceErr
	}
	return m.pollErr
}

// known reports whether token is in use or offered.
func (m *machine) known(token credentials.Token) bool {
	return m.rank(token) >= 0 || token.Equal(m.token)
}

// rank returns the place of token among the offered ones, -1 when it is not among them.
func (m *machine) rank(token credentials.Token) int {
	return indexOf(m.offered, token)
}

func indexOf(tokens []credentials.Token, token credentials.Token) int {
	return slices.IndexFunc(tokens, token.Equal)
}

// next returns the token to ask about next in a check that has already asked about some. When the platform has left one of
// them without a verdict, only the token in use is still worth a call. A check of what is new only leaves a token that works
// alone.
func (m *machine) next(asked []credentials.Token, noVerdict, newOnly bool) (credentials.Token, bool) {
	fresh := func(tokens []credentials.Token) (credentials.Token, bool) {
		for _, t := range tokens {
			if indexOf(asked, t) < 0 {
				return t, true
			}
		}
		return credentials.Token{}, false
	}
	inUse := []credentials.Token{m.token}
	switch {
	case noVerdict && m.token.IsZero(), noVerdict && newOnly && m.working():
		return credentials.Token{}, false
	case noVerdict:
		return fresh(inUse)
	case !m.working():
		return fresh(m.offered)
	}
	if t, ok := fresh(m.preferred()); ok {
		return t, true
	}
	if t, ok := fresh(inUse); ok {
		return t, !newOnly
	}
	if m.verdict == confirming {
		return fresh(m.offered) // those that come after it
	}
	return credentials.Token{}, false
}

// answer takes in what the platform said about token and returns the error that a caller who asked for this check gets.
func (m *machine) answer(token credentials.Token, a Answer, err error) (event, error) {
	class := requester.ClassOf(err)
	switch class {
	case requester.Cancelled:
		return event{}, err
	case requester.NotAsked:
		m.last = turn{class: class}
		return event{}, err
	}
	m.last = turn{class: class, failures: m.countOutage(token, class), hint: hintOf(err)}
	m.latency = a.Latency
	if answered(err) {
		m.answeredAt = a.receivedAt()
	}

	switch {
	case token.Equal(m.token):
	case m.rank(token) < 0:
		return event{}, err // superseded while it was asked about
	case m.working():
		return m.answerCandidate(token, a, err)
	case class != requester.Verified && m.rank(m.token) >= 0:
		// One of several, and no better than the one before it.
		if class == requester.Rejected {
			m.refuse(token, a, err)
		}
		return event{}, err
	default:
		m.adopt(token)
	}
	return event{}, m.answerInUse(a, err)
}

// adopt replaces a token that does not work by one that nothing is known of.
func (m *machine) adopt(token credentials.Token) {
	m.token, m.verdict, m.good, m.expired, m.silent, m.wrong, m.lastErr = token, unjudged, Answer{}, false, false, nil, nil
	m.passedOver = nil
}

// answerInUse judges the token in use.
func (m *machine) answerInUse(a Answer, err error) error {
	m.silent = false
	switch requester.ClassOf(err) {
	case requester.Verified:
		if wrong := m.misfit(a.Account); wrong != nil {
			m.forgive(m.token)
			m.unfit(m.token, wrong)
			m.verdict, m.good, m.expired, m.wrong = wrongAccount, Answer{}, false, wrong
			return m.verdictError()
		}
		m.accept(m.token, a)
		return nil
	case requester.Rejected:
		m.lastErr = err
		switch times := m.refuse(m.token, a, err); {
		case times >= m.rules.rejectionThreshold:
			m.verdict, m.good, m.expired, m.wrong = rejected, Answer{}, false, err
			return m.verdictError()
		case m.working():
			m.verdict, m.wrong = confirming, err
		}
		return err
	default:
		m.silent, m.lastErr = true, err
		return err
	}
}

// verdictError is the error for a token that was judged and found wrong, nil for any other.
func (m *machine) verdictError() error {
	switch m.verdict {
	case rejected:
		return &Error{Reason: ReasonRejected, Err: m.wrong}
	case wrongAccount:
		return &Error{Reason: ReasonWrongAccount, Err: m.wrong}
	default:
		return nil
	}
}

// answerCandidate judges a token that would replace one that works.
func (m *machine) answerCandidate(token credentials.Token, a Answer, err error) (event, error) {
	switch requester.ClassOf(err) {
	case requester.Verified:
		wrong := m.misfit(a.Account)
		if wrong == nil {
			old := m.token
			m.accept(token, a)
			return event{rotatedFrom: old}, nil
		}
		ev := m.turnedDown(token, wrong)
		m.unfit(token, wrong)
		m.passOver()
		return ev, &Error{Reason: ReasonWrongAccount, Err: wrong}
	case requester.Rejected:
		ev := m.turnedDown(token, err)
		m.refuse(token, a, err)
		m.passOver()
		return ev, err
	default:
		return event{}, err // an outage: it is tried again
	}
}

// turnedDown is the event of a candidate that is not taken, empty when that is no news. That a token more preferred than the
// fallback in use is refused is in the status.
func (m *machine) turnedDown(token credentials.Token, why error) event {
	if m.rank(m.token) >= 0 || m.refusal(token) != nil {
		return event{}
	}
	return event{refusedNew: token, refusedBy: why}
}

// accept puts a verified token in use: token, account and time in one step.
func (m *machine) accept(token credentials.Token, a Answer) {
	m.forgive(token)
	if !token.Equal(m.token) {
		m.passedOver = nil
	}
	m.token, m.verdict, m.good = token, verified, a
	m.expired, m.silent, m.wrong, m.lastErr = false, false, nil, nil
	m.passOver()
	if m.pinned == "" {
		m.pinned = a.Account.ID()
	}
}

// misfit says what is wrong with an account that is not the expected or the pinned one.
func (m *machine) misfit(a *requester.Account) error {
	company, _ := a.Company()
	switch {
	case m.rules.expectAccount != "" && a.ID() != m.rules.expectAccount:
		return fmt.Errorf("account %s was expected, the token belongs to account %s", m.rules.expectAccount, a.ID())
	case m.rules.expectCompany != "" && company.ID != m.rules.expectCompany:
		return fmt.Errorf("an account of company %s was expected, the token belongs to account %s of %s", m.rules.expectCompany, a.ID(), companyName(company))
	case !m.rules.allowAccountChange && m.pinned != "" && a.ID() != m.pinned:
		return fmt.Errorf("this service was verified as account %s, the token belongs to account %s", m.pinned, a.ID())
	}
	return nil
}

func companyName(c requester.Company) string {
	if c.ID == "" {
		return "no company"
	}
	return "company " + c.ID
}

// turn returns what the last call came to, for the schedule.
func (m *machine) turn(blocked time.Duration) turn {
	t := m.last
	t.blocked = blocked
	if r := m.refusal(m.token); r != nil {
		t.confirming = r.times > 0 && r.times < m.rules.rejectionThreshold
	}
	return t
}

// expire is called when good has reached maxStale.
func (m *machine) expire() { m.expired = m.working() }

// reasons returns the set that holds.
func (m *machine) reasons() Reasons {
	var set Reasons
	add := func(r Reason, holds bool) {
		if holds {
			set |= ReasonsOf(r)
		}
	}
	loaded := len(m.offered) > 0
	add(ReasonClosed, m.closed)
	add(ReasonNoCredential, !loaded && (m.sourceErr != nil || m.started))
	add(ReasonWrongAccount, m.verdict == wrongAccount)
	add(ReasonRejected, m.verdict == rejected)
	add(ReasonUnreachable, m.expired || m.verdict == unjudged && loaded && m.started)
	add(ReasonStarting, m.verdict == unjudged && !m.started && (loaded || m.sourceErr == nil))
	add(ReasonSourceUnavailable, loaded && m.sourceProblem() != nil)
	if m.working() {
		add(ReasonConfirmingRejection, m.verdict == confirming)
		add(ReasonStale, m.silent && !m.expired)
		rank := m.rank(m.token)
		add(ReasonRotationRejected, rank < 0 && m.passedOver != nil)
		add(ReasonUsingFallback, rank > 0 && m.passedOver != nil)
		add(ReasonLowBalance, m.lowBalance() != nil)
	}
	add(ReasonVerified, set == 0 && m.verdict == verified)
	return set
}

// lowBalance says how low the balance is, or nil when it is not.
func (m *machine) lowBalance() error {
	if !m.rules.watchBalance || m.good.Account == nil {
		return nil
	}
	balance, ok := m.good.Account.Balance()
	if !ok || balance.Cmp(m.rules.minBalance) >= 0 {
		return nil
	}
	return fmt.Errorf("the balance is %s USD, the minimum is %s USD", balance, m.rules.minBalance)
}

// cause returns the failure behind a reason.
func (m *machine) cause(r Reason) error {
	switch r {
	case ReasonNoCredential, ReasonSourceUnavailable:
		return m.sourceProblem()
	case ReasonWrongAccount, ReasonRejected, ReasonConfirmingRejection:
		return m.wrong
	case ReasonUnreachable, ReasonStarting, ReasonStale:
		return m.lastErr
	case ReasonRotationRejected, ReasonUsingFallback:
		return m.passedOver
	case ReasonLowBalance:
		return m.lowBalance()
	}
	return nil
}

// state returns what a snapshot is made of, but for what only the checker knows.
func (m *machine) state() State {
	s := State{
		Reasons:         m.reasons(),
		LowBalanceFails: m.rules.lowBalanceFails,
		Lenient:         m.rules.readyWhileUnreachable,
		Draining:        m.draining,
		Started:         m.started,
		Token:           m.token,
		Account:         m.good.Account,
		VerifiedAt:      m.good.SentAt,
		AnsweredAt:      m.answeredAt,
		Latency:         m.latency,
	}
	primary, _ := s.Reasons.primary(s.LowBalanceFails)
	s.Err = m.cause(primary)
	return s
}

// hintOf returns how long the answer asks to wait, 0 when it does not.
func hintOf(err error) time.Duration {
	var api *requester.APIError
	if errors.As(err, &api) {
		return api.RetryAfter
	}
	return 0
}

// conclusive reports whether an answer of this class says anything of the token.
func conclusive(c requester.Class) bool { return c == requester.Verified || c == requester.Rejected }

// answered reports whether an HTTP answer came back at all, whatever it said.
func answered(err error) bool {
	var api *requester.APIError
	return err == nil || errors.As(err, &api)
}
