package health_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// liveWorld is a checker on fake time with every option at its default, except that its interval is
// exactly a minute. The platform accepts token 0 unless the test says otherwise.
type liveWorld struct {
	t       *testing.T
	born    time.Time
	checker *health.Checker

	mu       sync.Mutex
	answers  map[int]modelAnswer // by token; all others are refused
	outage   *modelAnswer        // instead of all answers
	holding  []int
	broken   error // of the source
	calls    []liveCall
	reads    []time.Duration
	closings []string // each time the gate closes after the start
	watching bool
}

type liveCall struct {
	at    time.Duration
	token int
}

func newLiveWorld(t *testing.T, opts ...health.Option) *liveWorld {
	t.Helper()
	w := &liveWorld{
		t: t, born: time.Now(), holding: []int{0}, answers: map[int]modelAnswer{0: {account: 1}},
	}
	client, err := requester.New(requester.Production,
		requester.WithHTTPClient(&http.Client{Transport: w}))
	require.NoError(t, err)
	opts = append([]health.Option{
		health.WithClient(client), health.WithJitter(0.5), health.OnChange(w.changed),
	}, opts...)
	w.checker, err = health.New(w, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { w.checker.Close() })
	return w
}

// start verifies the credential and begins to watch the gate.
func (w *liveWorld) start() {
	w.t.Helper()
	require.NoError(w.t, w.checker.Start(w.t.Context()))
	require.True(w.t, w.checker.Snapshot().Open(), "after Start: %v", w.checker.Snapshot().Check())
	synctest.Wait()
	w.do(func() { w.watching = true })
}

func (w *liveWorld) now() time.Duration { return time.Since(w.born) }

func (w *liveWorld) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *liveWorld) will(token int, kind modelKind) {
	w.do(func() { w.answers[token] = modelAnswer{kind: kind, account: 1} })
}

func (w *liveWorld) has(tokens ...int) { w.do(func() { w.holding = tokens }) }

// outageOf has all calls fail for d.
func (w *liveWorld) outageOf(d time.Duration, kind modelKind) {
	w.do(func() { w.outage = &modelAnswer{kind: kind} })
	time.Sleep(d)
	w.do(func() { w.outage = nil })
}

func (w *liveWorld) changed(_, after *health.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watching && !after.Open() && !slices.Contains(after.State().Reasons, health.ReasonClosed) {
		w.closings = append(w.closings, fmt.Sprintf("%v: %v", w.now(), after.Check()))
	}
}

func (w *liveWorld) Tokens(context.Context) ([]credentials.Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads = append(w.reads, w.now())
	var tokens []credentials.Token
	for _, i := range w.holding {
		t, err := credentials.ParseToken(modelTokenValue(i))
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
	}
	return tokens, w.broken
}

func (w *liveWorld) Token(ctx context.Context) (credentials.Token, error) {
	tokens, err := w.Tokens(ctx)
	if err != nil {
		return credentials.Token{}, err
	}
	return tokens[0], nil
}

func (w *liveWorld) RoundTrip(req *http.Request) (*http.Response, error) {
	token := modelTokenOf(req.Header.Get("Authorization"))
	w.mu.Lock()
	w.calls = append(w.calls, liveCall{w.now(), token})
	answer, ok := w.answers[token]
	if !ok {
		answer.kind = refuses
	}
	if w.outage != nil {
		answer = *w.outage
	}
	w.mu.Unlock()
	switch answer.kind {
	case hangs:
		<-req.Context().Done()
		return nil, req.Context().Err()
	case exits:
		runtime.Goexit()
	}
	select {
	case <-time.After(answer.after):
		return answer.response(req)
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// asked returns when token was asked about from a moment on.
func (w *liveWorld) asked(token int, from time.Duration) (at []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.token == token && c.at >= from {
			at = append(at, c.at)
		}
	}
	return at
}

// all returns how many calls and reads there were from a moment on.
func (w *liveWorld) all(from time.Duration) (calls, reads int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.at >= from {
			calls++
		}
	}
	for _, at := range w.reads {
		if at >= from {
			reads++
		}
	}
	return calls, reads
}

// neverClosed fails the test if the gate was ever closed since the start.
func (w *liveWorld) neverClosed() {
	w.t.Helper()
	synctest.Wait()
	assert.Empty(w.t, w.closings, "the gate has closed")
	assert.True(w.t, w.checker.Snapshot().Open(), "at the end: %v", w.checker.Snapshot().Check())
}

// between fails the test if n is out of bounds.
func between(t *testing.T, least, most, n int, what string) {
	t.Helper()
	if n < least || n > most {
		t.Errorf("%d %s, want %d to %d", n, what, least, most)
	}
}

// TestOtherToken has the platform answer everything but a verdict about another token than the one
// in use. It must not matter to the one in use, before and after an outage that is shorter than
// MaxStale.
func TestOtherToken(t *testing.T) {
	places := []struct {
		name string
		put  func(*liveWorld, modelKind) // has a source with token 1 that is answered so
	}{
		{"candidate", func(w *liveWorld, kind modelKind) {
			w.start()
			time.Sleep(10 * time.Second)
			w.will(1, kind)
			w.has(1)
		}},
		{"preferred", func(w *liveWorld, kind modelKind) {
			w.start()
			time.Sleep(10 * time.Second)
			w.will(1, kind)
			w.has(1, 0)
		}},
		{"first of a failover", func(w *liveWorld, kind modelKind) {
			w.has(1, 0) // 1 is refused, 0 is in use
			w.start()
			time.Sleep(10 * time.Second)
			w.will(1, kind)
		}},
	}
	answers := []modelKind{
		limits, limitsSeconds, limitsDate, limitsYear, answers400, answers404, answers500, answers503,
		answers302, answersHTML403, hangs, resets,
	}
	outages := []time.Duration{0, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
	for _, place := range places {
		for _, kind := range answers {
			for _, outage := range outages {
				name := fmt.Sprintf("%s/%s/outage of %v", place.name, modelKindNames[kind], outage)
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := newLiveWorld(t)
						place.put(w, kind)
						time.Sleep(5*time.Minute + time.Millisecond)
						w.outageOf(outage, resets)
						checkHourAfter(w)
					})
				})
			}
		}
	}
}

// checkHourAfter lets an hour pass in which the platform accepts token 0, and answers about token 1
// what it likes.
func checkHourAfter(w *liveWorld) {
	w.t.Helper()
	back := w.now()
	time.Sleep(time.Hour)
	w.neverClosed()
	asked := w.asked(0, back)
	between(w.t, 56, 65, len(asked), "calls about the token in use in an hour")
	if len(asked) > 0 && asked[0]-back > 71*time.Second {
		w.t.Errorf("the token in use was asked about %v after the outage", asked[0]-back)
	}
	between(w.t, 1, 70, len(w.asked(1, back)), "calls about the other token in an hour")
	_, reads := w.all(back)
	between(w.t, 50, 130, reads, "reads of the source in an hour")
}

// TestFirstWithoutVerdict has a source of two tokens, of which only the second gets a verdict.
func TestFirstWithoutVerdict(t *testing.T) {
	for _, kind := range []modelKind{
		limits, limitsSeconds, limitsYear, answers400, answers404, answers500, answersHTML403,
		answersHTML200, answersNoID, hangs, resets,
	} {
		t.Run(modelKindNames[kind], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLiveWorld(t)
				w.has(1, 0)
				w.will(1, kind)
				w.start()
				if took := w.now(); took > 5*time.Second {
					t.Errorf("Start took %v", took)
				}
				checkHourAfter(w)
				assert.Contains(t, w.checker.Snapshot().State().Reasons, health.ReasonUsingFallback)
			})
		})
	}
}

func TestManyRefusedTokens(t *testing.T) {
	many := func(n int) (tokens []int) {
		for i := range n {
			tokens = append(tokens, i+1)
		}
		return tokens
	}
	t.Run("49 refused slowly before the good one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newLiveWorld(t)
			for _, i := range many(49) {
				w.answers[i] = modelAnswer{kind: refuses, after: time.Second}
			}
			w.has(append(many(49), 0)...)
			require.NoError(t, w.checker.Start(t.Context()))
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			require.NoError(t, w.checker.WaitVerified(ctx))
			if took := w.now(); took > 2*time.Minute {
				t.Errorf("verified after %v", took)
			}
			synctest.Wait()
			w.do(func() { w.watching = true })
			from := w.now()
			time.Sleep(time.Hour)
			w.neverClosed()
			between(t, 58, 62, len(w.asked(0, from)), "calls about the token in use in an hour")
		})
	})
	t.Run("49 offered later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newLiveWorld(t)
			w.start()
			for _, i := range many(49) {
				w.do(func() { w.answers[i] = modelAnswer{kind: refuses, after: 4 * time.Second} })
			}
			w.has(append(many(49), 0)...)
			time.Sleep(time.Hour)
			w.neverClosed()
			between(t, 58, 63, len(w.asked(0, 0)), "calls about the token in use in an hour")
		})
	})
	t.Run("1000", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newLiveWorld(t)
			w.start()
			w.has(append(many(1000), 0)...)
			time.Sleep(time.Minute + time.Millisecond)
			calls, _ := w.all(time.Millisecond)
			between(t, 40, 101, calls, "calls in the first interval")
			from := w.now()
			time.Sleep(time.Hour)
			w.neverClosed()
			calls, _ = w.all(from)
			between(t, 60, 60*51+60, calls, "calls in an hour")
			between(t, 58, 62, len(w.asked(0, from)), "calls about the token in use in an hour")
		})
	})
}

// TestOutgoingPace has outgoing requests answered with 401, 400 a second.
func TestOutgoingPace(t *testing.T) {
	storm := func(w *liveWorld, seconds int) {
		var all sync.WaitGroup
		for range seconds * 100 {
			for range 4 {
				all.Go(func() { outgoing401(context.Background(), w.checker) })
			}
			time.Sleep(10 * time.Millisecond)
		}
		all.Wait()
	}
	for _, kind := range []modelKind{answers503, limits, limitsSeconds, hangs, accepts} {
		t.Run("storm while the platform answers "+modelKindNames[kind], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLiveWorld(t)
				w.start()
				time.Sleep(20 * time.Second)
				w.will(0, kind)
				from := w.now()
				storm(w, 20)
				calls, reads := w.all(from)
				between(t, 10, 24, reads, "reads in 20 s")
				between(t, 1, 8, calls, "calls in 20 s")
				w.neverClosed()
			})
		})
	}
	t.Run("blip of 200 ms", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newLiveWorld(t)
			w.start()
			time.Sleep(20 * time.Second)
			w.will(0, answers503)
			time.AfterFunc(200*time.Millisecond, func() { w.will(0, accepts) })
			from := w.now()
			storm(w, 5)
			w.neverClosed()
			assert.Equal(t, "closed", w.checker.Snapshot().State().Breaker)
			assert.Equal(t, health.ReasonVerified, w.checker.Snapshot().Reason())
			if calls := w.asked(0, from); assert.NotEmpty(t, calls) && assert.LessOrEqual(t, len(calls), 3) {
				assert.LessOrEqual(t, calls[1]-from, 2*time.Second, "the second call")
			}
		})
	})
	t.Run("waits no longer than the timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newLiveWorld(t)
			w.start()
			time.Sleep(20 * time.Second)
			w.will(0, hangs)
			from := w.now()
			_, sent := outgoing401(t.Context(), w.checker)
			assert.True(t, sent)
			assert.LessOrEqual(t, w.now()-from, 5*time.Second)
		})
	})
	for _, after := range []time.Duration{
		0, 10 * time.Millisecond, 2 * time.Second, 9 * time.Second, 11 * time.Second,
	} {
		t.Run(fmt.Sprintf("rotation %v after a verification", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLiveWorld(t)
				w.start()
				time.Sleep(after)
				w.will(1, accepts)
				w.will(0, refuses)
				w.has(1)
				// Reads that outgoing requests cause are a second apart.
				deadline := w.now() + time.Second
				for {
					next, sent := outgoing401(t.Context(), w.checker)
					require.True(t, sent)
					if next == 1 {
						break
					}
					require.Less(t, w.now(), deadline, "the new token is not lent")
					time.Sleep(100 * time.Millisecond)
				}
				w.neverClosed()
			})
		})
	}
}

// blockingLog is a slog handler that behaves well until it is told not to.
type blockingLog struct {
	mu      sync.Mutex
	blocked chan struct{}
	panics  bool
}

func (h *blockingLog) Enabled(context.Context, slog.Level) bool { return true }
func (h *blockingLog) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *blockingLog) WithGroup(string) slog.Handler            { return h }

func (h *blockingLog) Handle(context.Context, slog.Record) error {
	h.mu.Lock()
	blocked, panics := h.blocked, h.panics
	h.mu.Unlock()
	if panics {
		panic("a handler panics")
	}
	if blocked != nil {
		<-blocked
	}
	return nil
}

func TestForeignCode(t *testing.T) {
	t.Run("log blocks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &blockingLog{}
			w := newLiveWorld(t, health.WithLogger(slog.New(h)))
			w.start()
			released := make(chan struct{})
			h.mu.Lock()
			h.blocked = released
			h.mu.Unlock()
			w.will(0, refuses)
			time.Sleep(time.Minute + time.Second + time.Millisecond)
			assert.Equal(t, health.ReasonRejected, w.checker.Snapshot().Reason())
			assert.Len(t, w.asked(0, time.Second), 2)

			from := w.now()
			w.checker.Drain()
			assert.Equal(t, from, w.now(), "Drain waits")
			require.NoError(t, w.checker.Close())
			assert.LessOrEqual(t, w.now()-from, time.Second, "Close waits")
			closed := w.now()
			time.Sleep(time.Hour)
			calls, reads := w.all(closed + 1)
			assert.Zero(t, calls, "calls after Close")
			assert.Zero(t, reads, "reads after Close")
			close(released)
		})
	})
	t.Run("log panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newLiveWorld(t, health.WithLogger(slog.New(&blockingLog{panics: true})))
			w.start()
			w.will(0, refuses)
			time.Sleep(2 * time.Minute)
			assert.Equal(t, health.ReasonRejected, w.checker.Snapshot().Reason())
			w.will(0, accepts)
			time.Sleep(2 * time.Minute)
			assert.True(t, w.checker.Snapshot().Open())
			require.NoError(t, w.checker.Close())
		})
	})
	for _, outage := range []time.Duration{100 * time.Second, 10 * time.Minute, 20 * time.Minute} {
		t.Run(fmt.Sprintf("transport exits in the half-open state after %v", outage), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLiveWorld(t)
				w.start()
				w.outageOf(outage, exits)
				back := w.now()
				time.Sleep(71 * time.Second)
				assert.True(t, w.checker.Snapshot().Open(), "%v", w.checker.Snapshot().Check())
				assert.NotEmpty(t, w.asked(0, back))
			})
		})
	}
}

func TestSuspendedTime(t *testing.T) {
	var asleep time.Duration
	var mu sync.Mutex
	suspended := func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return asleep
	}
	suspend := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		asleep += d
	}
	for _, d := range []time.Duration{2 * time.Minute, 14 * time.Minute, 2 * time.Hour} {
		t.Run(fmt.Sprintf("verified anew after %v", d), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLiveWorld(t, modelSuspended(suspended))
				w.start()
				time.Sleep(10 * time.Second)
				suspend(d)
				woken := w.now()
				time.Sleep(5*time.Second + time.Millisecond)
				assert.Len(t, w.asked(0, woken), 1, "calls in 5 s")
				assert.Equal(t, health.ReasonVerified, w.checker.Snapshot().Reason())
			})
		})
		t.Run(fmt.Sprintf("platform down after %v", d), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLiveWorld(t, modelSuspended(suspended))
				w.start()
				time.Sleep(10 * time.Second)
				suspend(d)
				w.will(0, resets)
				time.Sleep(5*time.Second + time.Millisecond)
				assert.Equal(t, d < time.Hour, w.checker.Snapshot().Open(), "after 5 s")
				time.Sleep(max(0, 15*time.Minute-d))
				assert.False(t, w.checker.Snapshot().Open(), "after MaxStale")
				assert.Equal(t, health.ReasonUnreachable, w.checker.Snapshot().Reason())
			})
		})
	}
}

func TestSettings(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		client, err := requester.New(requester.Production, requester.WithTimeout(2*time.Minute))
		require.NoError(t, err)
		for name, opts := range map[string][]health.Option{
			"interval without unit":          {health.WithInterval(60)},
			"poll interval without unit":     {health.WithPollInterval(5)},
			"source timeout without unit":    {health.WithSourceTimeout(5)},
			"breaker longer than MaxStale/2": {health.WithBreakerOpen(time.Hour)},
			"recheck longer than interval":   {health.WithRejectionRecheck(2 * time.Minute)},
			"timeout longer than interval":   {health.WithClient(client)},
			"failing without a minimum":      {health.FailOnLowBalance()},
			"expected and free account":      {health.ExpectAccount("1"), health.AllowAccountChange()},
		} {
			_, err := health.New(credentials.Env("T"), opts...)
			assert.Error(t, err, name)
		}
	})
	// Closed for longer than MaxStale, so only the time to open again is limited.
	for _, s := range []struct{ interval, maxStale, outage time.Duration }{
		{5 * time.Second, 20 * time.Second, 80 * time.Second},
		{time.Minute, 15 * time.Minute, 20 * time.Minute},
		{time.Minute, 125 * time.Second, 10 * time.Minute},
	} {
		name := fmt.Sprintf("recovers with an interval of %v and MaxStale of %v", s.interval, s.maxStale)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLiveWorld(t, health.WithInterval(s.interval), health.WithMaxStale(s.maxStale))
				w.start()
				w.outageOf(s.outage, answers503)
				assert.False(t, w.checker.Snapshot().Open())
				time.Sleep(s.interval*11/10 + 5*time.Second)
				assert.True(t, w.checker.Snapshot().Open(), "%v", w.checker.Snapshot().Check())
			})
		})
	}
	for _, kind := range []modelKind{resets, answers503, limits} {
		t.Run("Start uses its time/"+modelKindNames[kind], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLiveWorld(t)
				w.do(func() { w.outage = &modelAnswer{kind: kind} })
				time.AfterFunc(4*time.Second, func() { w.do(func() { w.outage = nil }) })
				w.start()
				if took := w.now(); took > 5500*time.Millisecond {
					t.Errorf("Start took %v", took)
				}
			})
		})
	}
}

// TestTruth: the reason is what the platform has said.
func TestTruth(t *testing.T) {
	t.Run("refused and never verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newLiveWorld(t)
			w.will(0, resets)
			require.NoError(t, w.checker.Start(t.Context()))
			synctest.Wait()
			assert.Equal(t, health.ReasonUnreachable, w.checker.Snapshot().Reason())
			w.will(0, refuses)
			for len(w.asked(0, 11*time.Second)) == 0 {
				time.Sleep(time.Second)
			}
			w.will(0, hangs)
			synctest.Wait()
			for range 60 {
				assert.Equal(t, health.ReasonRejected, w.checker.Snapshot().Reason(), "at %v", w.now())
				time.Sleep(time.Second)
			}
		})
	})
	t.Run("new token refused in place of a rejected one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newLiveWorld(t)
			w.start()
			w.will(0, refuses)
			time.Sleep(2 * time.Minute)
			w.has(1)
			for range 180 {
				assert.Equal(t, health.ReasonRejected, w.checker.Snapshot().Reason(), "at %v", w.now())
				time.Sleep(time.Second)
			}
		})
	})
	t.Run("account and balance under FailOnLowBalance", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newLiveWorld(t, health.WithMinBalance(decimal.MustNew(50, 0)), health.FailOnLowBalance())
			w.start()
			w.will(0, acceptsPoor)
			time.Sleep(time.Minute + time.Millisecond)
			snap := w.checker.Snapshot()
			assert.False(t, snap.Open())
			require.NotNil(t, snap.State().Account)
			balance, ok := snap.State().Account.Balance()
			assert.True(t, ok)
			assert.Equal(t, "49.99", balance.String())
		})
	})
	t.Run("zero values", func(t *testing.T) {
		snap := &health.Snapshot{}
		assert.Error(t, snap.Check())
		_, err := snap.Token()
		assert.Error(t, err)
		_, err = snap.Account()
		assert.Error(t, err)
	})
}

// TestSourceTroubles: whatever the source does, the token in use is checked.
func TestSourceTroubles(t *testing.T) {
	for _, err := range []error{
		errors.New("input/output error"), credentials.ErrNotFound, credentials.ErrInvalid, context.DeadlineExceeded,
	} {
		t.Run(err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLiveWorld(t)
				w.start()
				w.do(func() { w.holding, w.broken = nil, err })
				time.Sleep(time.Hour)
				w.neverClosed()
				between(t, 58, 62, len(w.asked(0, 0)), "calls about the token in use in an hour")
				_, reads := w.all(0)
				between(t, 58, 75, reads, "reads of the source in an hour")
				assert.True(t, slices.Contains(w.checker.Snapshot().State().Reasons, health.ReasonSourceUnavailable))
			})
		})
	}
}
