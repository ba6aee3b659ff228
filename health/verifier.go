package health

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/singleflight"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Answer is what the platform said about one token, and when.
type Answer struct {
	// Account is the token's account, nil when the platform did not give one.
	Account *requester.Account
	// SentAt is when the request was sent, and what the age of an answer counts from: the platform may have changed its
	// mind at any moment after that.
	SentAt time.Time
	// Latency is how long the answer took.
	Latency time.Duration

	number uint64 // counts the answers of a Verifier: a clock that is never ambiguous
}

// receivedAt is when the answer had arrived.
func (a Answer) receivedAt() time.Time { return a.SentAt.Add(a.Latency) }

// Verifier asks the platform about tokens: about one token at most once at a time, under a circuit breaker, holding back
// while the platform's rate limit lasts, and it remembers the answers. It takes no decision: it reports what was said,
// and [requester.ClassOf] says what that means.
//
// A Verifier is safe for concurrent use.
type Verifier struct {
	client  *requester.Client
	breaker *gobreaker.CircuitBreaker[*requester.Account]
	maxHold time.Duration

	flights singleflight.Group
	answers *cache.Cache // remembered, by key
	hashKey [sha256.Size]byte

	ctx    context.Context // ends with Close; calls descend from it and never from a caller's context
	cancel context.CancelFunc

	count        atomic.Uint64 // answers so far
	inFlight     atomic.Int32  // calls that have not been answered
	breakerState atomic.Uint32 // gobreaker.State as of its last change: State() itself locks and moves the state on

	mu          sync.Mutex
	openUntil   time.Time // when the open breaker lets a call through again
	heldUntil   time.Time // when the platform's rate limit allows a call again
	openTimeout time.Duration
}

// VerifierSettings configure a Verifier. The zero value is ready to use.
type VerifierSettings struct {
	// Name names the circuit breaker. Default: empty.
	Name string
	// BreakerFailures is how many failures in a row open the circuit breaker. Default: 3.
	BreakerFailures int
	// BreakerOpen is how long the open breaker lets no call through; then it lets one try. Default: 30 s.
	BreakerOpen time.Duration
	// MaxHold bounds how long one answer '429 Too Many Requests' can keep the Verifier from asking, whatever the answer
	// says. Default: 7 min 30 s, at most 1 h.
	MaxHold time.Duration
}

const (
	defaultBreakerFailures = 3
	defaultBreakerOpen     = 30 * time.Second

	minHold = time.Second
	maxHold = time.Hour

	// breakerMargin: gobreaker leaves the open state strictly after its timeout, not at it.
	breakerMargin = time.Millisecond

	// flightGrace is how much longer than the client's own timeout a call may take before whoever waits for it gives up.
	// The client ends every call in time; only a RoundTripper that ignores its context gets here.
	flightGrace = time.Second
)

// NewVerifier returns a Verifier that asks through client. Close it when done.
func NewVerifier(client *requester.Client, s VerifierSettings) *Verifier {
	if s.BreakerFailures <= 0 {
		s.BreakerFailures = defaultBreakerFailures
	}
	if s.BreakerOpen <= 0 {
		s.BreakerOpen = defaultBreakerOpen
	}
	if s.MaxHold <= 0 {
		s.MaxHold = defaultMaxStale / 2
	}
	v := &Verifier{
		client:      client,
		maxHold:     min(s.MaxHold, maxHold),
		openTimeout: min(s.BreakerOpen, forever),
		// No expiry and no janitor: answers are deleted explicitly, and how old one may be is the caller's question.
		answers: cache.New(cache.NoExpiration, 0),
	}
	_, _ = rand.Read(v.hashKey[:]) // never fails, says its documentation
	v.ctx, v.cancel = context.WithCancel(context.Background())
	v.breaker = gobreaker.NewCircuitBreaker[*requester.Account](gobreaker.Settings{
		Name:        s.Name,
		MaxRequests: 1,
		// With one call a minute a window would forget failures faster than they come: count consecutive ones, for ever.
		Interval: 0,
		Timeout:  min(s.BreakerOpen, forever),
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return uint64(c.ConsecutiveFailures) >= uint64(s.BreakerFailures)
		},
		IsSuccessful:  isBreakerSuccess,
		IsExcluded:    isBreakerExcluded,
		OnStateChange: v.breakerChanged,
	})
	return v
}

// isBreakerSuccess: a refusal is a success, the platform has answered.
func isBreakerSuccess(err error) bool {
	return conclusive(requester.ClassOf(err))
}

// isBreakerExcluded: a rate limit and our own leaving say nothing about the platform's health. gobreaker asks about nil too.
func isBreakerExcluded(err error) bool {
	c := requester.ClassOf(err)
	return c == requester.RateLimited || c == requester.Cancelled
}

// breakerChanged runs under gobreaker's lock: it must not call the breaker.
func (v *Verifier) breakerChanged(_ string, _, to gobreaker.State) {
	v.breakerState.Store(uint32(to))
	v.mu.Lock()
	defer v.mu.Unlock()
	v.openUntil = time.Time{}
	if to == gobreaker.StateOpen {
		v.openUntil = time.Now().Add(v.openTimeout + breakerMargin)
	}
}

// Verify returns what the platform says about token now: the answer of the call in flight if there is one, else of a new
// call.
//
// The call does not depend on ctx: when ctx ends, this caller gets its error (class [requester.Cancelled]) and the others
// their answer. The other errors are the client's (see [requester.ClassOf]; of the zero token nobody is asked), and
// [*NotAskedError] (class [requester.NotAsked]) when the circuit breaker or a rate limit forbids the call. After Close the
// error is ErrClosed.
// SentAt and Latency are set whenever the platform was asked.
func (v *Verifier) Verify(ctx context.Context, token credentials.Token) (Answer, error) {
	key := v.key(token)
	if v.ctx.Err() != nil {
		return Answer{}, errVerifierClosed
	}
	if token.IsZero() {
		// The client has the words for it, and makes no call: that is nothing the breaker should count.
		_, err := v.client.Requester(ctx, token)
		return Answer{}, err
	}
	flight := v.flights.DoChan(key, func() (any, error) {
		v.inFlight.Add(1)
		defer v.inFlight.Add(-1)
		return v.ask(key, token), nil
	})
	patience := time.NewTimer(min(v.client.Timeout(), forever) + flightGrace)
	defer patience.Stop()
	select {
	case res := <-flight:
		r := res.Val.(result)
		return r.Answer, r.err
	case <-ctx.Done():
		return Answer{}, &leftError{context.Cause(ctx)}
	case <-v.ctx.Done():
		return Answer{}, errVerifierClosed
	case <-patience.C:
		return Answer{}, errHung
	}
}

// Last returns the last answer about token, with the error that Verify returned with it; false when there is none or it
// was forgotten. It makes no call.
func (v *Verifier) Last(token credentials.Token) (Answer, error, bool) {
	r, ok := v.answers.Get(v.key(token))
	if !ok {
		return Answer{}, nil, false
	}
	return r.(result).Answer, r.(result).err, true
}

// busy reports whether a call is in flight.
func (v *Verifier) busy() bool { return v.inFlight.Load() > 0 }

// answered returns how many answers there have been. Answers that arrive from now on have higher numbers.
func (v *Verifier) answered() uint64 { return v.count.Load() }

// Forget drops what is remembered about token.
func (v *Verifier) Forget(token credentials.Token) { v.answers.Delete(v.key(token)) }

// Close cancels the calls in flight. It can be called more than once.
func (v *Verifier) Close() { v.cancel() }

// Breaker returns the circuit breaker's state as of its last change: "closed", "open" or "half-open". The step from open
// to half-open happens with the next call, so an open breaker stays "open" until then. It takes no lock.
func (v *Verifier) Breaker() string { return gobreaker.State(v.breakerState.Load()).String() }

// Blocked returns how long from now no call will be made, and why: the circuit breaker is open or the platform's rate
// limit lasts. Zero means that a call is possible.
func (v *Verifier) Blocked(now time.Time) (wait time.Duration, why string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	held, open := v.heldUntil.Sub(now), v.openUntil.Sub(now)
	switch {
	case held > 0 && held >= open:
		return held, whyRateLimited
	case open > 0:
		return open, whyOpen
	default:
		return 0, ""
	}
}

const (
	whyRateLimited = "rate limited by the platform"
	whyOpen        = "circuit breaker open"
	whyHalfOpen    = "circuit breaker half-open and busy"
)

// result is an answer with its error, as it is remembered and handed to everybody who waited for it.
type result struct {
	Answer
	err error
}

// ask makes the call, unless it is held back. It runs once for all who wait.
func (v *Verifier) ask(key string, token credentials.Token) result {
	if wait, why := v.Blocked(time.Now()); why == whyRateLimited {
		return result{err: &NotAskedError{Wait: wait, Why: why}}
	}
	var sentAt time.Time
	account, err := v.breaker.Execute(func() (*requester.Account, error) {
		sentAt = time.Now()
		return v.call(token)
	})
	if sentAt.IsZero() {
		return result{err: v.notAsked(err)}
	}
	r := result{Answer{Account: account, SentAt: sentAt, Latency: time.Since(sentAt), number: v.count.Add(1)}, err}
	if v.ctx.Err() != nil && requester.ClassOf(err) == requester.Cancelled {
		return result{r.Answer, errVerifierClosed}
	}
	var api *requester.APIError
	if requester.ClassOf(err) == requester.RateLimited && errors.As(err, &api) {
		v.hold(api.RetryAfter)
	}
	v.answers.Set(key, r, cache.NoExpiration)
	return r
}

// call asks the client, and turns a panic (of a user's RoundTripper) into an answer that says nothing of the credential.
// The panic's value is left out: it may hold the request.
func (v *Verifier) call(token credentials.Token) (account *requester.Account, err error) {
	defer func() {
		if p := recover(); p != nil {
			account, err = nil, fmt.Errorf("health: the HTTP client panicked with a %T", p)
		}
	}()
	return v.client.Requester(v.ctx, token)
}

// notAsked explains why the breaker let no call through.
func (v *Verifier) notAsked(err error) error {
	if errors.Is(err, gobreaker.ErrTooManyRequests) {
		return &NotAskedError{Why: whyHalfOpen}
	}
	wait, _ := v.Blocked(time.Now())
	return &NotAskedError{Wait: wait, Why: whyOpen}
}

// hold keeps the platform from being asked for as long as its hint says, within reason. It never shortens a hold: the limit is
// the client's, whichever token met it.
func (v *Verifier) hold(hint time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if until := time.Now().Add(holdFor(hint, v.maxHold)); until.After(v.heldUntil) {
		v.heldUntil = until
	}
}

// key is a keyed hash of the token, so that no table in memory can be matched against known tokens.
func (v *Verifier) key(token credentials.Token) string {
	h := hmac.New(sha256.New, v.hashKey[:])
	h.Write([]byte(token.Scheme()))
	h.Write([]byte{0})
	h.Write([]byte(token.Reveal()))
	return string(h.Sum(nil))
}

// classedError is an error of this package that says what it means for the credential.
type classedError struct {
	error
	class requester.Class
}

func (e *classedError) Class() requester.Class { return e.class }
func (e *classedError) Unwrap() error          { return e.error }

var (
	errVerifierClosed = &classedError{ErrClosed, requester.Cancelled}
	errHung           = &classedError{errors.New("health: the HTTP client did not return in time; its transport ignores the request's context"), requester.Unavailable}
)

// leftError is for a caller whose own context ended while it waited for others' call.
type leftError struct{ cause error }

func (e *leftError) Error() string {
	return "health: stopped waiting for the platform's answer: " + e.cause.Error()
}
func (e *leftError) Unwrap() error          { return e.cause }
func (e *leftError) Class() requester.Class { return requester.Cancelled }
