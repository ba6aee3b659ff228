package health_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
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

var (
	modelSteps = flag.Int64("model.steps", 2000, "how many steps TestModel takes at least")
	modelTrace = flag.Bool("model.trace", false, "show the calls and reads of a script that fails")
)

// TestModel replays random scripts and checks that the engine keeps the rules of its design:
// safety, liveness, and bounded numbers of calls and reads.
//
// The scripts are the same in every run, so that a failure is due to a change. -rapid.seed=N draws
// others, -model.steps=N more.
func TestModel(t *testing.T) {
	var steps atomic.Int64
	seen := &modelTally{}
	seed := flag.Lookup("rapid.seed").Value
	first, err := strconv.ParseUint(seed.String(), 10, 64)
	require.NoError(t, err)
	defer func() { _ = seed.Set(strconv.FormatUint(first, 10)) }()
	var failure error
	run := func(s modelScript) (err error) {
		synctest.Test(t, func(*testing.T) {
			var done int
			done, err = replay(s, seen)
			steps.Add(int64(done))
		})
		return err
	}
	for next := max(first, 1); steps.Load() < *modelSteps && !t.Failed(); next += 1 << 20 {
		require.NoError(t, seed.Set(strconv.FormatUint(next, 10)))
		rapid.Check(t, func(rt *rapid.T) {
			// rapid panics inside a bubble: draw outside, replay inside, fail outside.
			s := drawScript(rt)
			if failure == nil && steps.Load() < *modelSteps {
				if err := run(s); err != nil {
					s, err = reduce(s, err, run)
					failure = fmt.Errorf("%w\n%v", err, s)
				}
			}
			// The script is reduced already, so rapid has nothing left to shrink.
			if failure != nil {
				rt.Fatalf("%v", failure)
			}
		})
	}
	t.Logf("%d steps", steps.Load())
	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		t.Logf("%d times %v", seen[reason].Load(), reason)
		if *modelSteps >= 50_000 {
			assert.Positive(t, seen[reason].Load(), "no script reaches %v", reason)
		}
	}
}

// modelTally counts after how many steps each reason was the primary one.
type modelTally [health.ReasonVerified + 1]atomic.Int64

// modelRun is one replay of a script.
type modelRun struct {
	*modelWorld
	starting atomic.Bool
	closing  atomic.Bool
	pending  atomic.Int64 // how many of them
}

// replay runs the script in a bubble. It returns how many steps it took, and what was wrong.
func replay(s modelScript, seen *modelTally) (int, error) {
	r, err := newModelRun(s)
	if err != nil {
		return 0, err
	}
	defer r.end()
	r.goWait()
	r.start()
	synctest.Wait()
	for i, step := range s.steps {
		r.do(step)
		r.pass(step.then + time.Duration(7*i+3)*time.Microsecond)
		r.checkCounts()
		seen[r.checker.Snapshot().Reason()].Add(1)
		if err := r.err(); err != nil {
			return i + 1, fmt.Errorf("in step %d, %v: %w", i, step, err)
		}
		if r.closed {
			return i + 1, r.end()
		}
	}
	return len(s.steps), r.end()
}

func newModelRun(s modelScript) (*modelRun, error) {
	r := &modelRun{modelWorld: newModelWorld(s.config)}
	r.platform(func() {
		for i, a := range s.answers {
			r.tokens[i].answer = a
		}
	})
	r.source.set(s.holding, reads)
	client, err := requester.New(requester.Production,
		requester.WithHTTPClient(&http.Client{Transport: r}), requester.WithTimeout(s.config.timeout))
	if err != nil {
		return nil, err
	}
	opts := append(s.config.options(), health.WithClient(client), modelSuspended(r.suspended),
		health.OnChange(r.callback.changed), health.WithLogger(slog.New(modelHandler{&r.log})))
	r.checker, err = health.New(r.provider(), opts...)
	return r, err
}

func (r *modelRun) provider() credentials.Provider {
	single, multi := modelSingle{&r.source}, modelMulti{&r.source}
	switch c := r.config; {
	case c.several && c.pollable:
		return modelMultiPoller{multi}
	case c.several:
		return multi
	case c.pollable:
		return modelSinglePoller{single}
	default:
		return single
	}
}

func (r *modelRun) spawn(f func()) {
	r.pending.Add(1)
	go func() {
		defer r.pending.Add(-1)
		f()
	}()
}

// goWait waits for the first verification in the background.
func (r *modelRun) goWait() {
	r.spawn(func() {
		err := r.checker.WaitVerified(context.Background())
		if err != nil && !errors.Is(err, health.ErrClosed) {
			r.complain("WaitVerified: %v", err)
		}
	})
}

// start calls Start in the background.
func (r *modelRun) start() {
	r.starting.Store(true)
	r.mu.Lock()
	r.resting = false
	r.startEnded = never
	for i := range r.tokens { // an earlier Start has failed
		r.tokens[i].forgotten, r.tokens[i].held = true, 0
	}
	r.mu.Unlock()
	r.source.forget()
	begin := r.now()
	r.spawn(func() {
		defer r.starting.Store(false)
		err := r.checker.Start(context.Background())
		open := r.checker.Snapshot().Open()
		r.mu.Lock()
		defer r.mu.Unlock()
		now := r.now()
		r.startEnded, r.started, r.resting = now, err == nil, err != nil
		// The log lines of the start have a second.
		if most := r.config.startupTimeout + time.Second; now-begin > most {
			r.complainLocked("Start took %v", now-begin)
		}
		switch {
		case err != nil && open:
			r.complainLocked("Start: %v, and the gate is open", err)
		case err == nil && r.config.requireVerified && r.verifiedAt < begin:
			// Whether the gate is still open when the log has its lines is another matter.
			r.complainLocked("Start returned nil in spite of RequireVerified")
		}
	})
}

// pass lets time pass, and looks often.
func (r *modelRun) pass(d time.Duration) {
	n := max(1, min(16, d/(r.config.interval/2)))
	for range n {
		time.Sleep(d / n)
		synctest.Wait()
		r.settled()
	}
}

func (r *modelRun) do(s modelStep) {
	w := r.modelWorld
	switch s.action {
	case doAnswer:
		token := s.token
		if token == theOneInUse {
			token = max(0, inUseOf(r.checker.Snapshot()))
		}
		r.platform(func() { w.tokens[token].answer = s.answer })
	case doAnswerAll:
		r.platform(func() {
			for i := range w.tokens {
				w.tokens[i].answer = s.answer
			}
		})
	case doOutage:
		r.platform(func() { w.outage = &s.answer })
	case doEndOutage:
		r.platform(func() { w.outage = nil })
	case doSource:
		r.source.set(s.holding, r.source.mode)
		r.causes(2)
	case doSourceMode:
		r.source.set(r.source.holding, s.mode)
		r.causes(2)
	case doLog:
		w.log.set(s.manner)
	case doCallback:
		w.callback.set(s.manner)
	case doRefresh:
		r.refresh(context.Background())
	case doRefreshBehind:
		r.spawn(func() { r.refresh(context.Background()) })
	case doRefreshMany:
		r.refreshMany()
	case doRefreshLeft:
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r.refresh(ctx)
	case doOutgoing:
		r.outgoing()
	case doOutgoingMany:
		for range 100 {
			for range 4 {
				r.spawn(r.outgoing)
			}
			time.Sleep(10 * time.Millisecond)
		}
	case doSuspend:
		r.causes(3)
		r.suspend(s.suspend)
	case doDrain:
		r.checker.Drain()
	case doStart:
		if r.starting.Load() || r.checker.Snapshot().State().Started {
			if err := r.checker.Start(context.Background()); !errors.Is(err, health.ErrStarted) {
				r.complain("a second Start returned %v", err)
			}
			return
		}
		r.causes(3)
		r.start()
		synctest.Wait()
	case doClose:
		r.close()
	}
}

// causes notes that a step may cause so many calls and reads.
func (r *modelRun) causes(n int) { r.note(func(c *modelCount) { c.others += n }) }

func (r *modelRun) refreshMany() {
	ctx, cancel := context.WithTimeout(context.Background(), 53*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { r.refresh(ctx) })
	}
	all.Wait()
}

// refresh calls Refresh and checks what it returns.
func (r *modelRun) refresh(ctx context.Context) {
	r.noteRefresh()
	begin := r.now()
	// A read, a call about each token, a call about the one in use, and what was going on before.
	most := 2*r.config.sourceTimeout + 2*(modelTokens+2)*(r.config.timeout+modelGrace) + time.Second
	limited, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err := r.checker.Refresh(limited)
	end := r.now()
	if ctx.Err() == nil && limited.Err() != nil {
		r.complain("Refresh did not return within %v: %v", most, err)
		return
	}
	deadline, ends := ctx.Deadline()
	if ends && time.Now().After(deadline) || ctx.Err() != nil && !ends && end > begin {
		r.complain("Refresh took %v, longer than its context", end-begin)
	}
	var notAsked *health.NotAskedError
	switch {
	case err == nil:
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range r.tokens {
			if r.tokens[i].ended[accepted] >= begin {
				return
			}
		}
		r.complainLocked("Refresh returned nil, and no token was accepted since %v", begin)
	case errors.As(err, &notAsked):
		if notAsked.Wait < 0 {
			r.complain("Refresh: wait %v", notAsked.Wait)
		}
	case errors.Is(err, health.ErrClosed):
		if !r.closing.Load() {
			r.complain("Refresh: %v, and the checker is not closed", err)
		}
	case requester.ClassOf(err) == requester.Cancelled && ctx.Err() == nil:
		r.complain("Refresh was cancelled by another caller: %v", err)
	}
}

// outgoing makes a request that is answered with 401.
func (r *modelRun) outgoing() {
	r.note(func(c *modelCount) { c.loans++ })
	begin, before := r.now(), inUseOf(r.checker.Snapshot())
	next, sent := outgoing401(context.Background(), r.checker)
	if took := r.now() - begin; took > r.config.timeout {
		r.complain("an outgoing request waited %v for a better token", took)
	}
	if sent && next == before {
		r.complain("token %d was lent again after it was refused", next)
	}
}

func (r *modelRun) close() {
	r.closing.Store(true)
	begin := r.now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.checker.Close(); err != nil {
			r.complain("Close: %v", err)
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if took := r.now() - begin; took > time.Second {
		r.complainLocked("Close took %v", took)
	}
	r.closed, r.closedAt = true, r.now()
}

// end closes the checker, sees that it is silent, and lets all foreign code go.
func (r *modelRun) end() error {
	if !r.closed {
		r.close()
	}
	synctest.Wait()
	if n := r.pending.Load(); n > 0 {
		r.complain("%d callers wait after Close", n)
	}
	r.settled()
	time.Sleep(2 * r.config.interval)
	r.log.set(behaves)
	r.callback.set(behaves)
	r.source.set(r.source.holding, reads)
	r.config.stuck = false
	r.platform(func() {})
	// Time stands still in a bubble whose first goroutine has ended.
	time.Sleep(2*r.config.sourceTimeout + r.config.timeout + 2*modelGrace)
	synctest.Wait()
	for name, err := range map[string]error{
		"Start":   r.checker.Start(context.Background()),
		"Refresh": r.checker.Refresh(context.Background()),
	} {
		if !errors.Is(err, health.ErrClosed) {
			r.complain("%s after Close: %v", name, err)
		}
	}
	return r.err()
}
