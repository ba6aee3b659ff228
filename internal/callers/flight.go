package callers

import (
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// flight is the result of one shared call, or why it was not made.
type flight struct {
	record     *Record // the token's record afterwards; nil if it has none
	refused    bool
	retryAfter time.Duration
	err        error
}

// fly shares one call about the token between all that wait for it.
func (e *Engine) fly(k key, t credentials.Token) <-chan singleflight.Result {
	return e.flights.DoChan(string(k[:]), func() (any, error) { return e.ask(k, t), nil })
}

// refresh asks about a verified token in the background.
func (e *Engine) refresh(k key, h header, entry *known) {
	t, err := h.token()
	if err != nil { // its key was verified, so it is valid
		return
	}
	go func() {
		defer entry.refreshing.Store(false)
		<-e.fly(k, t)
	}()
}

// ask makes the call of a flight, if it is needed and allowed.
func (e *Engine) ask(k key, t credentials.Token) flight {
	if !e.begin() {
		return flight{retryAfter: time.Second, err: ErrClosed}
	}
	defer e.running.Done()
	var f flight
	if entry, ok := e.verified.GetIfPresent(k); ok {
		f = e.askAgain(k, t, entry)
	} else {
		f = e.askNew(k, t)
	}
	e.counts.skip(f.err)
	return f
}

// askNew asks about a token that was never verified, within the budget.
func (e *Engine) askNew(k key, t credentials.Token) flight {
	now := e.now()
	var last pace
	if u, ok := e.others.GetIfPresent(k); ok {
		if now < u.retryAt { // another flight has just landed
			v := u.verdict(now)
			return flight{refused: u.refused, retryAfter: v.RetryAfter, err: v.Err}
		}
		last.fence, last.since = u.fence, u.since
		if now < u.retryAt+rememberFailures {
			last.failures, last.failedAt = u.failures, u.failedAt
		}
	}
	l := e.strange
	done, wait, err := l.claim(now, last.failures)
	if err != nil {
		return flight{retryAfter: wait, err: err}
	}
	defer done()
	if !l.tryEnter() {
		return flight{retryAfter: time.Second, err: errBusy}
	}
	defer l.leave()
	if wait := e.reserve(); wait > 0 {
		return flight{retryAfter: wait, err: errBudget}
	}
	a, forgets := e.call(l, k, t, last, e.config.TTL/2, false)
	return e.landNew(k, forgets, last, a)
}

// reserve sets a call of the budget for unknown tokens aside, or returns how long there is none. It
// spends nothing, because another replica may have the answer: [Engine.call] does, or sets it free.
// Without it, flights that find the budget spent after all would leave leases on which the next
// requests about their tokens wait.
//
// Reservations of x/time/rate are not for this: one that is cancelled is not given back if another
// one was made meanwhile, so that a flood would leave a debt.
func (e *Engine) reserve() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	missing := float64(e.reserved+1) - e.budget.Tokens()
	if missing <= 0 {
		e.reserved++
		return 0
	}
	const most = 1e9 // seconds, so that it does not overflow
	return time.Duration(min(missing/e.config.PerSecond, most) * float64(time.Second))
}

func (e *Engine) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reserved--
}

// askAgain asks about a token that was verified. It is not limited by the budget.
func (e *Engine) askAgain(k key, t credentials.Token, entry *known) flight {
	l := e.proven
	r := entry.record.Load()
	if entry.overdue.Load() { // one call about a token at a time
		return flight{record: e.postpone(entry), retryAfter: time.Second, err: errPaced}
	}
	done, wait, err := l.claim(e.now(), r.failures)
	if err != nil {
		return e.forbidden(k, t, entry, wait, err)
	}
	defer done()
	if !l.enter(e.ctx, e.client.Timeout()) {
		return flight{record: entry.record.Load(), retryAfter: time.Second, err: errBusy}
	}
	defer l.leave()
	r, now := entry.record.Load(), e.now()
	switch {
	case now < r.retryAt: // another flight has just landed
		return flight{record: r, retryAfter: r.retryAt - now, err: errPaced}
	case now < r.refreshAt && r.refusals == 0:
		return flight{record: r}
	}
	if wait, err = l.forbidden(now, r.failures); err != nil { // since it waited
		return e.forbidden(k, t, entry, wait, err)
	}
	return e.askVerified(k, t, entry, false)
}

// forbidden returns the flight about a verified token whose lane forbids the call. If the token is
// overdue, it is asked about all the same. Nothing waits for that: the answer may not come.
func (e *Engine) forbidden(
	k key, t credentials.Token, entry *known, wait time.Duration, why error,
) flight {
	l := e.proven
	if e.overdue(k, entry.record.Load()) && entry.overdue.CompareAndSwap(false, true) {
		if l.tryEnterOverdue() {
			e.running.Add(1) // the flight counts, so that Close does not wait for 0 now
			go func() {
				defer e.running.Done()
				defer entry.overdue.Store(false)
				defer l.leaveOverdue()
				e.askVerified(k, t, entry, true)
			}()
		} else {
			entry.overdue.Store(false)
		}
	}
	return flight{record: e.postpone(entry), retryAfter: wait, err: why}
}

// askVerified makes the call about a verified token.
func (e *Engine) askVerified(k key, t credentials.Token, entry *known, overdue bool) flight {
	r := entry.record.Load()
	due := e.config.TTL / 2
	if r.refusals > 0 {
		due = recheckAfter // only another refusal confirms it
	}
	a, forgets := e.call(e.proven, k, t, r.pace, due, overdue)
	return e.landAgain(k, forgets, entry, a)
}

// overdue reports whether a verified token was not asked about for so long that it is asked, even
// if its lane forbids it. The time differs from token to token, so that an outage does not end in
// calls about all of them at once.
func (e *Engine) overdue(k key, r *Record) bool {
	pause := e.config.MaxStale/2 + e.config.MaxStale/4/256*time.Duration(k[0])
	at := r.verified + pause
	if r.failedAt >= at {
		at = r.failedAt + pause
	}
	return e.now() >= at
}

// call makes the call, unless another replica has a recent answer, and does the accounting of the
// lane. It returns the count of Forget calls from before.
func (e *Engine) call(
	l *lane, k key, t credentials.Token, last pace, due time.Duration, overdue bool,
) (answer, uint32) {
	e.mu.Lock()
	forgets := e.forgets[k[0]]
	e.mu.Unlock()
	release := func() {}
	if l == e.strange {
		release = sync.OnceFunc(e.release)
		defer release()
	}
	a := e.share(t, last, due, release, func() platform.Answer {
		if l == e.strange && !e.budget.Allow() {
			return platform.Answer{Class: requester.NotAsked, Err: errBudget}
		}
		release()
		a := l.ask(last, overdue, e.now, func() platform.Answer {
			return l.caller.Call(e.ctx, t)
		})
		e.counts.call(a.Class)
		return a
	})
	if a.Class == requester.RateLimited {
		l.limit(k, e.now(), e.holdOf(a.Answer), last.failures > 0)
	}
	return a, forgets
}

// landNew records the answer about a token that was never verified.
func (e *Engine) landNew(k key, forgets uint32, last pace, a answer) flight {
	now := e.now()
	switch a.Class {
	case requester.NotAsked:
		return flight{retryAfter: time.Second, err: a.Err} // a probe of the breaker is in flight
	case requester.Cancelled:
		return flight{retryAfter: time.Second, err: ErrClosed}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	keep := forgets == e.forgets[k[0]]
	if a.Class == requester.Verified {
		r := e.newRecord(a)
		if keep {
			entry := &known{}
			entry.record.Store(r)
			e.verified.Set(k, entry)
			e.others.Invalidate(k)
		}
		return flight{record: r}
	}
	u := &unproven{refused: a.Class == requester.Rejected, err: a.Err}
	if u.refused {
		u.pace = e.refused(a)
	} else {
		u.pace = e.failed(last, now, a.Answer)
	}
	u.fence = max(a.fence, last.fence)
	if keep {
		e.others.Set(k, u)
	}
	return flight{refused: u.refused, retryAfter: u.retryAt - now, err: a.Err}
}

// landAgain records the answer about a token that was verified before.
func (e *Engine) landAgain(k key, forgets uint32, entry *known, a answer) flight {
	if a.Class == requester.NotAsked { // a probe of the breaker is in flight
		return flight{record: e.postpone(entry), retryAfter: time.Second, err: a.Err}
	}
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	r := *entry.record.Load()
	fence := max(a.fence, r.fence)
	switch a.Class {
	case requester.Cancelled:
		return flight{record: &r, retryAfter: time.Second, err: ErrClosed}
	case requester.Verified:
		r = *e.newRecord(a)
	case requester.Rejected:
		r.refusals++
		r.failures, r.retryAt, r.since = 0, now+recheckAfter, a.SentAt.Sub(e.start)
		if r.refusals >= confirmations || now-r.verified >= e.config.MaxStale {
			if forgets == e.forgets[k[0]] {
				e.verified.Invalidate(k)
				u := &unproven{refused: true, err: a.Err, pace: e.refused(a)}
				u.fence = fence
				e.others.Set(k, u)
			}
			return flight{refused: true, err: a.Err}
		}
	default:
		refusals := r.refusals
		r.pace = e.failed(r.pace, now, a.Answer)
		r.refusals, r.refreshAt = refusals, r.retryAt
	}
	r.fence = fence
	entry.record.Store(&r) // without effect if the entry was forgotten or evicted meanwhile
	return flight{record: &r, retryAfter: max(r.retryAt-now, 0), err: a.Err}
}

// postpone makes the token's next uses cheap while no call is allowed, for a second at most.
func (e *Engine) postpone(entry *known) *Record {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := *entry.record.Load()
	r.retryAt = e.now() + time.Second
	r.refreshAt = max(r.refreshAt, r.retryAt)
	entry.record.Store(&r)
	return &r
}

func (e *Engine) newRecord(a answer) *Record {
	verified := a.SentAt.Sub(e.start)
	return &Record{
		Account: a.Account, VerifiedAt: a.SentAt, verified: verified,
		refreshAt: e.refreshTime(verified),
		pace:      pace{fence: a.fence, since: verified},
	}
}

// refused returns the pace after a refusal. It counts from when the answer arrived, perhaps at
// another replica.
func (e *Engine) refused(a answer) pace {
	sent := a.SentAt.Sub(e.start)
	return pace{retryAt: sent + a.Latency + e.config.RefusedTTL, since: sent}
}

// failed returns the pace after an answer without a verdict.
func (e *Engine) failed(last pace, now time.Duration, a platform.Answer) pace {
	p := pace{failures: last.failures + 1, failedAt: now, since: last.since}
	if a.Class == requester.RateLimited {
		p.retryAt = now + e.holdOf(a)
	} else {
		p.retryAt = now + max(backoff(p.failures), min(a.RetryAfter, e.config.TTL))
	}
	return p
}

// holdOf returns how long a 429 forbids calls.
func (e *Engine) holdOf(a platform.Answer) time.Duration {
	return max(time.Second, min(a.RetryAfter, time.Hour, e.config.MaxStale/2))
}

// begin reports whether the engine is open, and if so counts the flight until running.Done.
func (e *Engine) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return false
	}
	e.running.Add(1)
	return true
}
