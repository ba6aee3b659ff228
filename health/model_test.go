package health_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// The checker does what the design's tables say, whatever the platform answers, the source holds and the service asks for.
//
// The scripts are the same at every run, so that a change is to blame when one fails; -rapid.seed=N draws others.
func TestModel(t *testing.T) {
	var steps atomic.Int64
	seen := &modelTally{}
	seed := flag.Lookup("rapid.seed").Value
	first, err := strconv.ParseUint(seed.String(), 10, 64)
	require.NoError(t, err)
	defer func() { _ = seed.Set(strconv.FormatUint(first, 10)) }()
	for next := max(first, 1); steps.Load() < modelSteps && !t.Failed(); next += 1 << 20 {
		require.NoError(t, seed.Set(strconv.FormatUint(next, 10)))
		rapid.Check(t, func(rt *rapid.T) {
			// Inside a bubble rapid panics: draw outside, replay inside, fail outside.
			s := drawScript(rt)
			var err error
			synctest.Test(t, func(t *testing.T) {
				var done int
				done, err = replay(s, seen)
				steps.Add(int64(done))
			})
			if err != nil {
				rt.Fatalf("%v\n%v", err, s)
			}
		})
	}
	t.Logf("%d steps", steps.Load())
	assert.GreaterOrEqual(t, steps.Load(), int64(modelSteps))
	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		t.Logf("%d times %v", seen.times(reason), reason)
		assert.Greater(t, seen.times(reason), int64(modelSteps/2000), "scripts that hardly ever reach %v show nothing of it", reason)
	}
}

// modelTally counts after how many steps each reason was the primary one.
type modelTally [health.ReasonVerified + 1]atomic.Int64

func (x *modelTally) times(reason health.Reason) int64 { return x[reason].Load() }

// modelRun is one replay of a script.
type modelRun struct {
	born     time.Time
	options  modelOptions
	platform *modelPlatform
	source   *modelSource
	trace    *modelTrace
	log      *logBuffer
	checker  *health.Checker
	ref      *reference

	starting   atomic.Bool
	startEnded atomic.Int64 // when Start returned last
	background atomic.Int64 // callers that have not returned
	last       atomic.Pointer[health.Snapshot]
	closed     bool
}

// replay runs the script in a bubble and returns how many steps it took, and what was wrong.
func replay(s script, seen *modelTally) (int, error) {
	r, err := newModelRun(s)
	if err != nil {
		return 0, err
	}
	defer r.end()
	r.spawn(func() {
		if err := r.checker.WaitVerified(context.Background()); err != nil && !errors.Is(err, health.ErrClosed) {
			r.trace.complain("WaitVerified: %v", err)
		}
	})
	r.start()
	if err := r.settle(); err != nil {
		return 0, fmt.Errorf("at the start: %w", err)
	}
	for i, step := range s.steps {
		r.do(step)
		if err := r.settle(); err != nil {
			return i + 1, fmt.Errorf("after step %d (%v), %v after the start: %w", i, step, r.now(), err)
		}
		seen[r.checker.Snapshot().Reason()].Add(1)
		if r.closed {
			return i + 1, r.end()
		}
	}
	return len(s.steps), r.end()
}

func newModelRun(s script) (*modelRun, error) {
	r := &modelRun{born: time.Now(), options: s.options, trace: &modelTrace{}, log: &logBuffer{}}
	r.platform = &modelPlatform{options: s.options, born: r.born, answers: s.first, events: r.trace, breaker: "closed", goodAt: map[time.Duration]bool{}, verified: map[modelGood]bool{}}
	r.source = &modelSource{born: r.born, events: r.trace, holding: s.source}
	r.ref = &reference{options: s.options, worlds: []modelWorld{newModelWorld()}}
	client, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{Transport: r}))
	if err != nil {
		return nil, err
	}
	opts := append(s.options.list(), health.WithClient(client), health.OnChange(r.changed), health.WithLogger(slog.New(slog.NewTextHandler(r.log, nil))))
	r.checker, err = health.New(r.source.provider(s.options), opts...)
	return r, err
}

// RoundTrip looks at what readers see at the moment of a call.
func (r *modelRun) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := r.sound(r.checker.Snapshot()); err != nil {
		r.trace.complain("%v: at a call: %v", r.now(), err)
	}
	return r.platform.RoundTrip(req)
}

func (r *modelRun) now() time.Duration { return time.Since(r.born) }

func (r *modelRun) spawn(f func()) {
	r.background.Add(1)
	go func() {
		defer r.background.Add(-1)
		f()
	}()
}

// start calls Start in the background.
func (r *modelRun) start() {
	r.starting.Store(true)
	r.resting(false)
	r.spawn(func() {
		begin := r.now()
		err := r.checker.Start(context.Background())
		if err != nil {
			r.resting(true)
		}
		ev := modelEvent{at: r.now(), what: evStarted, started: err}
		if _, hangs := r.source.hangsSince(); hangs {
			ev.err = sourceBroken
		}
		r.trace.add(ev)
		if took := r.now() - begin; took > modelStartTimeout {
			r.trace.complain("Start took %v", took)
		}
		r.startEnded.Store(int64(r.now()))
		r.starting.Store(false)
	})
}

func (r *modelRun) resting(yes bool) {
	r.platform.set(func() { r.platform.resting = yes })
	r.source.set(func() { r.source.resting = yes })
}

func (r *modelRun) do(step modelStep) {
	switch step.action {
	case doSleep:
		time.Sleep(step.sleep)
	case doAnswer:
		r.platform.set(func() { r.platform.answers[step.token] = step.answer })
	case doAnswerAll:
		r.platform.set(func() {
			for i := range r.platform.answers {
				r.platform.answers[i] = step.answer
			}
		})
	case doSource:
		r.source.set(func() { r.source.holding, r.source.changed = step.source, r.now() })
	case doHang, doHangPolite:
		r.source.set(func() {
			if r.source.hang == nil {
				r.source.hang, r.source.polite = make(chan struct{}), step.action == doHangPolite
			}
		})
	case doRelease:
		// Never at the very moment when a read is given up.
		time.Sleep(7 * time.Microsecond)
		r.release()
	case doRefresh:
		r.refresh(context.Background())
	case doRefuse:
		r.do(modelStep{action: doAnswerAll, answer: modelAnswer{kind: saysRefused}})
		r.refresh(context.Background())
	case doRefreshMany:
		r.refreshMany()
	case doRefreshLeft:
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r.refresh(ctx)
	case doRefreshOff:
		r.spawn(func() { r.refresh(context.Background()) })
	case doLoan:
		r.loan()
	case doDrain:
		r.checker.Drain()
		r.trace.add(modelEvent{at: r.now(), what: evDrained})
	case doStart:
		r.startAgain()
	case doClose:
		r.close()
	}
}

func (r *modelRun) release() {
	r.source.set(func() {
		if r.source.hang != nil {
			close(r.source.hang)
			r.source.hang = nil
		}
	})
}

func (r *modelRun) refreshMany() {
	ctx, cancel := context.WithTimeout(context.Background(), 53*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	for i := range 3 {
		ctx := ctx
		if i > 0 {
			ctx = context.Background()
		}
		go func() {
			r.refresh(ctx)
			done <- struct{}{}
		}()
	}
	for range 3 {
		<-done
	}
}

// refresh calls Refresh and holds its result against what was answered meanwhile.
func (r *modelRun) refresh(ctx context.Context) {
	begin, running := r.now(), r.checker.Snapshot().Started()
	err := r.checker.Refresh(ctx)
	now := r.now()
	var (
		notAsked *health.NotAskedError
		verdict  *health.Error
	)
	switch {
	case err == nil:
		if !r.platform.verifiedSince(begin) {
			r.trace.complain("%v: Refresh returned nil, and nothing was verified since %v", now, begin)
		}
	case errors.As(err, &notAsked):
		if left := r.platform.blocked() - now; left <= 0 || (notAsked.Wait-left).Abs() > 2*time.Millisecond {
			r.trace.complain("%v: Refresh returned %v, and nothing is to be asked for %v", now, err, left)
		}
	case errors.Is(err, health.ErrClosed):
		if !r.checker.Snapshot().Reasons().Has(health.ReasonClosed) {
			r.trace.complain("%v: Refresh returned ErrClosed on an open checker", now)
		}
	case errors.Is(err, health.ErrNotStarted):
		if running {
			r.trace.complain("%v: Refresh returned ErrNotStarted on a running checker", now)
		}
	case errors.As(err, &verdict):
		if verdict.Reason != health.ReasonRejected && verdict.Reason != health.ReasonWrongAccount {
			r.trace.complain("%v: Refresh returned a verdict of %v", now, verdict.Reason)
		}
	case requester.ClassOf(err) == requester.Cancelled && ctx.Err() == nil:
		r.trace.complain("%v: Refresh failed by somebody else's context: %v", now, err)
	}
	if ctx.Err() != nil && now > begin+53*time.Millisecond {
		r.trace.complain("Refresh did not return with its context: it took %v", now-begin)
	}
	if now-begin > 2*time.Minute {
		r.trace.complain("Refresh took %v", now-begin)
	}
}

func (p *modelPlatform) verifiedSince(begin time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.verifiedAt >= begin && p.calls > 0
}

// verifiedThen reports whether a good answer arrived just then.
func (p *modelPlatform) verifiedThen(at time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.goodAt[at]
}

// loan lends a token to a request that is answered with 401.
func (r *modelRun) loan() {
	req, err := http.NewRequest(http.MethodGet, "https://toloka.dev/api/v1/pools", nil)
	if err != nil {
		r.trace.complain("%v", err)
		return
	}
	loan, err := r.checker.Lend(req)
	if (err == nil) != r.checker.Snapshot().Open() {
		r.trace.complain("%v: Lend: %v, open: %v", r.now(), err, r.checker.Snapshot().Open())
	}
	if err != nil {
		return
	}
	loan.Authorize(req.Header)
	before := req.Header.Get("Authorization")
	if next := loan.Refused(context.Background()); next != nil {
		other := http.Header{}
		next.Authorize(other)
		if other.Get("Authorization") == before {
			r.trace.complain("%v: the same token was lent again after it was refused", r.now())
		}
	}
}

func (r *modelRun) startAgain() {
	switch started := r.checker.Snapshot().Started(); {
	case started || r.starting.Load():
		if err := r.checker.Start(context.Background()); !errors.Is(err, health.ErrStarted) {
			r.trace.complain("a second Start returned %v", err)
		}
	default:
		r.start()
	}
}

func (r *modelRun) close() {
	begin := r.now()
	if err := r.checker.Close(); err != nil {
		r.trace.complain("Close: %v", err)
	}
	if r.now() > begin {
		r.trace.complain("Close took %v", r.now()-begin)
	}
	r.closed = true
	r.platform.set(func() { r.platform.closed = true })
	r.trace.add(modelEvent{at: r.now(), what: evClosed})
}

// end closes the checker and looks whether everybody was let go.
func (r *modelRun) end() error {
	if !r.closed {
		r.close()
	}
	synctest.Wait()
	if n := r.background.Load(); n > 0 {
		r.trace.complain("%d callers are still waiting after Close", n)
	}
	r.release()
	synctest.Wait()
	if err := r.checker.Start(context.Background()); !errors.Is(err, health.ErrClosed) {
		r.trace.complain("Start after Close: %v", err)
	}
	if err := r.checker.Refresh(context.Background()); !errors.Is(err, health.ErrClosed) {
		r.trace.complain("Refresh after Close: %v", err)
	}
	for _, line := range r.log.take() {
		for i := range modelTokens {
			if strings.Contains(line, modelTokenValue(i)) {
				r.trace.complain("the log has token %d: %s", i, line)
			}
		}
	}
	return errors.Join(r.settle(), r.trace.err())
}

// hurried reports whether a read that began then has less than its whole time: a call has to be possible before the last good
// answer is too old, and no answer takes longer than the timeout.
func (r *modelRun) hurried(since time.Duration) bool {
	hurried := false
	r.platform.set(func() {
		last := time.Duration(-1)
		for at := range r.platform.goodAt {
			if at <= since {
				last = max(last, at)
			}
		}
		hurried = last >= 0 && since-last+3*modelTimeout > r.options.maxStale
	})
	return hurried
}

// settle lets everything happen that happens without time passing, and compares.
func (r *modelRun) settle() error {
	synctest.Wait()
	now := r.now()
	for _, ev := range r.trace.take() {
		r.ref.apply(ev)
		if ev.what == evStarted {
			if err := r.ref.mayStart(ev.started); err != nil {
				return err
			}
		}
	}
	if since, hangs := r.source.hangsSince(); hangs {
		switch {
		case now-since >= modelTimeout:
			r.ref.apply(modelEvent{at: now, what: evSourceHung})
		case time.Duration(r.startEnded.Load()) >= since, r.hurried(since) && now-since >= time.Second:
			r.ref.apply(modelEvent{at: now, what: evMaybeHung})
		}
	}
	snap := r.checker.Snapshot()
	predicted := r.ref.worlds
	if !r.ref.seen(snap, now) {
		return r.mismatch(snap, predicted, now)
	}
	if err := r.sound(snap); err != nil {
		return err
	}
	if err := r.lively(now); err != nil {
		return err
	}
	return r.trace.err()
}

func (r *modelRun) mismatch(snap *health.Snapshot, predicted []modelWorld, now time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "the checker shows %v (%v), readiness %v, started %v, token %s, cause %v; predicted",
		snap.Status(), snap.Reasons(), snap.Readiness(), snap.Started(), snap.TokenFingerprint(), snap.Cause())
	for _, w := range predicted {
		set := r.ref.reasons(w, now)
		primary, status := r.ref.primary(set)
		fmt.Fprintf(&b, "\n\t%v (%v, primary %v) in the world %+v", status, set, primary, w)
	}
	return errors.New(b.String())
}

// sound holds a snapshot against what must be true of every one.
func (r *modelRun) sound(snap *health.Snapshot) error {
	token, err := snap.Token()
	account, err2 := snap.Account()
	if snap.Open() != (err == nil) || snap.Open() != (err2 == nil) || snap.Open() != (snap.Check() == nil) || snap.Open() != (snap.Status() != health.StatusFail) {
		return fmt.Errorf("open %v, status %v, Check %v, Token %v, Account %v", snap.Open(), snap.Status(), snap.Check(), err, err2)
	}
	if snap.Ready() != (snap.Readiness() != health.StatusFail) {
		return fmt.Errorf("ready %v, readiness %v", snap.Ready(), snap.Readiness())
	}
	if snap.Readiness() != snap.Status() && !snap.Draining() && !(r.options.readyWhileUnreachable && snap.Reason() == health.ReasonUnreachable) {
		return fmt.Errorf("readiness %v and status %v differ for no reason", snap.Readiness(), snap.Status())
	}
	if !snap.Open() {
		return nil
	}
	if age := time.Since(snap.VerifiedAt()); age > r.options.maxStale {
		return fmt.Errorf("open, and the last good answer is %v old", age)
	}
	return r.platform.hasVerified(token, snap.VerifiedAt().Sub(r.born), account)
}

// hasVerified complains unless it has told that this very token belongs to this account, in an answer to a call made then.
func (p *modelPlatform) hasVerified(token credentials.Token, sentAt time.Duration, account *requester.Account) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range modelTokens {
		if token.Reveal() != modelTokenValue(i) {
			continue
		}
		if p.verified[modelGood{int8(i), sentAt, account.ID()}] {
			return nil
		}
		return fmt.Errorf("token %d is lent as of %s, and was not verified as that by a call at %v", i, account.ID(), sentAt)
	}
	return errors.New("a token is lent that the source never had")
}

// lively: nothing keeps the checker from asking at its pace.
func (r *modelRun) lively(now time.Duration) error {
	if r.closed {
		return nil
	}
	p := r.platform
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inFlight != [modelTokens]int{} {
		return nil
	}
	free := max(p.heldUntil, time.Duration(r.startEnded.Load()), r.source.changed)
	if p.breaker == "open" {
		free = max(free, p.openUntil+time.Millisecond)
	}
	for _, w := range r.ref.worlds {
		if !w.started || !w.loaded || w.inUse < 0 {
			return nil
		}
		// Before each call the source is read.
		patience := r.options.interval + 2*modelTimeout
		if w.verdict == vConfirming && r.ref.last.kind.class() == isRejected {
			patience = modelRecheck + 2*modelTimeout
		}
		if idle := now - max(free, p.lastCall); idle > patience {
			return fmt.Errorf("nothing was asked for %v", idle)
		}
		since := max(free, p.asked[w.inUse])
		for _, before := range w.offered[:max(w.rank(w.inUse), 0)] {
			if p.said[before].kind.class() != isRejected {
				return nil // 'the second is tried at the first's refusal'
			}
			since = max(since, p.saidAt[before]-r.options.interval)
		}
		if w.rank(w.inUse) >= 0 && now-since > patience+modelTokens*modelTimeout+r.options.interval {
			return fmt.Errorf("token %d is in use, and was not asked about for %v", w.inUse, now-since)
		}
	}
	return nil
}

// changed is the checker's callback.
func (r *modelRun) changed(old, snap *health.Snapshot) {
	if last := r.last.Swap(snap); last != nil && last != old {
		r.trace.complain("%v: OnChange: old is not what new was in the call before", r.now())
	}
	if !old.Open() && snap.Open() && !r.platform.verifiedThen(snap.Since().Sub(r.born)) {
		r.trace.complain("%v: the gate has opened without a verification: %v -> %v", r.now(), old.Reasons(), snap.Reasons())
	}
	if snap.Open() {
		token, _ := snap.Token()
		account, _ := snap.Account()
		if err := r.platform.hasVerified(token, snap.VerifiedAt().Sub(r.born), account); err != nil {
			r.trace.complain("%v: OnChange: %v", r.now(), err)
		}
	}
	if snap.Reasons().Has(health.ReasonRejected) && !r.platform.hasRefused(r.options.threshold) {
		r.trace.complain("%v: OnChange: rejected, and no token was refused %d times", r.now(), r.options.threshold)
	}
}

func (p *modelPlatform) hasRefused(times int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.refusals {
		if n >= times {
			return true
		}
	}
	return false
}
