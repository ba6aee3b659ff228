package health

import (
	"time"

	"github.com/govalues/decimal"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
)

// State is what a [Snapshot] is made of: [Snapshot.State] returns it, and fakes and tests make
// snapshots from it with [NewSnapshot]. A fake of a verified credential should have an Account,
// which handlers may ask for. Printing a State with fmt reveals no secret.
type State struct {
	// Name is the checker's name ([WithName]), empty by default.
	Name string
	// Environment is "production", "sandbox", or the host of another base URL.
	Environment string

	// Reasons are all reasons that hold. Snapshots have them sorted, the primary one first; for
	// NewSnapshot the order does not matter, and none means ReasonStarting.
	Reasons []Reason
	// KeepReady keeps the snapshot ready, though not open, while the only reason to fail is that
	// the platform cannot be reached, and the token was verified before
	// ([ReadyWhileUnreachable]).
	KeepReady bool
	// Draining is set by [Checker.Drain]: not ready, whatever the status.
	Draining bool
	// Started is set once Start has returned nil, and stays.
	Started bool

	// Token is the token in use, verified or not. NewSnapshot takes it; Snapshot.State leaves it
	// out, because only [Snapshot.Token] knows whether it may be used.
	Token credentials.Token
	// TokenSource is the name of the source, for example "env:TOLOKA_TOKEN".
	TokenSource string
	// Account is the account that the platform last named for Token, nil before it did. It is for
	// display, whatever the status: [Snapshot.Account] returns it only while the token may be used.
	Account *requester.Account
	// VerifiedAt is when the request of that answer was sent, the zero time before there is one.
	VerifiedAt time.Time
	// AnsweredAt is when the platform last answered a call about any token, the zero time before
	// it did.
	AnsweredAt time.Time
	// Latency is how long the last answer took.
	Latency time.Duration
	// Breaker is the circuit breaker's state as last seen: "closed", "open" or "half-open".
	Breaker string

	// NextCheck is when the token in use, or the source if there is no token, is checked next. A
	// time in the past means that the check is in progress.
	NextCheck time.Time
	// MaxStale is the age at which the last good answer is too old ([WithMaxStale]).
	MaxStale time.Duration
	// MinBalance is the balance, in US dollars, under which the account gets a reason
	// ([WithMinBalance]). It is not valid by default: the balance is not checked.
	MinBalance decimal.NullDecimal

	// Shared is what the checker had done with the store of [WithShared] at this snapshot.
	Shared shared.Stats

	// Since is when the status and the primary reason became what they are.
	Since time.Time
	// History has the last changes of the primary reason, the oldest first, up to 50. It is
	// shared between snapshots and must not be modified.
	History []Change
	// RetryAfter is how long after the publication of this snapshot callers should retry. Health
	// endpoints and the gate send it with a 503, in whole seconds and at least one.
	RetryAfter time.Duration
	// Err is the error behind the primary reason, nil if there is none. It is for logs: it names
	// no secret, but may name hosts and paths.
	Err error
}

// Change is a change of the primary reason.
type Change struct {
	// At is when it happened.
	At time.Time
	// From and To are the primary reasons before and after it.
	From, To Reason
	// Err is the error behind To, nil if there is none. It names no secret.
	Err error
}

// maxHistory is how many changes a snapshot remembers.
const maxHistory = 50

// Snapshot is what is known about a credential at one moment. It is immutable: any number of
// goroutines read it without a lock, and what they read is consistent, never a new token with
// an old account. The zero value is a credential that was not verified.
//
// All methods are cheap and never wait. Those that are called for every request (Open, Check,
// Token, Account) allocate nothing.
type Snapshot struct {
	state     State // with the reasons sorted
	reasons   reasonSet
	reason    Reason
	status    Status
	readiness Status
	open      bool
	ready     bool
	err       *Error
}

// NewSnapshot returns the snapshot of a state, for fakes and tests. Programs get theirs from
// [Checker.Snapshot].
func NewSnapshot(s State) *Snapshot {
	snap := &Snapshot{state: s, reasons: setOf(s.Reasons...)}
	snap.reason = snap.reasons.primary()
	snap.reasons |= setOf(snap.reason)
	snap.state.Reasons = snap.reasons.list()
	snap.status = snap.reason.Status()
	snap.open = snap.status != StatusFail
	snap.readiness = readiness(s, snap.reasons, snap.status)
	snap.ready = snap.readiness != StatusFail
	if !snap.open {
		snap.err = &Error{Name: s.Name, Reason: snap.reason, Err: s.Err}
	}
	return snap
}

// readiness is the status, except for draining and for [ReadyWhileUnreachable].
func readiness(s State, reasons reasonSet, status Status) Status {
	if s.Draining || reasons.has(ReasonClosed) {
		return StatusFail
	}
	if s.KeepReady && !s.VerifiedAt.IsZero() && reasons&failing == setOf(ReasonUnreachable) {
		return StatusWarn
	}
	return status
}

var notChecked = []Reason{ReasonStarting}

// State returns everything that is known, for display: a copy of about 400 bytes, which allocates
// nothing. Its Token is always zero: use the Token method, or TokenFingerprint to show which token
// it is. The slices are shared between copies and must not be modified.
func (s *Snapshot) State() State {
	state := s.state
	state.Token = credentials.Token{}
	if s.reasons == 0 { // the zero Snapshot
		state.Reasons = notChecked
	}
	return state
}

// Status returns the verdict on the credential.
func (s *Snapshot) Status() Status { return s.status }

// Reason returns the primary reason.
func (s *Snapshot) Reason() Reason { return s.reasons.primary() }

// Open reports whether the credential can be used: the status is not fail.
func (s *Snapshot) Open() bool { return s.open }

// Readiness returns the status for load balancers: Status, but StatusFail while draining, and
// StatusWarn while [ReadyWhileUnreachable] bridges an outage.
func (s *Snapshot) Readiness() Status { return s.readiness }

// Ready reports whether the service should get traffic: Readiness is not fail.
func (s *Snapshot) Ready() bool { return s.ready }

// Token returns the token in use, or an [*Error] while the status is fail.
func (s *Snapshot) Token() (credentials.Token, error) {
	if !s.open {
		return credentials.Token{}, s.Check()
	}
	return s.state.Token, nil
}

// TokenFingerprint returns what may be shown of the token in use, verified or not. See
// [credentials.Token.Fingerprint].
func (s *Snapshot) TokenFingerprint() string { return s.state.Token.Fingerprint() }

// Account returns the verified account, or an [*Error] while the status is fail.
func (s *Snapshot) Account() (*requester.Account, error) {
	if !s.open {
		return nil, s.Check()
	}
	return s.state.Account, nil
}

// Check returns nil while the status is pass or warn, otherwise an [*Error].
func (s *Snapshot) Check() error {
	switch {
	case s.open:
		return nil
	case s.err == nil: // the zero Snapshot
		return &Error{Reason: ReasonStarting}
	default:
		return s.err
	}
}
