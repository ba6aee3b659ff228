package platform

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Breaker is a circuit breaker for calls to the platform. A verdict of the platform counts as
// a success, a refusal too: the platform has answered. Rate limits and cancelled calls are not
// counted. It is safe for concurrent use.
type Breaker struct {
	breaker *gobreaker.CircuitBreaker[Answer]
	state   atomic.Uint32 // gobreaker.State as of its last change: State() locks and changes it
}

// Settings configure a Breaker.
type Settings struct {
	// Failures is how many calls in a row must fail to open the breaker.
	Failures int
	// Open is how long the open breaker forbids calls. The next call is a probe.
	Open time.Duration
	// Hold reports whether failures must not open the breaker at the moment. Nil: never.
	Hold func() bool
}

// OpenMargin is added to Settings.Open to get the time of the next call: gobreaker leaves the
// open state strictly after its timeout.
const OpenMargin = time.Millisecond

// NewBreaker returns a closed Breaker.
func NewBreaker(s Settings) *Breaker {
	b := &Breaker{}
	b.breaker = gobreaker.NewCircuitBreaker[Answer](gobreaker.Settings{
		MaxRequests: 1,
		// With one call a minute a window would forget failures faster than they come.
		Interval: 0,
		Timeout:  s.Open,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return uint64(c.ConsecutiveFailures) >= uint64(s.Failures) &&
				(s.Hold == nil || !s.Hold())
		},
		IsSuccessful: func(err error) bool { return Conclusive(requester.ClassOf(err)) },
		IsExcluded: func(err error) bool {
			c := requester.ClassOf(err)
			return c == requester.RateLimited || c == requester.Cancelled
		},
		OnStateChange: func(_ string, _, to gobreaker.State) { b.state.Store(uint32(to)) },
	})
	return b
}

// Do makes call if the breaker allows it. Otherwise it returns an Answer without a SentAt and
// with the error ErrOpen or ErrBusy. call must return: see [Caller.Call].
func (b *Breaker) Do(call func() Answer) Answer {
	answer, err := b.breaker.Execute(func() (Answer, error) {
		a := call()
		return a, outcome(a.Class)
	})
	switch {
	case errors.Is(err, gobreaker.ErrOpenState):
		return failed(ErrOpen)
	case errors.Is(err, gobreaker.ErrTooManyRequests):
		return failed(ErrBusy)
	}
	return answer
}

// Record counts the answer to a call that was made outside the breaker, if the breaker would have
// allowed the call.
func (b *Breaker) Record(a Answer) { b.Do(func() Answer { return a }) }

// outcome tells gobreaker what an answer means. The error of the answer may be that of a user's
// RoundTripper: to look into it calls foreign code, and it may come from a gobreaker of its own.
type outcome requester.Class

func (o outcome) Error() string { return o.Class().String() }

// Class returns the class of the answer.
func (o outcome) Class() requester.Class { return requester.Class(o) }

// State returns "closed", "open" or "half-open", as of the last call. The open breaker becomes
// half-open with the next call. It takes no lock.
func (b *Breaker) State() string { return gobreaker.State(b.state.Load()).String() }

// Open reports whether the breaker was open after the last call. It takes no lock.
func (b *Breaker) Open() bool { return gobreaker.State(b.state.Load()) == gobreaker.StateOpen }

// Conclusive reports whether an answer of this class is a verdict on the token.
func Conclusive(c requester.Class) bool {
	return c == requester.Verified || c == requester.Rejected
}

// Asked reports whether a call of this class has come to an end: neither cancelled nor never made.
func Asked(c requester.Class) bool { return c != requester.Cancelled && c != requester.NotAsked }

// The errors of calls that the breaker forbids.
var (
	ErrOpen error = &notAsked{"circuit breaker open"}
	ErrBusy error = &notAsked{"circuit breaker half-open and busy"}
)

type notAsked struct{ why string }

func (e *notAsked) Error() string { return e.why }

// Class returns requester.NotAsked.
func (e *notAsked) Class() requester.Class { return requester.NotAsked }
