package health

import (
	"errors"
	"flag"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/platform"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
	"github.com/tolokacheck/tolokacheck/internal/simulation"
)

var simulatedReplicas = flag.Int("replicas", 300, "replicas in TestSimulation")

// TestSimulation runs fleets of checkers through outages, losses and rotations, and prints what
// they cost. Only the decisions are real: calls, looks and time are simulated.
func TestSimulation(t *testing.T) {
	fleets := newSimulatedFleets(t, *simulatedReplicas)
	scenarios := simulation.Scenarios()
	rows := make([][]simulation.Row, len(scenarios))
	t.Run("scenarios", func(t *testing.T) {
		for i, s := range scenarios {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				rows[i] = s.Run(fleets.config)
				for _, r := range rows[i] {
					for _, failure := range r.Failures {
						t.Error(failure)
					}
				}
			})
		}
	})
	t.Logf("%d replicas:\n%s", *simulatedReplicas, simulation.Table(slices.Concat(rows...)))
}

// simulatedFleets is what all simulated replicas have in common.
type simulatedFleets struct {
	config  simulation.Config
	cfg     *config
	account *requester.Account
	tokens  []credentials.Token
	stats   stats
	fleet   sharing.Stats
}

func newSimulatedFleets(t *testing.T, replicas int) *simulatedFleets {
	f := &simulatedFleets{}
	var err error
	f.cfg, err = newConfig(nil)
	require.NoError(t, err)
	f.account, err = requester.ParseAccount([]byte(`{"id":"a"}`))
	require.NoError(t, err)
	for i := range 2 {
		token, err := credentials.ParseToken("simulated-token-" + strconv.Itoa(i))
		require.NoError(t, err)
		f.tokens = append(f.tokens, token)
	}
	f.config = simulation.Config{
		Replicas:     replicas,
		New:          f.start,
		CallTimeout:  f.cfg.pace.timeout,
		RedisTimeout: lookLimit(f.cfg.pace),
	}
	return f
}

// simulated is a checker without its I/O.
type simulated struct {
	fleets *simulatedFleets
	spec   simulation.Spec
	m      machine
}

// start is what New and Start do.
func (f *simulatedFleets) start(spec simulation.Spec) simulation.Replica {
	s := &simulated{fleets: f, spec: spec}
	p := f.cfg.pace
	p.breakerOpen = spread(p.breakerOpen, spec.Random())
	s.m = machine{
		rules:   f.cfg.rules,
		pace:    p,
		jitter:  spec.Random,
		breaker: s.newBreaker,
		cache:   newAccounts(),
		stats:   &f.stats,
		records: make(map[string]*record),
		source:  sourceState{name: func() string { return "simulated" }},
		fleet: newFleet(strconv.Itoa(spec.Index), p, &f.fleet,
			func(credentials.Token) sharing.Keys { return sharing.Keys{} }),
		begun:    true,
		starting: true,
	}
	s.m.fleet.place = spec.Random()
	return s
}

// newBreaker returns a breaker that is open for no time at all: it reads the clock of this machine,
// and the machine under test waits by itself for as long as it knows the breaker to be open.
func (s *simulated) newBreaker() *platform.Breaker {
	return platform.NewBreaker(platform.Settings{
		Failures: s.fleets.cfg.breakerFailures,
		Open:     time.Nanosecond,
		Hold:     func() bool { return s.m.starting },
	})
}

// instant returns the machine's time.
func (s *simulated) instant(clock time.Duration) instant { return clock - s.spec.Clock }

// lookTag belongs to a look that is under way.
type lookTag struct {
	r     *record
	began instant
}

// Plan is a step of the loop.
func (s *simulated) Plan(clock time.Duration, io simulation.IO) simulation.State {
	now := s.instant(clock)
	next := s.m.plan(now)
	s.carryOut(now, next, io)
	for next.read { // the source answers at once
		s.m.sourceRead(now, reading{tokens: []credentials.Token{s.fleets.tokens[s.spec.Token]}})
		next = s.m.plan(now)
		s.carryOut(now, next, io)
	}
	reason := s.m.reasons(now).primary()
	open := reason.Status() != StatusFail
	if limit := s.fleets.cfg.startupTimeout; s.m.starting && (open || now >= limit) {
		s.endStart(open)
		next.wake = now
	} else if s.m.starting {
		next.wake = min(next.wake, limit)
	}
	return simulation.State{Wake: next.wake + s.spec.Clock, Open: open, Reason: reason.String()}
}

// endStart is the end of Start.
func (s *simulated) endStart(verified bool) {
	if !verified {
		s.m.timeUp(s.fleets.cfg.startupTimeout)
	}
	s.m.settle()
	s.m.started = true
}

// carryOut starts what was planned.
func (s *simulated) carryOut(now instant, next todo, io simulation.IO) {
	for _, r := range next.ask {
		io.Ask(s.spec.Token, r)
	}
	for _, l := range next.look {
		io.Look(s.spec.Token, l.query, lookTag{l.r, now})
	}
	for _, p := range next.put {
		a := p.answer
		a.Replica = s.m.fleet.id
		a.SentAt, a.Latency = time.Time{}, 0
		io.Put(s.spec.Token, shared.Answer{
			Fence: a.Fence, Lease: p.lease, Trouble: a.Trouble(), Pause: a.Pause,
		}, &a, nil)
	}
}

// Looked delivers a look.
func (s *simulated) Looked(clock time.Duration, tag any, v simulation.View, err error) {
	look := tag.(lookTag)
	view := sharing.View{Lease: v.Lease, Busy: v.Busy, Replicas: v.Replicas}
	if a, ok := v.VerdictValue.(*sharing.Answer); ok {
		copied := *a
		copied.Age = v.Verdict.Age
		view.Verdict = &copied
	}
	if a, ok := v.TroubleValue.(*sharing.Answer); ok {
		copied := *a
		copied.Age, copied.Pause = v.Trouble.Age, v.Trouble.Pause
		view.Trouble = &copied
	}
	s.m.looked(s.instant(clock), look.began, look.r, view, err)
}

// Stored does nothing: the checker does not use the result either.
func (s *simulated) Stored(time.Duration, any, bool, error) {}

// Answered delivers an answer of the platform.
func (s *simulated) Answered(clock time.Duration, tag any, got simulation.Answer) {
	r := tag.(*record)
	a := platform.Answer{
		SentAt:   time.Unix(0, 0).Add(clock - got.Latency),
		Latency:  got.Latency,
		Answered: got.Status > 0,
	}
	switch got.Status {
	case 0:
		a.Err = errors.New("no route to host")
	case 200:
		a.Account = s.fleets.account
	default:
		a.Err = &requester.APIError{StatusCode: got.Status, RetryAfter: got.RetryAfter}
		a.RetryAfter = got.RetryAfter
	}
	a.Class = requester.ClassOf(a.Err)
	answer := r.breaker.Do(func() platform.Answer { return a })
	s.m.answer(s.instant(clock), r, answer)
}
