package health

import (
	"time"

	"github.com/govalues/decimal"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// State is what a [Snapshot] is made of. The Checker fills it in; so can fakes and tests. A fake
// of a verified credential should have an Account, which handlers may ask for.
type State struct {
	// Name is the checker's name ([WithName]), empty by default.
	Name string
	// Environment is "production", "sandbox", or the host of another base URL.
	Environment string

	// Reasons are all reasons that hold. The empty set means ReasonStarting.
	Reasons Reasons
	// KeepReady keeps the snapshot ready, though not open, while the only reason to fail is that
	// the platform cannot be reached, and the token was verified before
	// ([ReadyWhileUnreachable]).
	KeepReady bool
	// Draining is set by [Checker.Drain]: not ready, whatever the status.
	Draining bool
	// Started is set once Start has returned nil, and stays.
	Started bool

	// Token is the token in use, verified or not. A snapshot returns it only while its status is
	// not fail.
	Token credentials.Token
	// TokenSource is the name of the source, for example "env:TOLOKA_TOKEN".
	TokenSource string
	// Account is the account that the platform last named for Token, nil before it did.
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

	// NextCheck is when the token in use, or the source if there is no token, is checked next.
	NextCheck time.Time
	// MaxStale is the age at which the last good answer is too old ([WithMaxStale]).
	MaxStale time.Duration
	// MinBalance is the balance under which the account gets a reason ([WithMinBalance]). It
	// counts if WatchesBalance is set.
	MinBalance     decimal.Decimal
	WatchesBalance bool

	// Since is when the status and the primary reason became what they are.
	Since time.Time
	// History has the last changes of the primary reason, the oldest first, up to 50. It is
	// shared between snapshots and must not be modified.
	History []Change
	// RetryAfter is how long after the publication of this snapshot callers should retry. Health
	// endpoints and the gate send it with a 503, in whole seconds and at least one.
	RetryAfter time.Duration
	// Err is the error behind the primary reason, nil if there is none. It names no secret.
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
// All methods are cheap, allocate nothing and never wait.
type Snapshot struct {
	state     State
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
	snap := &Snapshot{state: s}
	snap.reason = s.Reasons.primary()
	snap.state.Reasons |= ReasonsOf(snap.reason)
	snap.status = snap.reason.Status()
	snap.open = snap.status != StatusFail
	snap.readiness = readiness(s, snap.status)
	snap.ready = snap.readiness != StatusFail
	if !snap.open {
		snap.err = &Error{Name: s.Name, Reason: snap.reason, Err: s.Err}
	}
	return snap
}

// readiness is the status, except for draining and for [ReadyWhileUnreachable].
func readiness(s State, status Status) Status {
	if s.Draining || s.Reasons.Has(ReasonClosed) {
		return StatusFail
	}
	if s.KeepReady && !s.VerifiedAt.IsZero() && s.Reasons&failing == ReasonsOf(ReasonUnreachable) {
		return StatusWarn
	}
	return status
}

// Name returns the checker's name, empty by default.
func (s *Snapshot) Name() string { return s.state.Name }

// Environment returns "production", "sandbox", or the host of another base URL.
func (s *Snapshot) Environment() string { return s.state.Environment }

// Status returns the verdict on the credential.
func (s *Snapshot) Status() Status { return s.status }

// Reason returns the primary reason.
func (s *Snapshot) Reason() Reason { return s.state.Reasons.primary() }

// Reasons returns all reasons that hold.
func (s *Snapshot) Reasons() Reasons { return s.state.Reasons | ReasonsOf(s.Reason()) }

// Open reports whether the credential can be used: the status is not fail.
func (s *Snapshot) Open() bool { return s.open }

// Readiness returns the status for load balancers: Status, but StatusFail while draining, and
// StatusWarn while [ReadyWhileUnreachable] bridges an outage.
func (s *Snapshot) Readiness() Status { return s.readiness }

// Ready reports whether the service should get traffic: Readiness is not fail.
func (s *Snapshot) Ready() bool { return s.ready }

// Draining reports whether [Checker.Drain] was called.
func (s *Snapshot) Draining() bool { return s.state.Draining }

// Started reports whether Start has returned nil. It stays true from then on.
func (s *Snapshot) Started() bool { return s.state.Started }

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

// TokenSource returns the name of the source, for example "env:TOLOKA_TOKEN".
func (s *Snapshot) TokenSource() string { return s.state.TokenSource }

// Account returns the verified account, or an [*Error] while the status is fail.
func (s *Snapshot) Account() (*requester.Account, error) {
	if !s.open {
		return nil, s.Check()
	}
	return s.state.Account, nil
}

// LastAccount returns the account that the platform last named for the token in use, whatever
// the status, and nil if it did not. It is for display: use Account to act on it.
func (s *Snapshot) LastAccount() *requester.Account { return s.state.Account }

// VerifiedAt returns when the request of the last good answer was sent, the zero time if there
// was none.
func (s *Snapshot) VerifiedAt() time.Time { return s.state.VerifiedAt }

// AnsweredAt returns when the platform last answered a call about any token, the zero time if it
// never did.
func (s *Snapshot) AnsweredAt() time.Time { return s.state.AnsweredAt }

// Latency returns how long the last answer took.
func (s *Snapshot) Latency() time.Duration { return s.state.Latency }

// Breaker returns the circuit breaker's state as last seen: "closed", "open" or "half-open".
func (s *Snapshot) Breaker() string { return s.state.Breaker }

// NextCheck returns when the token in use, or the source if there is no token, is checked next. A
// time in the past means that the check is going on.
func (s *Snapshot) NextCheck() time.Time { return s.state.NextCheck }

// MaxStale returns the age at which the last good answer is too old ([WithMaxStale]).
func (s *Snapshot) MaxStale() time.Duration { return s.state.MaxStale }

// MinBalance returns the balance, in US dollars, under which the account gets a reason
// ([WithMinBalance]), and false if there is none.
func (s *Snapshot) MinBalance() (decimal.Decimal, bool) {
	return s.state.MinBalance, s.state.WatchesBalance
}

// Since returns when the status and the primary reason became what they are.
func (s *Snapshot) Since() time.Time { return s.state.Since }

// History returns the last changes of the primary reason, the oldest first, up to 50. The slice
// must not be modified.
func (s *Snapshot) History() []Change { return s.state.History }

// RetryAfter returns how long after the publication of this snapshot callers should retry.
func (s *Snapshot) RetryAfter() time.Duration { return s.state.RetryAfter }

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

// Cause returns the error behind the primary reason, nil if there is none. It is for logs: it
// names no secret, but may name hosts and paths.
func (s *Snapshot) Cause() error { return s.state.Err }
