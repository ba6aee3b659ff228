package health_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// No replica, or several or the platform itself, had trouble.
const (
	noneSick = -1
	manySick = -2
)

// fleetTokens is how many tokens there are in a script about a fleet.
const fleetTokens = 2

// fleetConfig has the options of all replicas.
type fleetConfig struct {
	replicas                             int
	interval, timeout, maxStale, recheck time.Duration
	threshold                            int
	crowd                                int           // how many more replicas the store counts
	latency                              time.Duration // of the platform
	seed                                 uint64        // of the jitter
}

// limit is how long an operation of the store may take, lease how long a lease lasts.
func (c fleetConfig) limit() time.Duration {
	return max(10*time.Millisecond, min(250*time.Millisecond, c.interval/20))
}

func (c fleetConfig) lease() time.Duration { return c.timeout + 2250*time.Millisecond }

// lastDue is the age of a verdict at which a replica asks by itself at the latest.
func (c fleetConfig) lastDue() time.Duration {
	return c.maxStale - c.timeout - c.interval/20 - c.limit() - c.interval/4 // wherever its place is
}

// again is how long after the end of an outage the platform is asked again and has answered: a
// backoff or the open breaker ends, and a call follows.
func (c fleetConfig) again() time.Duration {
	breakerOpen := min(30*time.Second, c.maxStale/4)
	return max(c.interval, breakerOpen)*11/10 + c.interval/20 + c.timeout + 2*c.limit()
}

// reaction is how long after all trouble has ended the replicas know what the platform says.
func (c fleetConfig) reaction() time.Duration {
	confirm := time.Duration(c.threshold) * (c.recheck + time.Second + c.lease())
	// Many replicas look and call at different times.
	looks, calls := time.Duration(c.crowd)*time.Millisecond, time.Duration(c.crowd)*10*time.Millisecond
	apart := min(looks, c.interval) + min(calls, c.maxStale)
	return c.interval*22/10 + 2*c.timeout + 2*c.lease() + confirm + 2*apart
}

// fleetWorld is everything around the checkers of a fleet. It notes what they do, and complains
// about what they must not do.
type fleetWorld struct {
	config fleetConfig
	born   time.Time
	store  *fleetStore

	mu       sync.Mutex
	problems []string
	trace    []string
	tokens   [fleetTokens]fleetToken
	replicas []*fleetReplica
	others   int           // how many replicas have trouble of their own
	quiet    time.Duration // since when the store works, and nothing has happened to it
	spotless bool          // the store has worked since the beginning
	honest   time.Duration // since when the store does not lie
	calm     bool          // the platform has accepted every call since the beginning
	sick     int           // the only replica that had trouble so far; noneSick or manySick
	count    fleetCount
}

// fleetToken is the platform's view of a token.
type fleetToken struct {
	answer    modelKind
	since     time.Duration // of the answer
	heldUntil time.Duration // by a 429
	accepted  []fleetCall
	refused   []fleetCall
	inFlight  int
}

// fleetCall is a call that has ended.
type fleetCall struct{ sentAt, endedAt time.Duration }

// fleetReplica is one checker.
type fleetReplica struct {
	w       *fleetWorld
	number  int
	checker *health.Checker
	holds   atomic.Int32 // the token in its source

	trouble  modelKind     // instead of every answer, accepts if there is none
	since    time.Duration // of the trouble, of its end, or of the start
	switched time.Duration // when its source got another token
	open     int           // the token with which it was open last, -1 if it never was
	verified time.Duration // VerifiedAt then
	starting bool
	started  bool
	calls    int // in flight
	closed   bool
	pending  sync.WaitGroup
}

// fleetCount is what happened since the step began.
type fleetCount struct {
	since  time.Duration
	calls  [fleetTokens]int
	forced int // refreshes, starts and rotations
}

func newFleetWorld(c fleetConfig) (*fleetWorld, error) {
	w := &fleetWorld{
		config: c, born: time.Now(), store: newFleetStore(c.limit()), spotless: true, calm: true, sick: noneSick,
	}
	w.store.crowd = c.crowd
	w.store.trace = func(format string, args ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.traceLocked(format, args...)
	}
	for i := range c.replicas {
		r := &fleetReplica{w: w, number: i}
		w.replicas = append(w.replicas, r)
		if err := r.join(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *fleetWorld) now() time.Duration { return time.Since(w.born) }

func (w *fleetWorld) complainLocked(format string, args ...any) {
	if len(w.problems) < 3 {
		w.problems = append(w.problems, fmt.Sprintf("%v: ", w.now())+fmt.Sprintf(format, args...))
	}
}

func (w *fleetWorld) traceLocked(format string, args ...any) {
	if *modelTrace && len(w.problems) == 0 {
		w.trace = append(w.trace, fmt.Sprintf("    %v ", w.now())+fmt.Sprintf(format, args...))
	}
}

func (w *fleetWorld) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(append(w.problems, w.trace[max(0, len(w.trace)-400):]...), "\n"))
}

// join makes a checker and starts it in the background.
func (r *fleetReplica) join() error {
	c := r.w.config
	client, err := requester.New(requester.Production,
		requester.WithHTTPClient(&http.Client{Transport: r}), requester.WithTimeout(c.timeout))
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(c.seed, uint64(r.number)))
	jitter := make([]float64, 97)
	for i := range jitter {
		jitter[i] = random.Float64()
	}
	checker, err := health.New(r,
		health.WithClient(client), health.WithShared(r.w.store), health.WithJitter(jitter...),
		health.WithInterval(c.interval), health.WithMaxStale(c.maxStale),
		health.WithRejectionThreshold(c.threshold), health.WithRejectionRecheck(c.recheck),
		health.OnChange(func(_, snap *health.Snapshot) { r.look(snap) }))
	if err != nil {
		return err
	}
	r.w.mu.Lock()
	r.checker, r.open, r.starting, r.started, r.closed = checker, -1, true, false, false
	r.w.mu.Unlock()
	r.pending.Go(func() {
		err := checker.Start(context.Background())
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		r.starting, r.started = false, err == nil
		r.w.traceLocked("replica %d: Start returns %v", r.number, err)
		r.since = r.w.now()
	})
	return nil
}

// runs reports whether the checker was started, or is being started.
func (r *fleetReplica) runs() bool {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.starting || r.started
}

// leave closes the checker.
func (r *fleetReplica) leave() {
	r.w.mu.Lock()
	r.closed, r.started = true, false
	if r.trouble != accepts {
		r.w.sick = manySick // its successor has another name
	}
	if r.calls > 0 {
		r.w.spotless = false // its lease lasts to its end
	}
	r.w.mu.Unlock()
	_ = r.checker.Close()
	r.pending.Wait()
}

// Token is what the source holds.
func (r *fleetReplica) Token(context.Context) (credentials.Token, error) {
	return modelTokenValues[r.holds.Load()], nil
}

// RoundTrip answers as the script says at the moment when the call begins.
func (r *fleetReplica) RoundTrip(req *http.Request) (*http.Response, error) {
	w := r.w
	w.mu.Lock()
	i := modelTokenOf(req.Header.Get("Authorization"))
	t := &w.tokens[i]
	kind, sentAt := t.answer, w.now()
	if r.trouble != accepts {
		kind = r.trouble
	}
	// Before its last good answer is too old a replica may ask by itself.
	shared := r.open != i || sentAt < r.verified+w.config.lastDue()
	if shared {
		t.inFlight++
	}
	r.calls++
	w.count.calls[i]++
	w.traceLocked("replica %d: call about token %d: %s", r.number, i, modelKindNames[kind])
	if shared && t.inFlight > 1 && w.alone() {
		w.complainLocked("%d calls about token %d at once", t.inFlight, i)
	}
	w.mu.Unlock()
	late := false
	if kind == hangs {
		<-req.Context().Done()
	} else {
		select {
		case <-time.After(w.config.latency):
		case <-req.Context().Done():
			late = true
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r.calls--
	if shared {
		t.inFlight--
	}
	if kind == hangs || late {
		return nil, req.Context().Err()
	}
	switch kind {
	case accepts:
		t.accepted = append(t.accepted, fleetCall{sentAt, w.now()})
	case refuses:
		t.refused = append(t.refused, fleetCall{sentAt, w.now()})
	case limitsSeconds:
		t.heldUntil = w.now() + 7*time.Second
	}
	return modelAnswer{kind: kind, account: 1}.response(req)
}

// alone reports whether there must be at most one call about a token at a time: the store works,
// and no lease from before can be held.
func (w *fleetWorld) alone() bool { return w.spotless && w.others == 0 }

// change changes something, and notes when.
func (w *fleetWorld) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// answer changes what the platform says about a token.
func (w *fleetWorld) answer(token int, kind modelKind) {
	w.change(func() {
		if t := &w.tokens[token]; t.answer != kind {
			t.answer, t.since = kind, w.now()
		}
		w.calm = w.calm && kind == accepts
		if kind != accepts && kind != refuses {
			w.sick = manySick
		}
	})
}

// troubles changes what happens to the calls of one replica.
func (w *fleetWorld) troubles(r *fleetReplica, kind modelKind) {
	w.change(func() {
		if r.trouble != kind {
			r.trouble, r.since = kind, w.now()
		}
		switch {
		case kind == accepts || w.sick == r.number:
		case w.sick == noneSick:
			w.sick = r.number
		default:
			w.sick = manySick
		}
		w.others = 0
		for _, r := range w.replicas {
			if r.trouble != accepts {
				w.others++
			}
		}
		if w.others > 1 {
			for _, r := range w.replicas {
				r.since = w.now()
			}
		}
		w.calm = w.calm && kind == accepts
	})
}

// breaks changes how the store behaves.
func (w *fleetWorld) breaks(f fleetFault) {
	lied := w.store.lies()
	w.store.set(f)
	w.disturb()
	if f == storeMiscounts {
		w.change(func() { w.config.crowd = math.MaxInt32 }) // as the replicas see it
	}
	if lied {
		w.change(func() { w.honest = w.now() })
	}
}

// disturb notes that something happens to the store.
func (w *fleetWorld) disturb() {
	w.change(func() { w.quiet, w.spotless = w.now(), false })
}

func (w *fleetWorld) forced(n int) { w.change(func() { w.count.forced += n }) }

// tokenOf returns the token that is in use by a snapshot, -1 if there is none.
func fleetTokenOf(snap *health.Snapshot) int {
	return slices.Index(modelFingerprints[:fleetTokens], snap.TokenFingerprint())
}
