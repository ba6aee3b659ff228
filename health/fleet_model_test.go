package health_test

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var fleetScripts = flag.Int("model.fleets", 100, "how many scripts TestFleetModel replays")

// TestFleetModel replays random scripts about a fleet and its store, and checks the rules that
// bind whatever the store does. The scripts are the same in every run: -rapid.seed=N draws others.
func TestFleetModel(t *testing.T) {
	t.Parallel() // the only model that does: rapid has one seed for all
	seed := flag.Lookup("rapid.seed").Value
	first, err := strconv.ParseUint(seed.String(), 10, 64)
	require.NoError(t, err)
	defer func() { _ = seed.Set(strconv.FormatUint(first, 10)) }()
	var failure error
	done := 0
	run := func(s fleetScript) (err error) {
		synctest.Test(t, func(*testing.T) { err = s.replay() })
		return err
	}
	for next := max(first, 1); done < *fleetScripts && !t.Failed(); next += 1 << 20 {
		require.NoError(t, seed.Set(strconv.FormatUint(next, 10)))
		rapid.Check(t, func(rt *rapid.T) {
			s := drawFleetScript(rt) // outside the bubble, in which rapid panics
			if failure == nil && done < *fleetScripts {
				done++
				if err := run(s); err != nil {
					s, err = s.reduce(err, run)
					failure = fmt.Errorf("%w\n%v", err, s)
				}
			}
			if failure != nil {
				rt.Fatalf("%v", failure)
			}
		})
	}
	t.Logf("%d scripts", done)
}

type fleetAction uint8

const (
	fleetWaits fleetAction = iota
	fleetAnswers
	fleetAllAnswer
	fleetTroubles
	fleetStoreIs
	fleetStoreClears
	fleetStoreMarks // what a failover returns to
	fleetStoreFailsOver
	fleetRefreshes
	fleetRotates
	fleetRestarts
	fleetActions
)

// fleetStep is an action, and how long the script waits after it.
type fleetStep struct {
	action         fleetAction
	replica, token int
	kind           modelKind
	fault          fleetFault
	then           time.Duration
}

func (s fleetStep) String() string {
	what := [fleetActions]string{
		"nothing",
		fmt.Sprintf("token %d is answered: %s", s.token, modelKindNames[s.kind]),
		fmt.Sprintf("all tokens are answered: %s", modelKindNames[s.kind]),
		fmt.Sprintf("replica %d meets: %s", s.replica, modelKindNames[s.kind]),
		"the store " + fleetFaultNames[s.fault],
		"the store loses everything", "checkpoint of the store", "the store fails over",
		fmt.Sprintf("replica %d refreshes", s.replica),
		fmt.Sprintf("replica %d gets token %d", s.replica, s.token),
		fmt.Sprintf("replica %d restarts", s.replica),
	}
	return fmt.Sprintf("%s; wait %v", what[s.action], s.then)
}

// fleetScript is everything that happens to a fleet. It is drawn before the bubble in which it is
// replayed.
type fleetScript struct {
	config fleetConfig
	steps  []fleetStep
	end    modelKind // what the platform answers in the end: accepts or refuses
}

func (s fleetScript) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "config %+v\n", s.config)
	for i, step := range s.steps {
		fmt.Fprintf(&b, "%3d %v\n", i, step)
	}
	fmt.Fprintf(&b, "in the end: %s\n", modelKindNames[s.end])
	return b.String()
}

func drawFleetScript(t *rapid.T) fleetScript {
	pick := func(name string, all ...time.Duration) time.Duration { return rapid.SampledFrom(all).Draw(t, name) }
	c := fleetConfig{
		replicas: rapid.SampledFrom([]int{3, 3, 1, 2, 4, 5}).Draw(t, "replicas"),
		interval: time.Minute, timeout: 5 * time.Second, maxStale: 15 * time.Minute, recheck: time.Second,
		threshold: 2, seed: rapid.Uint64Range(1, 1<<20).Draw(t, "jitter"),
	}
	if rapid.Bool().Draw(t, "options") {
		c.interval = pick("interval", 10*time.Second, 30*time.Second, 3*time.Second)
		c.timeout = pick("timeout", time.Second, 300*time.Millisecond, 3*time.Second)
		c.maxStale = pick("MaxStale", 4, 10)*c.interval + 2*c.timeout
		c.recheck = pick("recheck", time.Second, 2*time.Second, c.interval/2)
		c.threshold = rapid.IntRange(1, 3).Draw(t, "threshold")
	}
	c.crowd = rapid.SampledFrom([]int{0, 0, 0, 500, 20_000}).Draw(t, "crowd")
	c.latency = pick("latency", 10*time.Millisecond, c.timeout/3, c.timeout*9/10)
	step := rapid.Custom(func(t *rapid.T) fleetStep { return drawFleetStep(t, c) })
	s := fleetScript{config: c, steps: rapid.SliceOfN(step, 1, 20).Draw(t, "steps"), end: accepts}
	if rapid.IntRange(0, 2).Draw(t, "end") == 2 {
		s.end = refuses
	}
	return s
}

func drawFleetStep(t *rapid.T, c fleetConfig) fleetStep {
	s := fleetStep{
		action: rapid.SampledFrom([]fleetAction{
			fleetWaits, fleetAnswers, fleetAnswers, fleetAllAnswer, fleetTroubles, fleetTroubles,
			fleetStoreIs, fleetStoreIs, fleetStoreIs, fleetStoreClears, fleetStoreMarks, fleetStoreFailsOver,
			fleetRefreshes, fleetRotates, fleetRestarts,
		}).Draw(t, "action"),
		replica: rapid.IntRange(0, c.replicas-1).Draw(t, "replica"),
		token:   rapid.IntRange(0, fleetTokens-1).Draw(t, "token"),
	}
	switch s.action {
	case fleetAnswers, fleetAllAnswer:
		s.kind = rapid.SampledFrom([]modelKind{
			accepts, accepts, refuses, refuses, answers503, hangs, resets, limitsSeconds,
		}).Draw(t, "answer")
	case fleetTroubles:
		s.kind = rapid.SampledFrom([]modelKind{
			accepts, accepts, resets, answers503, hangs, answersHTML403,
		}).Draw(t, "trouble")
	case fleetStoreIs:
		if rapid.Bool().Draw(t, "broken") {
			s.fault = fleetFault(rapid.IntRange(0, int(fleetFaults)-1).Draw(t, "fault"))
		}
	}
	s.then = rapid.SampledFrom([]time.Duration{
		0, c.recheck, c.lease(), c.interval / 3, c.interval, 3 * c.interval, c.maxStale / 2, c.maxStale,
		2 * c.reaction(),
	}).Draw(t, "wait") * rapid.SampledFrom([]time.Duration{101, 37, 130}).Draw(t, "times") / 100
	return s
}

// replay runs the script in a bubble, and returns what was wrong.
func (s fleetScript) replay() error {
	w, err := newFleetWorld(s.config)
	if err != nil {
		return err
	}
	defer w.end()
	w.pass(3 * time.Second)
	for i, step := range s.steps {
		w.do(step)
		w.pass(step.then + time.Duration(7*i+3)*time.Microsecond)
		w.checkCounts()
		if err := w.err(); err != nil {
			return fmt.Errorf("in step %d, %v: %w", i, step, err)
		}
	}
	lied := w.store.lies() || w.honest > 0
	w.breaks(storeWorks)
	for i := range fleetTokens {
		w.answer(i, s.end)
	}
	for _, r := range w.replicas {
		w.troubles(r, accepts)
	}
	w.pass(w.config.reaction())
	for _, r := range w.replicas {
		if !r.runs() { // its Start has failed, perhaps with a refusal that was in the store
			w.restart(r)
		}
	}
	w.pass(w.config.reaction())
	if lied {
		w.pass(s.config.maxStale)
	}
	w.checkAgreement()
	return w.err()
}

// pass lets time pass, and looks often.
func (w *fleetWorld) pass(d time.Duration) {
	n := max(1, min(40, d/(w.config.interval/4)))
	for range n {
		time.Sleep(d / n)
		synctest.Wait()
		for _, r := range w.replicas {
			r.look(r.checker.Snapshot())
		}
	}
}

func (w *fleetWorld) do(s fleetStep) {
	r := w.replicas[s.replica]
	w.change(func() { w.traceLocked("%v", s) })
	switch s.action {
	case fleetAnswers:
		w.answer(s.token, s.kind)
	case fleetAllAnswer:
		for i := range fleetTokens {
			w.answer(i, s.kind)
		}
	case fleetTroubles:
		w.troubles(r, s.kind)
	case fleetStoreIs:
		w.breaks(s.fault)
	case fleetStoreClears:
		w.disturb()
		w.store.clear()
	case fleetStoreMarks:
		w.store.checkpoint()
	case fleetStoreFailsOver:
		w.disturb()
		w.store.failOver()
	case fleetRefreshes:
		w.forced(1)
		checker := r.checker
		r.pending.Go(func() { _ = checker.Refresh(context.Background()) })
	case fleetRotates:
		w.forced(1)
		r.holds.Store(int32(s.token))
		w.change(func() { r.switched = w.now() })
	case fleetRestarts:
		w.restart(r)
	}
}

func (w *fleetWorld) restart(r *fleetReplica) {
	w.forced(2)
	r.leave()
	if err := r.join(); err != nil {
		w.change(func() { w.complainLocked("%v", err) })
	}
}

// end closes all checkers.
func (w *fleetWorld) end() {
	for _, r := range w.replicas {
		r.leave()
	}
	time.Sleep(time.Minute) // operations of the store that come late
}

// reduce leaves out of a script what its failure does not need. err is how the script fails.
func (s fleetScript) reduce(err error, run func(fleetScript) error) (fleetScript, error) {
	try := func(smaller fleetScript) bool {
		e := run(smaller)
		if e != nil {
			s, err = smaller, e
		}
		return e != nil
	}
	for again := true; again; {
		again = false
		for i := 0; i < len(s.steps); {
			smaller := s
			smaller.steps = append(append([]fleetStep{}, s.steps[:i]...), s.steps[i+1:]...)
			if try(smaller) {
				again = true
			} else {
				i++
			}
		}
	}
	for _, n := range []int{1, 2, 3} {
		smaller := s
		smaller.config.replicas = n
		fits := true
		for _, step := range s.steps {
			fits = fits && step.replica < n
		}
		if n < s.config.replicas && fits && try(smaller) {
			break
		}
	}
	return s, err
}
