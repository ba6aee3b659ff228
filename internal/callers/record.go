package callers

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Record is a verified token's account. It is immutable and shared by all requests with the token.
type Record struct {
	Account *requester.Account
	// VerifiedAt is when the request of the last good answer was sent.
	VerifiedAt time.Time

	verified  time.Duration // VerifiedAt on the engine's clock
	refreshAt time.Duration // from here on a use starts a refresh in the background
	pace
}

// pace is what happened since a token's last good answer. The zero value means nothing.
type pace struct {
	refusals int
	failures int           // calls in a row that brought no verdict
	retryAt  time.Duration // no call before
	failedAt time.Duration // when the last of them ended
	fence    uint64        // of the last shared answer, 0 if there was none

	// since is when the request of the last verdict was sent, or Forget was called. An answer of
	// another replica from before it does not count. 0 if there was neither.
	since time.Duration
}

// known is the cache entry of a token that was verified. Its record is replaced, so that the hit
// path reads without a lock.
type known struct {
	record     atomic.Pointer[Record]
	refreshing atomic.Bool
	overdue    atomic.Bool // a call that the lane forbids is in flight
}

// unproven is the immutable cache entry of a token that is refused or got no verdict.
type unproven struct {
	refused bool
	err     error // of the last call
	pace          // retryAt is also when the verdict ends
}

const (
	// recheckAfter is the time between the refusal of a verified token and the call that
	// confirms it.
	recheckAfter = time.Second
	// confirmations is how many refusals in a row end the verification of a token.
	confirmations = 2

	firstBackoff = time.Second
	maxBackoff   = 30 * time.Second

	// rememberFailures is how long the failures of a token that was never verified count. It covers
	// the probes of about a hundred tokens, so that they take turns.
	rememberFailures = 10 * time.Minute
)

// backoff returns the time to wait after the given number of failures in a row: 1 s, 2 s, 4 s, and
// from 30 s on with up to half as much again. A token that always fails thereby misses some of the
// moments at which a breaker allows a probe, and leaves them to others.
func backoff(failures int) time.Duration {
	d := firstBackoff
	for i := 1; i < failures && d < maxBackoff; i++ {
		d *= 2
	}
	if d < maxBackoff {
		return d
	}
	return maxBackoff + rand.N(maxBackoff/2)
}
