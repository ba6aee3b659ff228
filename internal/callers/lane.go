package callers

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// Why the platform was not asked.
var (
	errHeld   = errors.New("the platform limits the rate of calls (429)")
	errBusy   = errors.New("too many calls to the platform are in flight")
	errBudget = errors.New("the budget of calls for unknown tokens is spent")
	errPaced  = errors.New("the platform gave no verdict on this token a moment ago")
)

// tripAfter is how many different tokens in a row must get no verdict to open a breaker.
const tripAfter = 3

// A token may probe this much later for each of its failures. Uses of one that may not yet probe
// are at most a second apart, see postpone.
const (
	probeStep     = 1100 * time.Millisecond
	maxProbeSteps = 5
)

// lane is one way to the platform. Trouble in one lane does not affect the other.
type lane struct {
	// caller is not shared, because calls that hang in a transport without end count against it.
	caller  *platform.Caller
	breaker *platform.Breaker
	open    time.Duration // how long the breaker stays open
	slots   chan struct{}
	// overdue are slots for calls about overdue tokens. Some slots stay free for others.
	overdue chan struct{}

	mu        sync.Mutex
	tripped   bool // the breaker has opened, and has not closed since
	probing   bool // a probe of the tripped breaker is on its way
	openUntil time.Duration
	closedAt  time.Duration // when the breaker closed last
	heldUntil time.Duration
	limited   key           // the last token that got a 429
	until     time.Duration // and until when it must not be asked about
}

func newLane(client *requester.Client, open time.Duration, inFlight int) *lane {
	return &lane{
		caller:  platform.NewCaller(client),
		breaker: platform.NewBreaker(platform.Settings{Failures: tripAfter, Open: open}),
		open:    open,
		slots:   make(chan struct{}, inFlight),
		overdue: make(chan struct{}, max(1, inFlight*7/8)),
	}
}

// tryEnter takes one of the slots for calls in flight, if there is one.
func (l *lane) tryEnter() bool {
	select {
	case l.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// enter waits for a slot.
func (l *lane) enter(ctx context.Context, limit time.Duration) bool {
	if l.tryEnter() {
		return true
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case l.slots <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (l *lane) leave() { <-l.slots }

// tryEnterOverdue takes one of the slots for overdue tokens, if there is one.
func (l *lane) tryEnterOverdue() bool {
	select {
	case l.overdue <- struct{}{}:
	default:
		return false
	}
	if !l.tryEnter() {
		<-l.overdue
		return false
	}
	return true
}

func (l *lane) leaveOverdue() {
	l.leave()
	<-l.overdue
}

// claim is forbidden, and lets one probe of the tripped breaker at a time pass. The others are
// turned away here and not by the breaker, so that they do not take a lease for a call that is not
// made. done ends the claim.
func (l *lane) claim(now time.Duration, failures int) (done func(), _ time.Duration, _ error) {
	if wait, err := l.forbidden(now, failures); err != nil {
		return nil, wait, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.tripped:
		return func() {}, 0, nil
	case l.probing:
		return nil, time.Second, platform.ErrBusy
	}
	l.probing = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.probing = false
	}, 0, nil
}

// forbidden returns why no call about a token with this many failures in a row may be made now and
// for how long, or nil. It does not count: the breaker itself decides in ask.
//
// Each probe of the open breaker goes to a token that has failed less than the others, if there is
// one in use. In an outage for some accounts their tokens would otherwise take every probe, and the
// others would not be asked.
func (l *lane) forbidden(now time.Duration, failures int) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	probeAt := l.openUntil + probeStep*time.Duration(min(failures, maxProbeSteps))
	switch {
	case now < l.heldUntil:
		return l.heldUntil - now, errHeld
	case l.tripped && now < probeAt:
		return probeAt - now, platform.ErrOpen
	}
	return 0, nil
}

// ask makes the call if the breaker allows it, or if the token is overdue. last is from before it.
//
// The failures of one token count once until the breaker has opened and closed again, because the
// platform's trouble with one token is not an outage. The failure of an overdue token does not
// count, so that it does not keep the breaker open.
func (l *lane) ask(
	last pace, overdue bool, clock func() time.Duration, call func() platform.Answer,
) platform.Answer {
	l.mu.Lock()
	closed := !l.tripped
	repeated := last.failures > 0 && last.failedAt >= l.closedAt
	l.mu.Unlock()
	var a platform.Answer
	if overdue || closed && repeated {
		if a = call(); !platform.Conclusive(a.Class) {
			return a
		}
		l.breaker.Record(a)
	} else if a = l.breaker.Do(call); a.Class == requester.NotAsked {
		return a
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state := l.breaker.State(); {
	case state == "closed" && l.tripped:
		l.tripped, l.closedAt = false, clock()
	case state == "open" && (!l.tripped || !closed): // not if it opened while this call was made
		l.tripped, l.openUntil = true, clock()+l.open+platform.OpenMargin
	}
	return a
}

// limit records a 429 about a token. The whole lane is held when two tokens get one within the
// wait: the quota of a single account must not stop the others. A repeated failure holds them for
// less, so that they are asked before the token is asked a third time. Otherwise two accounts over
// their quotas would hold all calls indefinitely.
func (l *lane) limit(k key, now, wait time.Duration, repeated bool) {
	if repeated {
		wait = min(wait, maxBackoff) / 2
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limited != k && now < l.until {
		l.heldUntil = max(l.heldUntil, now+wait)
	}
	l.limited, l.until = k, max(l.until, now+wait)
}
