package health_test

import (
	"context"
	"errors"
	"slices"
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

// startCase is a Start with tokenA, on fake time.
type startCase struct {
	name    string
	answer  func(string) reply
	source  func(*source)
	opts    []health.Option
	verdict string
	calls   int
	took    time.Duration

	// of the error; no error without a reason
	reason health.Reason
	text   string // how the error begins
	class  requester.Class
	is     error
}

func (tt startCase) run(t *testing.T) {
	w := newWorld(t, tt.answer, tt.opts...)
	if tt.source != nil {
		tt.source(w.source)
	}
	begin := time.Now()
	err := w.checker.Start(t.Context())
	assert.Equal(t, tt.took, time.Since(begin))
	assert.Equal(t, tt.verdict, w.verdict())
	assert.Equal(t, tt.calls, w.platform.count())
	assert.Equal(t, tt.reason == 0, w.checker.Snapshot().State().Started)
	if tt.reason == 0 {
		require.NoError(t, err)
		return
	}
	require.Error(t, err)
	assert.Equal(t, tt.text, err.Error()[:min(len(tt.text), len(err.Error()))])
	var verdict *health.Error
	require.ErrorAs(t, err, &verdict)
	assert.Equal(t, tt.reason, verdict.Reason)
	if tt.class != 0 {
		assert.Equal(t, tt.class, requester.ClassOf(err))
	}
	if tt.is != nil {
		assert.ErrorIs(t, err, tt.is)
	}
	assert.Empty(t, w.lines(), "Start returns the error and does not log it")

	synctest.Wait() // a read that has begun ends with Start's context
	calls, reads := w.platform.count(), w.source.readCount()
	time.Sleep(time.Hour)
	assert.Equal(t, calls, w.platform.count(), "nothing runs after an error")
	assert.Equal(t, reads, w.source.readCount(), "nothing runs after an error")
	if tt.opts == nil {
		w.source.has(tokenA)
		w.will(always(account("1")))
		assert.NoError(t, w.checker.Start(t.Context()), "it may be called again")
	}
}

func runStarts(t *testing.T, tests []startCase) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { synctest.Test(t, tt.run) })
	}
}

func TestStart(t *testing.T) {
	runStarts(t, []startCase{
		{name: "verified", answer: always(account("1")), verdict: "pass: verified", calls: 1},
		{
			name: "slow", answer: always(slowly("1", 4*time.Second)),
			verdict: "pass: verified", calls: 1, took: 4 * time.Second,
		},
		{
			name: "refused once", answer: inTurn(refused, account("1")),
			verdict: "pass: verified", calls: 2, took: time.Second,
		},
		{
			name: "down at first", answer: inTurn(down, down, down, down, account("1")),
			verdict: "pass: verified", calls: 5, took: 5 * time.Second,
		},
		{
			name: "limited at first", answer: inTurn(limited("3"), account("1")),
			verdict: "pass: verified", calls: 2, took: 3 * time.Second,
		},
	})
}

func TestStartFails(t *testing.T) {
	invalid := errors.Join(errors.New("file is empty"), credentials.ErrInvalid)
	wrong := "health: wrong_account: the token belongs to another account: the token AAAA…#" + hash(tokenA)
	runStarts(t, []startCase{
		{
			name: "rejected", answer: always(refused),
			verdict: "fail: rejected", calls: 2, took: time.Second, reason: health.ReasonRejected,
			text:  "health: rejected: the platform refuses the token: ",
			class: requester.Rejected,
		},
		{
			name: "account", answer: always(account("2")),
			opts:    []health.Option{health.ExpectAccount("1")},
			verdict: "fail: wrong_account", calls: 1, reason: health.ReasonWrongAccount,
			text: wrong + " belongs to account 2, expected is account 1; ",
		},
		{
			name: "company", answer: always(account("1")),
			opts:    []health.Option{health.ExpectCompany("9")},
			verdict: "fail: wrong_account", calls: 1, reason: health.ReasonWrongAccount,
			text: wrong + " belongs to account 1 of company 123, expected is company 9; ",
		},
		{
			name: "no company", answer: always(poor("1", "5")),
			opts:    []health.Option{health.ExpectCompany("9")},
			verdict: "fail: wrong_account", calls: 1, reason: health.ReasonWrongAccount,
			text: wrong + " belongs to account 1 of no company, expected is company 9; ",
		},
		{
			name: "no token", answer: always(account("1")), source: func(s *source) { s.has() },
			verdict: "fail: no_credential", reason: health.ReasonNoCredential,
			text: "health: no_credential: no API token could be loaded: source: nothing here: " +
				"credentials: no token found; ",
			is: credentials.ErrNotFound,
		},
		{
			name: "invalid source", answer: always(account("1")),
			source:  func(s *source) { s.breaks(invalid) },
			verdict: "fail: no_credential", reason: health.ReasonNoCredential,
			text: "health: no_credential: no API token could be loaded: file is empty",
			is:   credentials.ErrInvalid,
		},
		{
			name: "misdirected", answer: always(gone),
			verdict: "fail: starting", calls: 1, reason: health.ReasonUnreachable,
			text:  "health: unreachable: something else than the platform answers: ",
			class: requester.Misdirected,
		},
		{
			name: "firewall", answer: always(firewall),
			verdict: "fail: starting", calls: 1, reason: health.ReasonUnreachable,
			text:  "health: unreachable: something else than the platform answers: ",
			class: requester.Misdirected,
		},
	})
}

// A platform or a source that merely does not answer is no error: a fleet must not crash-loop
// because a dependency is down.
func TestStartNotReady(t *testing.T) {
	errSealed := errors.New("vault is sealed")
	// Not a multiple of the 1.25 s between two attempts.
	nine := health.WithStartupTimeout(9 * time.Second)
	runStarts(t, []startCase{
		{
			// At 0, 1.25, …, 8.75 s: neither the backoff nor the circuit breaker apply.
			name: "down", answer: always(down), opts: []health.Option{nine},
			verdict: "fail: unreachable", calls: 8, took: 9 * time.Second,
		},
		{
			name: "no route", answer: always(noRoute), opts: []health.Option{nine},
			verdict: "fail: unreachable", calls: 8, took: 9 * time.Second,
		},
		{
			// The first call is given up after 5 s, the second is cut off by the end of Start.
			name: "hang", answer: always(hang),
			verdict: "fail: unreachable", calls: 2, took: 10 * time.Second,
		},
		{
			name: "long rate limit", answer: always(limited("30")),
			verdict: "fail: unreachable", calls: 1, took: 10 * time.Second,
		},
		{
			name: "unconfirmed", answer: inTurn(refused, hang),
			verdict: "fail: rejected", calls: 2, took: 10 * time.Second, opts: []health.Option{
				health.WithRejectionRecheck(8 * time.Second),
			},
		},
		{
			name: "broken source", answer: always(account("1")),
			source:  func(s *source) { s.breaks(errSealed) },
			verdict: "fail: no_credential", took: 10 * time.Second,
		},
	})
}

func TestStartRequiresVerified(t *testing.T) {
	errSealed := errors.New("vault is sealed")
	required := []health.Option{health.RequireVerified(), health.WithStartupTimeout(3 * time.Second)}
	runStarts(t, []startCase{
		{
			name: "down", answer: always(down), opts: required,
			verdict: "fail: starting", calls: 3, took: 3 * time.Second,
			reason: health.ReasonUnreachable, class: requester.Unavailable,
			text: "health: unreachable: the platform has not verified the token recently: requester: ",
		},
		{
			name: "hang", answer: always(hang), opts: required,
			verdict: "fail: starting", calls: 1, took: 3 * time.Second,
			reason: health.ReasonUnreachable, class: requester.Unavailable,
			text: "health: unreachable: the platform has not verified the token recently: " +
				"no answer within the 3s of Start; ",
		},
		{
			name: "unconfirmed", answer: inTurn(refused, hang), opts: required,
			verdict: "fail: rejected", calls: 2, took: 3 * time.Second,
			reason: health.ReasonRejected, class: requester.Rejected,
			text: "health: rejected: the platform refuses the token: requester: ",
		},
		{
			name: "low balance", answer: always(poor("1", "10")),
			opts: append(slices.Clone(required), health.FailOnLowBalance(),
				health.WithMinBalance(decimal.MustParse("50"))),
			verdict: "fail: insufficient_balance", calls: 1, took: 3 * time.Second,
			reason: health.ReasonInsufficientBalance,
			text:   "health: insufficient_balance: ",
		},
		{
			name: "broken source", answer: always(account("1")), opts: required,
			source:  func(s *source) { s.breaks(errSealed) },
			verdict: "fail: no_credential", took: 3 * time.Second,
			reason: health.ReasonNoCredential, is: errSealed,
			text: "health: no_credential: no API token could be loaded: vault is sealed; ",
		},
		{
			name: "slow source", answer: always(account("1")), opts: required,
			source:  (*source).usesUpItsTime,
			verdict: "fail: no_credential", took: 3 * time.Second,
			reason: health.ReasonNoCredential,
			text: "health: no_credential: no API token could be loaded: health: test:source: " +
				"no answer within the 3s of Start; ",
		},
	})
}

// What failed during Start opens the circuit breaker only by failing three times again, and the
// backoff begins anew.
func TestStartFailuresDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(down), health.WithStartupTimeout(9*time.Second))
		require.NoError(t, w.checker.Start(t.Context()))
		assert.Equal(t, "closed", w.checker.Snapshot().State().Breaker)
		time.Sleep(time.Minute - time.Since(w.born))
		after := w.platform.times()[8:]
		require.GreaterOrEqual(t, len(after), 3)
		for i, want := range []time.Duration{
			10 * time.Second, // 1.25 s after the last call of Start
			12500 * time.Millisecond,
			17500 * time.Millisecond, // opens the breaker
		} {
			assert.Equal(t, want, after[i])
		}
		assert.Equal(t, "open", w.checker.Snapshot().State().Breaker)
	})
}

func TestStartIsLeft(t *testing.T) {
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(hang))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := w.checker.Start(ctx)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.EqualError(t, err, "health: Start was cancelled before the credential was verified: "+
				"context deadline exceeded")
			time.Sleep(time.Hour)
			assert.Equal(t, 1, w.platform.count())
			assert.ErrorIs(t, w.checker.Refresh(t.Context()), health.ErrNotStarted)
		})
	})
	t.Run("late answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, inTurn(limited("7"), slowly("1", 4*time.Second)))
			release := make(chan struct{})
			defer close(release)
			time.AfterFunc(8*time.Second, func() { w.source.hangsUntil(release) })
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, 10*time.Second, time.Since(w.born))
			assert.Equal(t, "fail: unreachable", w.verdict())
			time.Sleep(time.Second)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict(), "the call that was under way counts")
			assert.Equal(t, 2, w.platform.count())
		})
	})
	t.Run("late source", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			release := make(chan struct{})
			w.source.hangsUntil(release)
			require.NoError(t, w.checker.Start(t.Context()))
			require.Equal(t, "fail: no_credential", w.verdict())
			time.Sleep(500 * time.Millisecond)
			close(release)
			synctest.Wait()
			assert.Equal(t, "pass: verified", w.verdict(), "what it delivers is used")
		})
	})
	t.Run("closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(hang))
			time.AfterFunc(time.Second, func() { w.checker.Close() })
			begin := time.Now()
			assert.ErrorIs(t, w.checker.Start(t.Context()), health.ErrClosed)
			assert.Equal(t, time.Second, time.Since(begin))
			assert.Equal(t, "fail: closed,starting", w.verdict())
		})
	})
}

func TestStartRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(slowly("1", time.Second)))
		assert.ErrorIs(t, w.checker.Refresh(t.Context()), health.ErrNotStarted)
		first := make(chan error)
		go func() { first <- w.checker.Start(t.Context()) }()
		synctest.Wait()
		assert.ErrorIs(t, w.checker.Start(t.Context()), health.ErrStarted, "during the first")
		assert.NoError(t, <-first)
		assert.ErrorIs(t, w.checker.Start(t.Context()), health.ErrStarted, "after the first")
		assert.Equal(t, 1, w.platform.count())
		w.checker.Close()
		assert.ErrorIs(t, w.checker.Start(t.Context()), health.ErrClosed)
	})
}

func TestNilContext(t *testing.T) {
	var none context.Context
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		for name, call := range map[string]func(context.Context) error{
			"Start": w.checker.Start, "Refresh": w.checker.Refresh, "WaitVerified": w.checker.WaitVerified,
		} {
			assert.EqualError(t, call(none),
				"health: "+name+": the context is nil; use context.Background()")
		}
		assert.NoError(t, w.checker.Refresh(t.Context()), "nothing is stuck")
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(account("1")))
		assert.Error(t, w.checker.Start(none))
		assert.NoError(t, w.checker.Start(t.Context()), "it may be called again")
	})
}

func TestNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(account("1")))
		assert.Equal(t, "fail: starting", w.verdict())
		err := w.checker.Check(t.Context())
		assert.ErrorIs(t, err, health.ErrNotStarted)
		assert.EqualError(t, err, "health: starting: the credential is not monitored: "+
			"health: Start has not been called; call Start, in a service as soon as its server listens")
		time.Sleep(time.Minute - time.Nanosecond)
		assert.Empty(t, w.lines())
		time.Sleep(time.Hour)
		assert.Equal(t, []string{
			`level=WARN msg="toloka credential checker is not started: call Start" ` +
				`environment=production token.source=` + w.checker.Snapshot().State().TokenSource,
		}, w.lines(), "once")
		assert.Zero(t, w.platform.count())
	})
}

// TestStartFailsAsVerified: the source gets a token that works at the moment when Start gives up.
// Start fails and the gate stays closed, or it succeeds.
func TestStartFailsAsVerified(t *testing.T) {
	for range 500 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, onlyB, health.WithRejectionThreshold(1))
			w.will(func(token string) reply {
				w.source.has(tokenB)
				return onlyB(token)
			})
			err := w.checker.Start(t.Context())
			open := w.checker.Snapshot().Open()
			assert.Equal(t, err == nil, open, "%v", err)
			time.Sleep(time.Minute)
			assert.Equal(t, open, w.checker.Snapshot().Open(), "it stays so")
			assert.Equal(t, err == nil, w.checker.Snapshot().State().Started)
		})
	}
}

// Start names the reason that the snapshot has, also where another token may still turn out good.
func TestStartRequiresVerified_wrongAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := pair(t, byToken(map[string]reply{tokenA: account("2"), tokenB: down}),
			health.RequireVerified(), health.ExpectAccount("1"))
		var verdict *health.Error
		require.ErrorAs(t, w.checker.Start(t.Context()), &verdict)
		assert.Equal(t, health.ReasonWrongAccount, verdict.Reason)
		assert.Equal(t, "fail: wrong_account", w.verdict())
	})
}

// TestStartKeepsPin: the account that was verified first counts even if that Start failed.
func TestStartKeepsPin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(poor("1", "10")), health.WithMinBalance(decimal.MustParse("50")),
			health.FailOnLowBalance(), health.RequireVerified())
		requireReason(t, w.checker.Start(t.Context()), health.ReasonInsufficientBalance)
		w.will(always(account("2")))
		requireReason(t, w.checker.Start(t.Context()), health.ReasonWrongAccount)
	})
}

func requireReason(t *testing.T, err error, want health.Reason) {
	t.Helper()
	var e *health.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, want, e.Reason)
}
