package health

import "time"

// The decisions about time are here, as functions of durations: they read no clock.

const (
	// forever caps every duration, so that sums and jitter stay in range.
	forever = 50 * 365 * 24 * time.Hour

	// firstBackoff is the wait after a first failure.
	firstBackoff = time.Second

	// jitterShare is how much the interval varies to either side, so that replicas that were
	// started together do not call together.
	jitterShare = 0.1

	// minHold and maxHold bound how long a rate limit is obeyed.
	minHold = time.Second
	maxHold = time.Hour

	// maxOthers is how many calls about other tokens than the one in use an interval may have.
	maxOthers = 50

	// readPause is the least time between two reads of the source that outgoing requests cause.
	readPause = time.Second

	// reverifyPause is the least time between two calls about the same token that outgoing
	// requests cause: an endpoint that always answers 401 must not add a call to each request.
	reverifyPause = 10 * time.Second
)

// pace says how often to call and to read.
type pace struct {
	interval      time.Duration // between checks with a verdict
	pollInterval  time.Duration
	timeout       time.Duration // of one call
	sourceTimeout time.Duration // of one read
	breakerOpen   time.Duration
}

// next returns the time from one verdict to the next call. chance is a random number in [0, 1).
func (p pace) next(chance float64) time.Duration { return spread(p.interval, chance) }

// backoff doubles from a second up to the interval, plus up to half of itself at random, so
// that replicas that lost the platform together do not return together.
func (p pace) backoff(failures int, chance float64) time.Duration {
	d := min(firstBackoff, p.interval)
	for i := 1; i < failures && d < p.interval; i++ {
		d *= 2
	}
	d = min(d, p.interval)
	return min(d+time.Duration(float64(d)*chance/2), spread(p.interval, chance))
}

// spread returns d with its jitter.
func spread(d time.Duration, chance float64) time.Duration {
	return time.Duration(float64(d) * (1 - jitterShare + 2*jitterShare*chance))
}

// allowance spreads the calls about other tokens: maxOthers at once, then one after the other
// over the interval.
type allowance struct{ full instant } // when all of it is available again

// from returns when the next call is allowed.
func (a allowance) from(interval time.Duration) instant {
	return a.full - interval/maxOthers*(maxOthers-1)
}

// take uses one call at now.
func (a *allowance) take(now instant, interval time.Duration) {
	a.full = max(a.full, now) + interval/maxOthers
}
