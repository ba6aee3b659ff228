package health

import (
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// When a token is asked about again is decided here. In a fleet, the replica that gives an answer
// to the others also plans the next call: see machine.give.

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

// schedule sets when r is asked about again, after an answer.
func (m *machine) schedule(now instant, r *record, a platform.Answer) {
	switch a.Class {
	case requester.Verified:
		r.due = now + m.regular(r)
		if r == m.inUse && m.works() {
			// However slow the platform is, the next answer comes before this one is too old.
			r.due = min(r.due, m.lastDue(r))
		}
	case requester.Rejected:
		r.due = now + m.regular(r)
		if r == m.inUse && r.refusals < m.rules.rejectionThreshold {
			r.due = r.refusedAt + m.rules.recheck
		}
	default:
		failures := r.outages
		if m.starting {
			failures = 1 // Start has little time: it does not back off
		}
		pause := m.pace.backoff(failures, m.jitter())
		r.due = now + max(pause, min(a.RetryAfter, m.pace.interval))
		if a.Class == requester.RateLimited {
			r.heldUntil = now + m.hold(now, r, a.RetryAfter)
		}
		// However long the pause, an outage that has ended by then does not close the gate.
		r.due = m.before(now, r, r.due)
	}
}

// regular returns the time from a verdict on r to the next call. Other tokens than the one in use
// get no more than one call per interval.
func (m *machine) regular(r *record) time.Duration {
	d := m.pace.next(m.jitter())
	if r != m.inUse {
		d = max(d, m.pace.interval)
	}
	return d
}

// hold returns how long a rate limit forbids calls about r. While the token works, one call
// stays possible before the last good answer is too old.
func (m *machine) hold(now instant, r *record, hint time.Duration) time.Duration {
	most := min(maxHold, m.rules.maxStale/2)
	if r == m.inUse && m.works() && !m.expired(now) {
		if left := m.lastChance(r) - time.Second - now; left >= minHold {
			most = min(most, left)
		}
	}
	return max(minHold, min(hint, most))
}

// lastChance returns when a call about the token in use must be made to end before the last good
// answer is too old.
func (m *machine) lastChance(r *record) instant {
	return r.verifiedAt + m.rules.maxStale - m.pace.timeout
}

// lastDue returns when a check of the token in use begins at the latest, so that it ends before
// the last good answer is too old. The replicas of a fleet do not all begin at the same moment.
func (m *machine) lastDue(r *record) instant {
	due := m.lastDueOfAll(r)
	if f := m.fleet; f != nil {
		due -= time.Duration(float64(f.rush(m.pace.interval/4)) * f.place)
	}
	return due
}

// lastDueOfAll returns when the last replica of a fleet begins such a check.
func (m *machine) lastDueOfAll(r *record) instant {
	due := m.lastChance(r) - m.pace.interval/20
	if m.fleet != nil {
		due -= m.fleet.limit
	}
	return due
}

// before returns at, or the last moment of r if that comes first.
func (m *machine) before(now instant, r *record, at instant) instant {
	if r == m.inUse && m.works() {
		if last := m.lastDue(r); last > now {
			return min(at, last)
		}
	}
	return at
}
