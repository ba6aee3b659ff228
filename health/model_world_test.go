package health_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// never is the time of what has not happened.
const never = time.Duration(-1)

// modelWorld is everything around one checker: the platform, the source, the log, the callback and
// the clock. It notes what the checker does, and complains about what it must not do.
type modelWorld struct {
	config  modelConfig
	born    time.Time
	asleep  atomic.Int64 // how long the machine was suspended so far, in nanoseconds
	checker *health.Checker

	source   modelSource
	log      modelForeign
	callback modelForeign

	mu       sync.Mutex
	problems []string
	trace    []string
	tokens   []modelRecord
	outage   *modelAnswer  // instead of the answers of all tokens
	released chan struct{} // ends the calls that hang beyond their contexts
	stuck    int           // how many calls did
	genuine  map[modelGood]bool
	pinned   int           // the account that was verified first, 0 if none was
	held     time.Duration // until when a 429 about the token in use holds all tokens

	started, closed bool
	resting         bool          // nothing may run: not started, or Start has failed
	startEnded      time.Duration // when Start returned
	closedAt        time.Duration
	slept           time.Duration // when the machine woke up last
	wokenFrom       modelWake

	lastOpen   int           // the token in use when the gate was open last, -1 if it never was
	closedFrom time.Duration // the first look at which the gate was closed, never if it is open
	verifiedAt time.Duration // when the last answer came that opens the gate
	inUseSeen  int           // the token in use at the last look
	lookedAt   time.Duration // when that was
	inUseFrom  time.Duration // the last look at which another token was in use
	count      modelCount
}

// modelGood is an answer that accepted a token.
type modelGood struct {
	token, account int
	sentAt         time.Duration
}

// modelWake is what the first check after a suspension has to achieve.
type modelWake struct {
	token int // -1: nothing
	at    time.Duration
	until time.Duration // when it must have been achieved
}

// modelCount is what happened since the step began.
type modelCount struct {
	since                      time.Duration
	calls                      []int // by token
	inUse                      int   // calls about the token in use
	reads, changed             int
	refreshes, loans, refusals int
	others                     int // anything else that may cause a call
}

// modelRecord is what the world knows of one token.
type modelRecord struct {
	answer modelAnswer

	// Since when the platform answers so within the timeout; never if it does not.
	would [4]time.Duration // by verdict
	// When a call about it last ended so.
	ended [4]time.Duration // by verdict

	endedPoor time.Duration // likewise, with a balance that fails

	verdict        modelVerdict  // the last one
	silent         bool          // the last call got none
	account        int           // of the last acceptance
	poor           bool          // the last acceptance was
	sent, sentBoot time.Duration // the request that was accepted last
	// How many refusals count since the last acceptance, if those in doubt do not, or do.
	refusalsLeast, refusalsMost int
	refusedSent, refusedEnd     time.Duration
	offered                     bool          // by the last read
	replacedAt                  time.Duration // when another token was last seen in use instead
	forgotten                   bool          // it was neither offered nor in use, so its record may be gone
	// Until when a 429 forbids calls: at least, with the time suspended; and at most, without it.
	held, heldMost time.Duration
	inFlight       int
}

func newModelWorld(config modelConfig) *modelWorld {
	w := &modelWorld{
		config: config, born: time.Now(), released: make(chan struct{}), resting: true,
		genuine: map[modelGood]bool{}, lastOpen: -1, inUseSeen: -1, wokenFrom: modelWake{token: -1},
		tokens: make([]modelRecord, modelTokens), startEnded: never, slept: never,
		closedFrom: never, verifiedAt: never,
	}
	for i := range w.tokens {
		w.tokens[i] = modelRecord{
			answer: modelAnswer{account: 1}, sent: never, refusedSent: never, refusedEnd: never, endedPoor: never,
			would: [4]time.Duration{never, never, never, never}, replacedAt: never,
			ended: [4]time.Duration{never, never, never, never},
		}
	}
	w.count.calls = make([]int, modelTokens)
	w.source.init(w)
	w.log.init(w)
	w.callback.init(w)
	w.reassessLocked()
	return w
}

func (w *modelWorld) now() time.Duration { return time.Since(w.born) }

// boot is the time with what the machine was suspended.
func (w *modelWorld) boot() time.Duration { return w.now() + w.suspended() }

func (w *modelWorld) suspended() time.Duration { return time.Duration(w.asleep.Load()) }

func (w *modelWorld) complain(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.complainLocked(format, args...)
}

func (w *modelWorld) complainLocked(format string, args ...any) {
	if len(w.problems) < 3 {
		w.problems = append(w.problems, fmt.Sprintf("%v: ", w.now())+fmt.Sprintf(format, args...))
	}
}

// err returns what was complained about, and with -model.trace what happened before.
func (w *modelWorld) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(append(w.problems, w.trace[max(0, len(w.trace)-60):]...), "\n"))
}

func (w *modelWorld) traceLocked(format string, args ...any) {
	if *modelTrace && len(w.problems) == 0 {
		w.trace = append(w.trace, fmt.Sprintf("    %v ", w.now())+fmt.Sprintf(format, args...))
	}
}

// lookLocked notes which token is in use, and whether the gate is open.
func (w *modelWorld) lookLocked(snap *health.Snapshot) {
	inUse := inUseOf(snap)
	if snap.Open() {
		w.closedFrom = never
	} else if w.closedFrom == never {
		w.closedFrom = w.now()
	}
	if inUse != w.inUseSeen {
		if w.inUseSeen >= 0 {
			w.tokens[w.inUseSeen].replacedAt = w.now()
		}
		w.inUseSeen, w.inUseFrom = inUse, w.lookedAt
	}
	w.lookedAt = w.now()
	w.pinLocked(inUse)
	w.forgetLocked(inUse)
}

// platform changes what the platform answers.
func (w *modelWorld) platform(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	w.reassessLocked()
	if !w.config.stuck {
		close(w.released)
		w.released = make(chan struct{})
	}
}

func (w *modelWorld) answerLocked(token int) modelAnswer {
	if w.outage != nil {
		return *w.outage
	}
	return w.tokens[token].answer
}

// reassessLocked notes since when the platform would say what of which token.
func (w *modelWorld) reassessLocked() {
	now := w.now()
	for i := range w.tokens {
		answer := w.answerLocked(i)
		is := w.verdictOnLocked(answer)
		broke := w.config.lowBalanceFails && answer.kind == acceptsPoor
		for v := range w.tokens[i].would {
			since := &w.tokens[i].would[v]
			if modelVerdict(v) != is || broke {
				*since = never
			} else if *since == never {
				*since = now
			}
		}
	}
}

// verdictOnLocked returns what an answer says of its token.
func (w *modelWorld) verdictOnLocked(a modelAnswer) modelVerdict {
	switch {
	case a.kind <= acceptsNoBalance && !w.expectedLocked(a.account):
		return otherAccount
	case a.kind <= acceptsNoBalance:
		return accepted
	case a.kind <= refusesEmpty:
		return refusedIt
	default:
		return noVerdict
	}
}

func (w *modelWorld) expectedLocked(account int) bool {
	switch c := w.config; {
	case c.expectCompany && account == 2:
		return false
	case c.expectAccount:
		return account == 1
	default:
		return c.allowAccountChange || w.pinned == 0 || w.pinned == account
	}
}

// pinLocked notes the account that was verified first.
func (w *modelWorld) pinLocked(inUse int) {
	if w.pinned == 0 && inUse >= 0 && w.tokens[inUse].verdict == accepted && w.tokens[inUse].account > 0 {
		w.pinned = w.tokens[inUse].account
		w.reassessLocked()
	}
}

// inUseOf returns the token in use, verified or not, and -1 if there is none.
func inUseOf(snap *health.Snapshot) int {
	return slices.Index(modelFingerprints, snap.TokenFingerprint())
}

// beforeCall complains about a call that must not be made.
func (w *modelWorld) beforeCall(call *modelCall) {
	snap := w.checker.Snapshot()
	inUse := inUseOf(snap)
	w.checkSnapshot(snap)
	known, justNow := w.source.offers(call.sentAt)
	w.mu.Lock()
	defer w.mu.Unlock()
	rec := &w.tokens[call.token]
	w.lookLocked(snap)
	// A call may have been decided upon just before its token was replaced, and the one after it
	// too.
	justReplaced := rec.replacedAt == call.sentAt
	rec.inFlight++
	w.traceLocked("call about token %d", call.token)
	w.count.calls[call.token]++
	if call.token == inUse {
		w.count.inUse++
	}
	all := 0
	for i := range w.tokens {
		// The call about a superseded token need not be cancelled. After a read with an error the
		// model does not know which tokens those are.
		if w.tokens[i].offered || i == inUse && w.worksLocked(i) {
			all += w.tokens[i].inFlight
		}
	}
	switch {
	case w.closed && call.sentAt > w.closedAt:
		w.complainLocked("a call after Close")
	case w.resting && call.sentAt > w.startEnded:
		w.complainLocked("a call although the checker is not started")
	case rec.inFlight > 1:
		w.complainLocked("%d calls about token %d at once", rec.inFlight, call.token)
	case all > 2 && !justNow:
		w.complainLocked("%d calls at once", all)
	case call.sentBoot < rec.held:
		w.complainLocked("a call about token %d, which is held until %v", call.token, rec.held)
	case call.token != inUse && !known[call.token] && !justReplaced:
		w.complainLocked("a call about token %d, which is neither in use nor offered", call.token)
	}
}

// endCall notes what the checker is told.
func (w *modelWorld) endCall(call *modelCall, answer modelAnswer) {
	snap := w.checker.Snapshot()
	inUse := inUseOf(snap)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookLocked(snap)
	now, rec, c := w.now(), &w.tokens[call.token], w.config
	verdict := w.verdictOnLocked(answer)
	rec.inFlight--
	w.traceLocked("call about token %d ends: %v", call.token, answer)
	rec.ended[verdict] = now
	rec.silent = verdict == noVerdict
	if verdict != noVerdict {
		rec.verdict, rec.forgotten = verdict, false
	}
	if answer.limited() {
		most := min(time.Hour, c.maxStale/2)
		hold := max(time.Second, min(answer.hold(), most))
		rec.heldMost = now + hold
		if call.token == inUse {
			w.held = max(w.held, now+hold)
		}
		if call.token == inUse && rec.sent != never {
			// One call stays possible before the last good answer is too old.
			hold = max(time.Second, min(hold, rec.sentBoot+c.maxStale-c.timeout-time.Second-w.boot()))
		}
		rec.held = w.boot() + hold
	}
	switch verdict {
	case accepted, otherAccount:
		w.genuine[modelGood{call.token, answer.account, call.sentAt}] = true
		w.genuine[modelGood{call.token, answer.account, call.sentBoot}] = true
		rec.refusalsLeast, rec.refusalsMost, rec.refusedSent, rec.refusedEnd = 0, 0, never, never
		rec.sent = never
		if verdict == accepted {
			rec.sent, rec.sentBoot, rec.account = call.sentAt, call.sentBoot, answer.account
			rec.poor = answer.kind == acceptsPoor
			if c.lowBalanceFails && rec.poor {
				rec.endedPoor = now
			} else {
				w.verifiedAt = now
			}
		}
	case refusedIt:
		w.count.refusals++
		if rec.refusedEnd == never || call.sentAt >= rec.refusedEnd+c.recheck {
			rec.refusalsLeast++
			rec.refusedEnd = now
		}
		if rec.refusedSent == never || call.sentBoot >= rec.refusedSent+c.recheck {
			rec.refusalsMost++
			rec.refusedSent = call.sentBoot
		}
	}
}

// suspend puts the machine to sleep: no timer runs, and the monotonic clock stands still.
func (w *modelWorld) suspend(d time.Duration) {
	inUse := inUseOf(w.checker.Snapshot())
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	w.wokenFrom = modelWake{token: -1}
	if inUse >= 0 && d > 2*w.config.interval && w.steadyLocked(inUse, now) {
		until := now + 5*time.Second + w.config.timeout + time.Second
		if w.tokens[inUse].inFlight > 0 { // the next call follows the one that was interrupted
			until += w.config.timeout
		}
		w.wokenFrom = modelWake{token: inUse, at: now, until: until}
	}
	w.asleep.Add(int64(d))
	w.slept = now
}

func (w *modelWorld) noteRefresh() { w.note(func(c *modelCount) { c.refreshes++ }) }

func (w *modelWorld) noteChanged() { w.note(func(c *modelCount) { c.changed++ }) }

func (w *modelWorld) note(f func(*modelCount)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.count)
}

// idle reports whether the checker does nothing: it is not started, or closed.
func (w *modelWorld) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.resting || w.closed
}

// noteRead is called when a read or a look begins, the n-th at once.
func (w *modelWorld) noteRead(n int, read bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if read {
		w.count.reads++
		w.traceLocked("read")
	}
	switch {
	case n > 1:
		w.complainLocked("%d reads of the source at once", n)
	case w.closed && w.now() > w.closedAt:
		w.complainLocked("a read of the source after Close")
	case w.resting && w.now() > w.startEnded:
		w.complainLocked("a read of the source although the checker is not started")
	}
}

// noteOffered is called when a read delivers tokens.
func (w *modelWorld) noteOffered(tokens []int) {
	inUse := inUseOf(w.checker.Snapshot())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forgetLocked(inUse)
	for i := range w.tokens {
		w.tokens[i].offered = slices.Contains(tokens, i)
	}
	w.forgetLocked(inUse)
}

// forgetLocked notes which tokens are neither offered nor in use: the engine may forget them.
func (w *modelWorld) forgetLocked(inUse int) {
	for i := range w.tokens {
		if rec := &w.tokens[i]; !rec.offered && i != inUse {
			rec.forgotten, rec.held = true, 0
			if w.lastOpen == i {
				w.lastOpen = -1
			}
		}
	}
}
