package simulation

import (
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

const (
	interval    = time.Minute
	recheck     = time.Second
	callTimeout = 5 * time.Second
	leaseLength = callTimeout + 2*time.Second
	maxStale    = 15 * time.Minute
)

// standIn is a replica that follows the protocol as simply as possible. It tests the world, not the
// engine. Its fields before the blank line are the mistakes that it can make.
type standIn struct {
	ignoresLease   bool // calls the platform at every look
	ignoresSpread  bool // calls every second while Redis is away
	trustsNobody   bool // does not take the verdicts of others
	forgetsOnError bool // loses its status with Redis
	looksRarely    bool
	blamesPlatform bool // for the trouble of a network

	spec     Spec
	busy     bool // looking, asking or putting
	answered bool // and not put yet
	due      time.Duration
	floor    uint64
	lease    uint64
	known    bool // there is a verdict
	refusals int
	good     time.Duration // when the last good answer was given
	silent   bool          // the last answer was no verdict
	heard    bool          // the platform gave the last answer
	failures int
	pause    time.Duration // after the last answer
	replicas int
	alone    bool
	aloneDue time.Duration // when to ask without Redis
	callNow  bool          // it is time, and Redis has just failed again
}

// verdict and trouble are what replicas put into Redis.
type (
	verdict struct{ refusals int }
	trouble struct {
		failures int
		heard    bool // the platform answered
	}
)

func (r *standIn) Plan(now time.Duration, io IO) State {
	answered := r.answered
	r.answered = false
	switch {
	case answered && r.lease > 0:
		r.put(io)
	case r.busy || now < r.due:
	case r.alone && r.callNow:
		r.busy, r.callNow = true, false
		io.Ask(r.spec.Token, nil)
	case r.lease > 0:
		r.busy = true
		io.Ask(r.spec.Token, nil)
	default:
		r.busy = true
		io.Look(r.spec.Token, shared.Query{Lease: leaseLength, Due: r.dueAge(), Floor: r.floor}, nil)
	}
	return r.state(now)
}

// dueAge is the age from which a verdict is asked about again.
func (r *standIn) dueAge() time.Duration {
	if r.refusals == 1 {
		return recheck
	}
	return interval
}

func (r *standIn) state(now time.Duration) State {
	s := State{Wake: r.due, Open: true, Reason: "verified"}
	stale := r.good + maxStale
	switch {
	case !r.known:
		s.Open, s.Reason = false, "starting"
	case r.refusals > 1:
		s.Open, s.Reason = false, "rejected"
	case now >= stale:
		s.Open, s.Reason = false, "unreachable"
	default:
		s.Wake = min(s.Wake, stale)
		if r.refusals == 1 {
			s.Reason = "confirming_rejection"
		} else if r.silent {
			s.Reason = "stale"
		}
	}
	if r.busy {
		s.Wake = now + time.Hour
	}
	return s
}

// next plans the next look, about d from now.
func (r *standIn) next(now, d time.Duration) {
	if r.looksRarely {
		d *= 3
	}
	r.busy = false
	r.due = now + time.Duration(float64(d)*(0.9+0.2*r.spec.Random()))
}

func (r *standIn) Looked(now time.Duration, _ any, v View, err error) {
	if err != nil {
		r.lost(now)
		return
	}
	r.alone, r.replicas = false, v.Replicas
	if v.Verdict.Fence > r.floor && !r.trustsNobody {
		r.floor = v.Verdict.Fence
		r.take(v.VerdictValue.(verdict).refusals, now-v.Verdict.Age)
	}
	if v.Trouble.Fence > r.floor && !r.trustsNobody {
		r.floor = v.Trouble.Fence
		last := v.TroubleValue.(trouble)
		r.silent = last.heard || r.blamesPlatform
		r.failures = last.failures
	}
	switch {
	case v.Lease > 0:
		r.busy, r.lease, r.due, r.floor = false, v.Lease, now, v.Lease
	case r.ignoresLease:
		r.busy, r.lease, r.due = false, 1, now
	case v.Busy > 0 && (!r.known || r.refusals == 1):
		r.next(now, min(v.Busy, time.Second))
	case r.refusals == 1:
		r.next(now, recheck)
	case r.silent:
		r.next(now, max(interval/2, v.Trouble.Pause-v.Trouble.Age))
	default:
		r.next(now, interval)
	}
}

// lost has the replica work on its own.
func (r *standIn) lost(now time.Duration) {
	r.next(now, interval)
	if r.forgetsOnError {
		r.known = false
	}
	if !r.alone {
		r.alone = true
		r.aloneDue = now + time.Duration(float64(r.period())*r.spec.Random())
	}
	if r.known {
		r.aloneDue = min(r.aloneDue, r.good+maxStale-2*callTimeout-interval*5/4)
	}
	if r.ignoresSpread {
		r.aloneDue = now
	}
	if now >= r.aloneDue {
		r.due, r.callNow = now, true
	} else {
		r.due = min(r.due, r.aloneDue)
	}
}

// period is how long all replicas take to call once each without Redis.
func (r *standIn) period() time.Duration {
	p := max(interval, time.Duration(r.replicas)*10*time.Millisecond)
	return min(p, maxStale-2*interval)
}

func (r *standIn) take(refusals int, at time.Duration) {
	r.known, r.silent, r.failures = true, false, 0
	r.refusals = refusals
	if refusals == 0 {
		r.good = at
	}
}

func (r *standIn) Answered(now time.Duration, _ any, a Answer) {
	r.answered, r.heard = true, a.Status > 0
	switch a.Status {
	case 200:
		r.take(0, now-a.Latency)
	case 401:
		r.take(r.refusals+1, now-a.Latency)
	default:
		r.silent = true
		r.failures++
	}
	r.pause = min(time.Second<<min(r.failures, 5), interval/2)
	if a.Status == 429 {
		r.pause = a.RetryAfter
	}
	if r.lease == 0 {
		r.aloneDue = now + r.period()
		r.next(now, interval)
	}
	if r.lease == 0 && r.ignoresSpread {
		r.next(now, recheck)
	}
}

// put stores the answer that has just come.
func (r *standIn) put(io IO) {
	a := shared.Answer{Fence: r.lease, Lease: leaseLength, Trouble: r.silent}
	if r.silent {
		a.Pause = r.pause
		io.Put(r.spec.Token, a, trouble{r.failures, r.heard}, nil)
		return
	}
	io.Put(r.spec.Token, a, verdict{r.refusals}, nil)
}

func (r *standIn) Stored(now time.Duration, _ any, stored bool, err error) {
	r.lease = 0
	switch {
	case err != nil:
		r.lost(now)
	case r.silent:
		r.next(now, r.pause)
	case r.refusals == 1:
		r.next(now, recheck)
	default:
		r.next(now, interval)
	}
}
