package health_test

import (
	"math"
	"slices"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// checkSnapshot complains about a snapshot that must never be published. It may be called at any
// time and from any goroutine.
func (w *modelWorld) checkSnapshot(snap *health.Snapshot) {
	token, err := snap.Token()
	account, accountErr := snap.Account()
	open := snap.Open()
	if open != (err == nil) || open != (accountErr == nil) || open != (snap.Check() == nil) ||
		open != (snap.Status() != health.StatusFail) {
		w.complain("open %v, status %v, Check %v, Token %v, Account %v",
			open, snap.Status(), snap.Check(), err, accountErr)
	}
	if snap.Ready() != (snap.Readiness() != health.StatusFail) {
		w.complain("ready %v, readiness %v", snap.Ready(), snap.Readiness())
	}
	if snap.Readiness() != snap.Status() && !snap.State().Draining &&
		!(w.config.readyWhileUnreachable && snap.Reason() == health.ReasonUnreachable) {
		w.complain("readiness %v, status %v (%v)", snap.Readiness(), snap.Status(), snap.State().Reasons)
	}
	if !open {
		return
	}
	i := slices.IndexFunc(modelTokenValues, token.Equal)
	if i < 0 {
		w.complain("open with a token that the source never had")
		return
	}
	sent := snap.State().VerifiedAt.Sub(w.born)
	number := int(account.ID()[len(account.ID())-1] - '0')
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.genuine[modelGood{i, number, sent}] {
		w.complainLocked("open with token %d of %s, verified at %v: no such answer was given",
			i, account.ID(), sent)
	}
}

// settled checks all invariants at a moment when nothing happens that needs no time.
func (w *modelWorld) settled() {
	snap := w.checker.Snapshot()
	w.checkSnapshot(snap)
	inUse := inUseOf(snap)
	w.source.mu.Lock()
	source := modelSourceView{
		goodSince: w.source.goodSince, holding: w.source.holding, ever: w.source.ever,
		troubled: w.source.troubled,
	}
	w.source.mu.Unlock()
	if !w.config.several {
		source.holding = source.holding[:1]
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if w.closed {
		if !slices.Contains(snap.State().Reasons, health.ReasonClosed) || snap.Open() {
			w.complainLocked("closed, and %v", snap.State().Reasons)
		}
		return
	}
	w.lookLocked(snap)
	if w.resting { // Start has failed, and an answer that came at that moment is lost
		if snap.Open() {
			w.complainLocked("open (%v), and the checker is not started", snap.State().Reasons)
		}
		return
	}
	w.checkReasonsLocked(snap, inUse, source)
	if inUse >= 0 {
		w.checkGateLocked(snap, inUse, now)
	}
	if w.started {
		w.checkLivenessLocked(snap, inUse, now)
		w.checkAdoptionLocked(snap, inUse, source, now)
	}
	if snap.Open() {
		w.lastOpen = inUse
		w.tokens[inUse].forgotten = false
	}
}

// modelSourceView is what the invariants need to know of the source.
type modelSourceView struct {
	holding        []int
	goodSince      time.Duration
	ever, troubled bool
}

// checkGateLocked: the gate is open exactly as long as the answers about the token in use allow.
func (w *modelWorld) checkGateLocked(snap *health.Snapshot, inUse int, now time.Duration) {
	rec, c := &w.tokens[inUse], w.config
	age := now - rec.sent
	ageWithSleep := w.boot() - rec.sentBoot
	if snap.Open() {
		switch {
		case age > c.maxStale:
			w.complainLocked("open, and token %d was accepted %v ago", inUse, age)
		case ageWithSleep > c.maxStale && now-w.slept > 5*time.Second:
			w.complainLocked("open, and token %d was accepted %v ago, with the time suspended",
				inUse, ageWithSleep)
		case rec.refusalsLeast >= c.threshold:
			w.complainLocked("open, and token %d was refused %d times", inUse, rec.refusalsLeast)
		case rec.verdict == otherAccount:
			w.complainLocked("open, and the account of token %d is not the expected one", inUse)
		case c.lowBalanceFails && rec.poor:
			w.complainLocked("open, and the balance of token %d is low", inUse)
		}
		if old := w.lastOpen; old >= 0 && old != inUse && rec.sent == never {
			w.complainLocked("token %d has replaced token %d without being accepted", inUse, old)
		}
		return
	}
	// An acceptance counts for the token that is in use since then without interruption.
	fresh := rec.sent != never && rec.ended[accepted] >= w.inUseFrom && ageWithSleep < c.maxStale &&
		!(c.lowBalanceFails && rec.poor)
	switch {
	case !fresh || rec.forgotten:
	case rec.verdict == accepted:
		w.complainLocked("the gate is closed (%v: %v), and token %d was accepted %v ago",
			snap.State().Reasons, snap.State().Err, inUse, ageWithSleep)
	case rec.verdict == refusedIt && w.lastOpen == inUse && rec.refusalsMost < c.threshold:
		w.complainLocked("the gate is closed (%v), and token %d was refused %d times of %d",
			snap.State().Reasons, inUse, rec.refusalsMost, c.threshold)
	}
}

// checkReasonsLocked: a reason tells the truth.
func (w *modelWorld) checkReasonsLocked(snap *health.Snapshot, inUse int, source modelSourceView) {
	lies := func(reason health.Reason) {
		w.complainLocked("%v (of %v, cause %v) is not true of token %d: %+v",
			reason, snap.State().Reasons, snap.State().Err, inUse, w.recordOf(inUse))
	}
	rec := w.recordOf(inUse)
	for _, reason := range snap.State().Reasons {
		holds := true
		switch reason {
		case health.ReasonClosed:
			holds = false
		case health.ReasonNoCredential:
			holds = !source.ever
		case health.ReasonStarting:
			holds = !w.started || !source.ever
		case health.ReasonRejected:
			holds = rec.verdict == refusedIt && (w.lastOpen != inUse || rec.refusalsMost >= w.config.threshold)
		case health.ReasonConfirmingRejection:
			holds = rec.verdict == refusedIt && rec.sent != never
		case health.ReasonWrongAccount:
			holds = rec.verdict == otherAccount || rec.ended[otherAccount] != never && rec.verdict == refusedIt
		case health.ReasonUnreachable:
			// It may have opened the gate and grown too old between two looks.
			worked := w.lastOpen == inUse || inUse >= 0 && w.worksLocked(inUse)
			holds = rec.verdict != refusedIt && rec.verdict != otherAccount ||
				worked && w.boot()-rec.sentBoot >= w.config.maxStale
			if w.lastOpen == inUse && rec.verdict == accepted {
				holds = w.boot()-rec.sentBoot >= w.config.maxStale
			}
		case health.ReasonStale:
			holds = rec.silent
		case health.ReasonVerified:
			holds = rec.verdict == accepted && !rec.silent
		case health.ReasonLowBalance:
			holds = rec.poor
		case health.ReasonSourceUnavailable:
			holds = source.troubled
		case health.ReasonRotationRejected:
			holds = w.anyLocked(inUse, func(r *modelRecord) bool {
				return r.ended[refusedIt] != never || r.ended[otherAccount] != never
			})
		case health.ReasonUsingFallback:
			holds = w.anyLocked(inUse, func(r *modelRecord) bool {
				return max(r.ended[refusedIt], r.ended[otherAccount], r.ended[noVerdict]) != never
			})
		}
		if !holds && !rec.forgotten {
			lies(reason)
		}
	}
}

func (w *modelWorld) recordOf(token int) modelRecord {
	if token < 0 {
		return modelRecord{sent: never, forgotten: w.started}
	}
	return w.tokens[token]
}

func (w *modelWorld) anyLocked(but int, f func(*modelRecord) bool) bool {
	for i := range w.tokens {
		if i != but && f(&w.tokens[i]) {
			return true
		}
	}
	return false
}

// troubleEndedLocked returns since when nothing but the checker's own pace keeps it from a verdict
// about token.
func (w *modelWorld) troubleEndedLocked(token int, but modelVerdict) time.Duration {
	rec := &w.tokens[token]
	last := max(rec.would[but], rec.endedPoor, rec.heldMost, w.held, w.startEnded)
	for v, at := range rec.ended {
		if modelVerdict(v) != but {
			last = max(last, at) // a call that was in flight when the answer changed
		}
	}
	if w.slept != never {
		last = max(last, w.slept+5*time.Second)
	}
	return last
}

// steadyLocked reports whether the platform has accepted token, which is in use, for so long that
// it has been verified.
func (w *modelWorld) steadyLocked(token int, now time.Duration) bool {
	rec := &w.tokens[token]
	if !rec.offered && !w.worksLocked(token) {
		return false // it is not asked about any more: what the source offers takes its place
	}
	return w.started && rec.would[accepted] != never &&
		now > w.troubleEndedLocked(token, accepted)+w.config.reaction()
}

// worksLocked reports whether token was accepted since it is in use, and not turned down since.
func (w *modelWorld) worksLocked(token int) bool {
	rec := &w.tokens[token]
	return rec.sent != never && rec.ended[accepted] >= w.inUseFrom && !rec.forgotten &&
		rec.refusalsMost < w.config.threshold
}

// checkLivenessLocked: what the platform says of the token in use is known in time.
func (w *modelWorld) checkLivenessLocked(snap *health.Snapshot, inUse int, now time.Duration) {
	if inUse < 0 {
		return
	}
	c, rec := w.config, &w.tokens[inUse]
	if w.steadyLocked(inUse, now) {
		switch age := now - rec.sent; {
		case rec.sent == never || age > c.reaction()+c.timeout: // age counts from the request
			w.complainLocked("token %d is in use and would be accepted since %v; it was accepted %v ago",
				inUse, rec.would[accepted], age)
		case !snap.Open():
			w.complainLocked("closed (%v: %v), and token %d in use is accepted since %v",
				snap.State().Reasons, snap.State().Err, inUse, rec.would[accepted])
		}
	}
	if from := w.wokenFrom; from.token == inUse && rec.would[accepted] != never &&
		rec.would[accepted] < from.at && now > from.until {
		if rec.sent < from.at {
			w.complainLocked("woken at %v, and token %d was not verified since", from.at, inUse)
		}
	}
	if !snap.Open() {
		return
	}
	if rec.would[otherAccount] != never && now > w.troubleEndedLocked(inUse, otherAccount)+c.reaction() {
		w.complainLocked("open, and token %d is of another account since %v", inUse, rec.would[otherAccount])
	}
	confirm := time.Duration(c.threshold) * (c.recheck*11/10 + c.timeout)
	if rec.would[refusedIt] != never && now > w.troubleEndedLocked(inUse, refusedIt)+c.reaction()+confirm {
		w.complainLocked("open, and token %d is refused since %v", inUse, rec.would[refusedIt])
	}
}

// checkAdoptionLocked: a token that the source offers and the platform accepts opens the gate, and
// the most preferred one is in use, in time.
func (w *modelWorld) checkAdoptionLocked(
	snap *health.Snapshot, inUse int, source modelSourceView, now time.Duration,
) {
	if source.goodSince == never || !w.started {
		return
	}
	c := w.config
	// When the gate closes, the other tokens are asked about at once, one after the other.
	others := map[int]bool{}
	for _, token := range source.holding {
		others[token] = true
	}
	delete(others, inUse)
	reopened := w.closedFrom + time.Duration(len(others))*(c.timeout+modelGrace+c.interval/50)
	patience := 2*c.reaction() + time.Duration(len(source.holding))*c.timeout + c.sourceTimeout + c.interval
	for rank, token := range source.holding {
		rec := &w.tokens[token]
		if rec.would[accepted] == never {
			continue
		}
		if now <= max(source.goodSince, w.troubleEndedLocked(token, accepted))+patience {
			continue
		}
		// A token that replaces the one in use may bring a balance that closes the gate.
		poor := c.lowBalanceFails && inUse >= 0 && w.tokens[inUse].poor
		switch {
		case !snap.Open() && !poor && now > reopened:
			w.complainLocked("closed (%v: %v), and token %d is offered and accepted since %v",
				snap.State().Reasons, snap.State().Err, token, rec.would[accepted])
		case rank == 0 && inUse != token:
			w.complainLocked("token %d is in use (%v), and token %d is preferred and accepted since %v",
				inUse, snap.State().Reasons, token, rec.would[accepted])
		}
	}
}

// checkCounts holds the calls and reads of a step against what its length and its events allow.
func (w *modelWorld) checkCounts() {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, n := w.config, &w.count
	took := w.now() - n.since
	times := func(every time.Duration) int { return int(took/every) + 1 }
	backoff := 3
	if c.interval > time.Second {
		backoff += int(math.Log2(float64(c.interval) / float64(time.Second)))
	}
	starting := 0
	if w.startEnded == never || w.startEnded > n.since {
		starting = times(time.Second) + 2 // Start tries again every 1 to 1.5 s
	}
	steady := times(min(c.interval, max(c.breakerOpen, time.Second)) * 9 / 10)
	events := n.refreshes + n.others + starting
	calls := steady + backoff + c.threshold + events + min(n.loans, times(10*time.Second)) + 4
	for token, made := range n.calls {
		// A token in use that gets no verdict is followed by the others.
		if most := calls + n.inUse + n.changed; made > most {
			w.complainLocked("%d calls about token %d in %v, at most %d expected: %+v",
				made, token, took, most, n)
		}
	}
	if n.inUse > 2*calls+n.changed {
		w.complainLocked("%d calls about the token in use in %v, at most %d expected: %+v",
			n.inUse, took, 2*calls, n)
	}
	reads := times(c.interval*9/10) + backoff + events + n.changed + n.refusals +
		min(n.loans, times(time.Second)) + 4
	if n.reads > reads {
		w.complainLocked("%d reads of the source in %v, at most %d expected: %+v", n.reads, took, reads, n)
	}
	clear(n.calls)
	*n = modelCount{since: w.now(), calls: n.calls}
}
