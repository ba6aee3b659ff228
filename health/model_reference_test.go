package health_test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// The reference is written from the design's tables alone. Where those leave something open it has several worlds, and what
// the checker shows decides which of them go on; when none is left the checker is wrong.

// modelVerdict is what the answers about the token in use come to.
type modelVerdict uint8

const (
	vNone modelVerdict = iota
	vVerified
	vConfirming
	vRejected
	vWrong
)

// modelWorld is one reading of what has happened so far. It is comparable, and all times count from the birth of the bubble.
type modelWorld struct {
	started, draining, closed bool

	loaded    bool
	offered   [modelTokens]int8 // -1: no more
	sourceBad bool

	inUse   int8 // -1: none
	verdict modelVerdict
	sentAt  time.Duration // when the request of the last good answer was sent
	account int8
	poor    bool
	silent  bool // the last call about the token in use got no answer that says anything
	pinned  int8 // 0: none

	refusals  [modelTokens]int32
	refusedAt [modelTokens]time.Duration // when the request of the last refusal that counts was sent
	flagged   [modelTokens]bool          // refused, or of another account, since it was accepted last
	// A token that would replace the one in use was turned down, and none that took its place has had an answer.
	passedOver bool

	late    [modelTokens]int8 // what a read has brought after it was given up, and the checker has not taken in
	hasLate bool
}

func newModelWorld() modelWorld { return modelWorld{offered: [modelTokens]int8{-1, -1, -1}, inUse: -1} }

func (w *modelWorld) rank(token int8) int { return slices.Index(w.offered[:], token) }

// turnedDown says of the tokens that would replace the one in use whether there are any, and whether one was turned down.
func (w *modelWorld) turnedDown() (preferred, any bool) {
	rank := w.rank(w.inUse)
	before := w.offered[:max(rank, 0)]
	if rank < 0 {
		before = w.offered[:]
	}
	for _, t := range before {
		if t >= 0 {
			preferred = true
			any = any || w.flagged[t]
		}
	}
	return preferred, any
}

// passOver: 'only a verification improves a status', so that a token which takes the place of one that was turned down has
// to be verified, too; 'going back to the current token clears the reason without a call'.
func (w modelWorld) passOver() modelWorld {
	if preferred, any := w.turnedDown(); any || !preferred {
		w.passedOver = any
	}
	return w
}

func (w *modelWorld) working() bool { return w.verdict == vVerified || w.verdict == vConfirming }

// modelEvent is something that the platform or the source has told the checker.
type modelEvent struct {
	at   time.Duration
	what modelEventKind

	// Of an answer.
	token  int8
	answer modelAnswer
	sentAt time.Duration

	// Of a read of the source, or of a look at it.
	tokens []int
	err    modelSourceError

	// Of the end of Start.
	started error
}

type modelEventKind uint8

const (
	evAnswer modelEventKind = iota
	evRead
	evPoll       // nothing has changed, or the source cannot be read
	evSourceHung // a read was given up
	evMaybeHung  // a read was given up, unless nobody waited for it
	evLate       // a read that was given up has brought something
	evStarted
	evDrained
	evClosed
)

// reference is the set of worlds that agree with what was seen.
type reference struct {
	options modelOptions
	worlds  []modelWorld

	now    time.Duration
	before []modelWorld // as they were before what happened at this instant
	last   modelAnswer  // the last answer
	source modelSourceError
}

func (r *reference) apply(ev modelEvent) {
	if ev.at > r.now {
		r.now, r.before = ev.at, r.worlds
	}
	switch ev.what {
	case evAnswer:
		r.last = ev.answer
	case evRead, evPoll:
		r.source = ev.err
	case evSourceHung:
		r.source = sourceBroken
	case evStarted:
		r.source = max(r.source, ev.err)
	}
	var next []modelWorld
	for _, w := range r.later(r.worlds) {
		for _, n := range r.step(w, ev) {
			if !slices.Contains(next, n) {
				next = append(next, n)
			}
		}
	}
	r.worlds = next
}

// later adds the worlds in which what came late has been taken in: when that is depends on what the checker is busy with. That
// the source took too long remains.
func (r *reference) later(worlds []modelWorld) []modelWorld {
	all := slices.Clone(worlds)
	for _, w := range worlds {
		if !w.hasLate || w.closed {
			continue
		}
		ev := modelEvent{what: evRead}
		for _, t := range w.late {
			if t >= 0 {
				ev.tokens = append(ev.tokens, int(t))
			}
		}
		for _, n := range r.read(w, ev) {
			n.sourceBad = w.sourceBad
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all
}

func (r *reference) step(w modelWorld, ev modelEvent) []modelWorld {
	if w.closed {
		return []modelWorld{w}
	}
	switch ev.what {
	case evAnswer:
		return r.answered(w, ev)
	case evRead:
		return r.read(w, ev)
	case evPoll:
		// That a look goes well need not mean that a read would, and the design does not say.
		well := w
		well.sourceBad = false
		w.sourceBad = w.sourceBad || ev.err != sourceWell
		if ev.err == sourceWell {
			return []modelWorld{well, w}
		}
	case evSourceHung:
		w.sourceBad = true
	case evMaybeHung:
		bad := w
		bad.sourceBad = true
		return []modelWorld{w, bad}
	case evLate:
		w.late, w.hasLate = [modelTokens]int8{-1, -1, -1}, true
		for i, t := range ev.tokens {
			w.late[i] = int8(t)
		}
	case evStarted:
		w.started = w.started || ev.started == nil
	case evDrained:
		w.draining = true
	case evClosed:
		w.closed = true
	}
	return []modelWorld{w}
}

// read: what the source holds. 'Refusals count per token; only a verification of it or a swap resets the count' leaves open
// what becomes of a token that the source holds no more.
func (r *reference) read(w modelWorld, ev modelEvent) []modelWorld {
	w.sourceBad = ev.err != sourceWell
	w.late, w.hasLate = [modelTokens]int8{}, false
	if len(ev.tokens) == 0 {
		return []modelWorld{w}
	}
	w.loaded = true
	w.offered = [modelTokens]int8{-1, -1, -1}
	for i, t := range ev.tokens {
		w.offered[i] = int8(t)
	}
	forgetful := w
	for t := range int8(modelTokens) {
		if w.rank(t) < 0 && t != w.inUse {
			forgetful.refusals[t], forgetful.refusedAt[t], forgetful.flagged[t] = 0, 0, false
		}
	}
	worlds := []modelWorld{w.passOver(), forgetful.passOver()}
	if w.inUse >= 0 && !w.working() && w.rank(w.inUse) < 0 {
		// 'While no token is verified a new one simply replaces the old': when it is read, or when it is asked about.
		for _, replaced := range worlds[:2] {
			replaced.inUse, replaced.verdict, replaced.silent, replaced.passedOver = w.offered[0], vNone, false, false
			worlds = append(worlds, replaced)
		}
	}
	return worlds
}

func (r *reference) answered(w modelWorld, ev modelEvent) []modelWorld {
	t, class := ev.token, ev.answer.kind.class()
	switch {
	case t != w.inUse && w.rank(t) < 0:
		return []modelWorld{w} // 'results for a candidate that has been superseded are dropped'
	case w.working() && t != w.inUse:
		return r.candidate(w, ev)
	case w.working():
		return r.inUse(w, ev)
	}

	// No token is verified.
	var worlds []modelWorld
	if t != w.inUse && w.rank(w.inUse) >= 0 && (class != isVerified || r.misfit(w, ev)) {
		// One of several, no better than the one before: either may be shown as the one in use.
		keep := w
		switch class {
		case isRejected:
			worlds = append(worlds, counted(keep, ev)...)
		case isVerified:
			keep.refusals[t], keep.flagged[t] = 0, true
			worlds = append(worlds, keep)
		default:
			worlds = append(worlds, keep)
		}
	}
	if t != w.inUse {
		w.inUse, w.verdict, w.silent, w.passedOver = t, vNone, false, false
		if w.refusals[t] >= int32(r.options.threshold) {
			w.verdict = vRejected // refused often enough before, when it was a candidate
			if class == isFailure || class == isLimited {
				unsure := w
				unsure.verdict = vNone
				worlds = append(worlds, unsure)
			}
		}
	}
	return append(worlds, r.inUse(w, ev)...)
}

// inUse: an answer about the token in use.
func (r *reference) inUse(w modelWorld, ev modelEvent) []modelWorld {
	switch ev.answer.kind.class() {
	case isVerified:
		if r.misfit(w, ev) {
			// 'Same token, new account id: wrong_account at once.'
			w.refusals[ev.token], w.flagged[ev.token] = 0, true
			w.verdict, w.silent = vWrong, false
			return []modelWorld{w}
		}
		return r.accept(w, ev)
	case isRejected:
		w.silent = false
		var worlds []modelWorld
		for _, n := range counted(w, ev) {
			switch {
			case n.refusals[ev.token] >= int32(r.options.threshold):
				if n.verdict == vWrong {
					worlds = append(worlds, n) // both hold, and wrong_account comes first
				}
				n.verdict = vRejected
			case n.verdict == vVerified:
				n.verdict = vConfirming
			}
			worlds = append(worlds, n)
		}
		return worlds
	default:
		w.silent = true
		return []modelWorld{w}
	}
}

// candidate: an answer about a token that would replace one that works.
func (r *reference) candidate(w modelWorld, ev modelEvent) []modelWorld {
	switch ev.answer.kind.class() {
	case isVerified:
		if r.misfit(w, ev) {
			w.flagged[ev.token] = true
			return []modelWorld{w.passOver()}
		}
		return r.accept(w, ev)
	case isRejected:
		worlds := counted(w, ev)
		for i := range worlds {
			worlds[i] = worlds[i].passOver()
		}
		return worlds
	default:
		return []modelWorld{w} // 'an unavailable candidate changes nothing'
	}
}

// accept: token, account and time in one step.
func (r *reference) accept(w modelWorld, ev modelEvent) []modelWorld {
	swapped := w.inUse != ev.token
	w.inUse, w.verdict, w.silent = ev.token, vVerified, false
	w.sentAt, w.account, w.poor = ev.sentAt, ev.answer.account, ev.answer.kind == saysPoor
	w.refusals[ev.token], w.refusedAt[ev.token], w.flagged[ev.token] = 0, 0, false
	if w.pinned == 0 {
		w.pinned = ev.answer.account
	}
	w.passedOver = w.passedOver && !swapped
	w = w.passOver()
	worlds := []modelWorld{w}
	if swapped {
		// 'A swap resets the count': whose, if there are several?
		reset := w
		reset.refusals, reset.refusedAt = [modelTokens]int32{}, [modelTokens]time.Duration{}
		worlds = append(worlds, reset)
	}
	return worlds
}

// counted is w with one more refusal of the token. The design has the confirmation come a second after what it confirms,
// and does not say whether one that somebody asked for earlier counts.
func counted(w modelWorld, ev modelEvent) []modelWorld {
	t := ev.token
	w.flagged[t] = true
	worlds := []modelWorld{}
	if w.refusals[t] > 0 && ev.sentAt-w.refusedAt[t] < modelRecheck {
		worlds = append(worlds, w)
	}
	w.refusals[t]++
	w.refusedAt[t] = ev.sentAt
	return append(worlds, w)
}

func (r *reference) misfit(w modelWorld, ev modelEvent) bool {
	id := ev.answer.account
	return r.options.expectAccount && id != 1 || !r.options.allowAccountChange && w.pinned != 0 && id != w.pinned
}

// reasons returns the set that holds in w.
func (r *reference) reasons(w modelWorld, now time.Duration) health.Reasons {
	var set health.Reasons
	add := func(reason health.Reason, holds bool) {
		if holds {
			set |= health.ReasonsOf(reason)
		}
	}
	expired := w.working() && now-w.sentAt >= r.options.maxStale
	none := !w.loaded && (w.sourceBad || w.started)
	add(health.ReasonClosed, w.closed)
	add(health.ReasonNoCredential, none)
	add(health.ReasonWrongAccount, w.verdict == vWrong)
	add(health.ReasonRejected, w.verdict == vRejected)
	add(health.ReasonUnreachable, expired || w.verdict == vNone && w.loaded && w.started)
	add(health.ReasonStarting, w.verdict == vNone && !w.started && !none)
	add(health.ReasonSourceUnavailable, w.loaded && w.sourceBad)
	if w.working() {
		add(health.ReasonConfirmingRejection, w.verdict == vConfirming)
		add(health.ReasonStale, w.silent && !expired)
		rank := w.rank(w.inUse)
		add(health.ReasonRotationRejected, rank < 0 && w.passedOver)
		add(health.ReasonUsingFallback, rank > 0 && w.passedOver)
		add(health.ReasonLowBalance, r.options.watchBalance && w.poor)
	}
	add(health.ReasonVerified, set == 0 && w.verdict == vVerified)
	return set
}

// primary is the first of the set in the order of the design's table, and the status that it gives.
func (r *reference) primary(set health.Reasons) (health.Reason, health.Status) {
	order := []health.Reason{
		health.ReasonClosed, health.ReasonNoCredential, health.ReasonWrongAccount, health.ReasonRejected, health.ReasonUnreachable, health.ReasonStarting,
		health.ReasonConfirmingRejection, health.ReasonStale, health.ReasonRotationRejected, health.ReasonSourceUnavailable,
		health.ReasonUsingFallback, health.ReasonLowBalance, health.ReasonVerified,
	}
	if r.options.lowBalanceFails { // 'warns, or fails by option'
		order = slices.DeleteFunc(order, func(x health.Reason) bool { return x == health.ReasonLowBalance })
		order = slices.Insert(order, slices.Index(order, health.ReasonConfirmingRejection), health.ReasonLowBalance)
	}
	for i, reason := range order {
		if !set.Has(reason) {
			continue
		}
		switch {
		case reason == health.ReasonVerified:
			return reason, health.StatusPass
		case i < slices.Index(order, health.ReasonConfirmingRejection):
			return reason, health.StatusFail
		default:
			return reason, health.StatusWarn
		}
	}
	return 0, health.StatusFail
}

// mayStart says what is wrong with Start having returned err, nil if nothing is.
func (r *reference) mayStart(err error) error {
	some := func(holds func(modelWorld) bool) bool {
		return slices.ContainsFunc(r.worlds, holds) || slices.ContainsFunc(r.before, holds)
	}
	var verdict *health.Error
	switch {
	case err == nil && r.options.requireVerified:
		if !some(func(w modelWorld) bool { return w.working() }) {
			return errors.New("Start returned nil without a verification, which is required")
		}
	case err == nil:
		mended := func(w modelWorld) bool {
			hopeless := !w.loaded && (r.source == sourceMissing || r.source == sourceInvalid)
			return w.verdict != vRejected && w.verdict != vWrong && !hopeless
		}
		if !some(mended) {
			return errors.New("Start returned nil for what waiting cannot mend")
		}
	case errors.Is(err, health.ErrClosed):
	case !errors.As(err, &verdict):
		return fmt.Errorf("Start returned an error of no kind: %w", err)
	case verdict.Reason == health.ReasonRejected && some(func(w modelWorld) bool { return w.verdict == vRejected }):
	case verdict.Reason == health.ReasonWrongAccount && some(func(w modelWorld) bool { return w.verdict == vWrong }):
	case verdict.Reason == health.ReasonNoCredential && some(func(w modelWorld) bool { return !w.loaded }) &&
		(r.options.requireVerified || r.source == sourceMissing || r.source == sourceInvalid):
	case verdict.Reason == health.ReasonUnreachable && (r.options.requireVerified || r.last.kind.misdirected()):
	default:
		return fmt.Errorf("Start failed with what does not hold: %w", err)
	}
	return nil
}

// ready is the design's readiness.
func (r *reference) ready(w modelWorld, set health.Reasons, status health.Status) health.Status {
	reason, _ := r.primary(set)
	switch {
	case w.draining || w.closed:
		return health.StatusFail
	case r.options.readyWhileUnreachable && reason == health.ReasonUnreachable && w.working() && !(r.options.lowBalanceFails && set.Has(health.ReasonLowBalance)):
		return health.StatusWarn
	default:
		return status
	}
}

// shows reports whether a snapshot is what w predicts at now: status, readiness, primary reason, the token that is lent and
// its account; and all reasons, where they are warnings or worse together with one (beside a failure they are of no
// consequence).
func (r *reference) shows(w modelWorld, snap *health.Snapshot, now time.Duration) bool {
	set := r.reasons(w, now)
	primary, status := r.primary(set)
	if snap.Status() != status || snap.Reason() != primary || snap.Readiness() != r.ready(w, set, status) || snap.Draining() != w.draining || snap.Started() != w.started {
		return false
	}
	if status == health.StatusFail {
		return true
	}
	token, err := snap.Token()
	account, err2 := snap.Account()
	return err == nil && err2 == nil && snap.Reasons() == set &&
		token.Reveal() == modelTokenValue(int(w.inUse)) && account.ID() == modelAccountID(w.account)
}

// seen drops the worlds that a snapshot contradicts, and reports whether any is left.
func (r *reference) seen(snap *health.Snapshot, now time.Duration) bool {
	var left []modelWorld
	for _, w := range r.later(r.worlds) {
		if r.shows(w, snap, now) {
			left = append(left, w)
		}
	}
	if len(left) == 0 {
		return false
	}
	r.worlds = left
	return true
}
