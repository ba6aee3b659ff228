package health

import (
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Every decision about time is here, as functions of durations: they read no clock, so tests can put any time to them.

// forever bounds every duration that an option sets, so that sums and jitter stay in range. Nobody can tell the difference.
const forever = 50 * 365 * 24 * time.Hour

// firstBackoff is how long after a first failure the platform is asked again.
const firstBackoff = time.Second

// jitterShare is how much the interval varies to either side, so that a fleet started at once does not ask in step.
const jitterShare = 0.1

// pace says how often to ask.
type pace struct {
	interval time.Duration // between checks that got an answer
	recheck  time.Duration // between a refusal and the call that confirms it
}

// turn is what the last check came to, as far as it matters for the time of the next.
type turn struct {
	class      requester.Class
	confirming bool          // the token was refused and is to be asked about again
	failures   int           // calls in a row about the token that got no answer, this one included
	hint       time.Duration // Retry-After of the last answer
	blocked    time.Duration // how long no call will be let through
}

// next returns how long to wait for the next check. jitter is a random number in [0, 1).
func (p pace) next(t turn, jitter float64) time.Duration {
	var d time.Duration
	switch {
	case t.class == requester.NotAsked:
		// Nobody was asked, so nothing was learned: as soon as it is possible again, but never in a busy loop.
		d = p.backoff(1, 0)
		if t.blocked > 0 {
			d = t.blocked
		}
	case conclusive(t.class):
		d = spread(p.interval, jitter)
		if t.confirming {
			d = p.recheck
		}
	default:
		d = max(p.backoff(t.failures, jitter), min(t.hint, p.interval))
	}
	return max(d, t.blocked)
}

// spread is d plus or minus its jitter.
func spread(d time.Duration, jitter float64) time.Duration {
	return time.Duration(float64(d) * (1 - jitterShare + 2*jitterShare*jitter))
}

// backoff doubles from a second up to the interval, and adds up to half of itself, so that a fleet that lost the platform
// together does not come back together.
func (p pace) backoff(failures int, jitter float64) time.Duration {
	d := min(firstBackoff, p.interval)
	for i := 1; i < failures && d < p.interval; i++ {
		d *= 2
	}
	d = min(d, p.interval)
	return min(d+time.Duration(float64(d)*jitter/2), spread(p.interval, jitter))
}

// holdFor bounds how long a rate limit is obeyed: a hint of a year must not silence the checker.
func holdFor(hint, most time.Duration) time.Duration {
	return max(minHold, min(hint, most))
}

// jumped reports whether the wall clock and the monotonic clock disagree about how much time has passed: the machine was
// suspended (the monotonic clock stops then) or its clock was set. Neither says anything about the credential, but
// the last answer may be much older than it seems, so it is worth asking again.
func jumped(wall, monotonic, tolerance time.Duration) bool {
	d := wall - monotonic
	return d > tolerance || d < -tolerance
}
