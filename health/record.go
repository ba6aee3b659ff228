package health

import (
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// record is what is known about one token. Every token has its own, so that the answers about
// one never change when or how often another is asked about.
type record struct {
	token   credentials.Token
	key     string // keyed hash of the token
	rank    int    // place among the offered tokens, -1 if it is not offered
	breaker *platform.Breaker

	asking  bool    // a call is in flight
	slept   bool    // the machine was suspended during that call
	asked   bool    // a call was made before
	askedAt instant // when the last call was made
	heard   uint64  // number of the last answer, see machine.answers

	verified    bool    // the last verdict, or the one before unconfirmed refusals, was good
	verifiedAt  instant // when the request of the last good answer was sent
	misfit      error   // why the account is not the right one, nil if it is
	refusals    int     // in a row
	refusedFrom instant // when the request of the first of them was sent
	refusedAt   instant // when the request of the last counted refusal was sent
	refusedErr  error   // of the last refusal
	outages     int     // calls in a row without a verdict
	err         error   // of the last call, nil if the token was accepted
	skipped     error   // why the call was not made, if it was not

	class requester.Class // of the last call

	due       instant // when to ask again, as far as the token itself is concerned
	heldUntil instant // rate limit (429)
	openUntil instant // circuit breaker
	anew      bool    // replace the breaker before the next call: it would forbid the last chance

	team team
}

// blockedUntil returns when the next call about the token is allowed.
func (r *record) blockedUntil() instant { return max(r.heldUntil, r.openUntil) }

// turnedDown returns why the token was not accepted: refused, or of another account. It is nil
// if the token was accepted or no verdict is known.
func (r *record) turnedDown() error {
	switch {
	case r.misfit != nil:
		return r.misfit
	case r.refusals > 0:
		return r.refusedErr
	default:
		return nil
	}
}

// note updates the record with an answer to a request that was sent at sentAt.
func (r *record) note(o outcome, err error, sentAt instant, recheck time.Duration) {
	r.err = err
	if o == noVerdict {
		r.outages++
		return
	}
	r.outages = 0
	switch o {
	case accepted:
		r.verified, r.verifiedAt = true, sentAt
		r.refusals, r.misfit = 0, nil
	case otherAccount:
		r.refusals, r.misfit = 0, err
	case refused:
		// Two refusals closer together than recheck, such as by a concurrent Refresh, count as
		// one: they may have the same short-lived cause.
		if r.refusals == 0 || sentAt-r.refusedAt >= recheck {
			if r.refusals == 0 {
				r.refusedFrom = sentAt
			}
			r.refusals++
			r.refusedAt = sentAt
		}
		r.refusedErr = err
	}
}
