package health_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestZeroSnapshot(t *testing.T) {
	for name, snap := range map[string]*health.Snapshot{
		"literal":     {},
		"NewSnapshot": health.NewSnapshot(health.State{}),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, "fail: starting", verdictOf(snap))
			assert.Equal(t, health.ReasonStarting, snap.Reason())
			assert.Equal(t, health.StatusFail, snap.Readiness())
			assert.False(t, snap.Open())
			assert.False(t, snap.Ready())
			assert.False(t, snap.Draining())
			assert.False(t, snap.Started())
			_, err := snap.Token()
			assert.EqualError(t, err, "health: starting: no check has finished yet; wait for the first check")
			_, err = snap.Account()
			assert.Error(t, err)
			assert.Error(t, snap.Check())
			assert.NoError(t, snap.Cause())
			assert.Nil(t, snap.LastAccount())
			assert.Empty(t, snap.History())
			assert.Zero(t, snap.VerifiedAt())
			assert.Zero(t, snap.RetryAfter())
			assert.NotPanics(t, func() { _ = snap.TokenFingerprint() + snap.Breaker() + snap.Name() })
		})
	}
}

func TestZeroErrors(t *testing.T) {
	assert.EqualError(t, &health.Error{}, "health: Reason(0): unknown reason; report a bug")
	assert.NoError(t, errors.Unwrap(&health.Error{}))
	assert.False(t, errors.Is(&health.Error{}, health.ErrClosed))
	assert.EqualError(t, &health.NotAskedError{}, "health: the platform was not asked: ")
	assert.Equal(t, requester.NotAsked, requester.ClassOf(&health.NotAskedError{}))
}

func TestErrorText(t *testing.T) {
	cause := errors.New("cause")
	refusal := &requester.APIError{StatusCode: 401}
	for name, tt := range map[string]struct {
		err  *health.Error
		want string
	}{
		"without a cause": {
			&health.Error{Reason: health.ReasonLowBalance},
			"health: low_balance: the account's balance is low; top up the account",
		},
		"with a name": {
			&health.Error{Name: "payouts", Reason: health.ReasonClosed, Err: cause},
			"health payouts: closed: the checker is closed: cause; " + health.ReasonClosed.Advice(),
		},
		"the cause has advice": {
			&health.Error{Reason: health.ReasonRejected, Err: refusal},
			"health: rejected: the platform refuses the token: " + refusal.Error(),
		},
	} {
		t.Run(name, func(t *testing.T) { assert.EqualError(t, tt.err, tt.want) })
	}
}

func TestSnapshotLendsOnlyWhatIsVerified(t *testing.T) {
	token, err := credentials.ParseToken(tokenA)
	require.NoError(t, err)
	account, err := requester.ParseAccount([]byte(`{"id":"1"}`))
	require.NoError(t, err)
	cause := errors.New("cause")
	for _, r := range allReasons {
		t.Run(r.String(), func(t *testing.T) {
			snap := health.NewSnapshot(health.State{
				Name: "n", Reasons: health.ReasonsOf(r), Token: token, Account: account, Err: cause,
			})
			gotToken, tokenErr := snap.Token()
			gotAccount, accountErr := snap.Account()
			assert.Same(t, account, snap.LastAccount(), "for display")
			if r.Status() != health.StatusFail {
				require.NoError(t, tokenErr)
				require.NoError(t, accountErr)
				require.NoError(t, snap.Check())
				assert.True(t, gotToken.Equal(token))
				assert.Same(t, account, gotAccount)
				return
			}
			assert.True(t, gotToken.IsZero())
			assert.Nil(t, gotAccount)
			for _, err := range []error{tokenErr, accountErr, snap.Check()} {
				assert.EqualError(t, err, "health n: "+r.String()+": "+r.Meaning()+": cause; "+r.Advice())
				assert.ErrorIs(t, err, cause)
				assert.Equal(t, r == health.ReasonClosed, errors.Is(err, health.ErrClosed))
			}
		})
	}
}

func TestSnapshotFields(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	history := []health.Change{{At: at, From: health.ReasonVerified, To: health.ReasonStale}}
	snap := health.NewSnapshot(health.State{
		Name: "n", Environment: "sandbox", Reasons: health.ReasonsOf(health.ReasonStale), Draining: true,
		Started: true, TokenSource: "env:X", VerifiedAt: at, AnsweredAt: at.Add(1), Latency: 2,
		Breaker: "open", Since: at.Add(3), RetryAfter: 4, History: history,
	})
	assert.Equal(t, "n", snap.Name())
	assert.Equal(t, "sandbox", snap.Environment())
	assert.True(t, snap.Draining())
	assert.True(t, snap.Started())
	assert.Equal(t, "env:X", snap.TokenSource())
	assert.Equal(t, credentials.Token{}.Fingerprint(), snap.TokenFingerprint())
	assert.Equal(t, at, snap.VerifiedAt())
	assert.Equal(t, at.Add(1), snap.AnsweredAt())
	assert.Equal(t, time.Duration(2), snap.Latency())
	assert.Equal(t, "open", snap.Breaker())
	assert.Equal(t, at.Add(3), snap.Since())
	assert.Equal(t, time.Duration(4), snap.RetryAfter())
	assert.Equal(t, history, snap.History())
	assert.Equal(t, health.StatusWarn, snap.Status())
	assert.Equal(t, health.StatusFail, snap.Readiness(), "draining")
}

func TestReadiness(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	unreachable := health.ReasonsOf(health.ReasonUnreachable, health.ReasonConfirmingRejection)
	with := func(r health.Reason) health.Reasons { return unreachable | health.ReasonsOf(r) }
	for _, tt := range []struct {
		name  string
		state health.State
		want  health.Status
	}{
		{"default", health.State{Reasons: unreachable, VerifiedAt: at}, health.StatusFail},
		{"kept", health.State{Reasons: unreachable, VerifiedAt: at, KeepReady: true}, health.StatusWarn},
		{"never verified", health.State{Reasons: unreachable, KeepReady: true}, health.StatusFail},
		{
			"draining",
			health.State{Reasons: unreachable, VerifiedAt: at, KeepReady: true, Draining: true},
			health.StatusFail,
		},
		{
			"closed",
			health.State{Reasons: with(health.ReasonClosed), VerifiedAt: at, KeepReady: true},
			health.StatusFail,
		},
		{
			"insufficient balance",
			health.State{Reasons: with(health.ReasonInsufficientBalance), VerifiedAt: at, KeepReady: true},
			health.StatusFail,
		},
		{
			"low balance",
			health.State{Reasons: with(health.ReasonLowBalance), VerifiedAt: at, KeepReady: true},
			health.StatusWarn,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			snap := health.NewSnapshot(tt.state)
			assert.Equal(t, tt.want, snap.Readiness())
			assert.Equal(t, tt.want != health.StatusFail, snap.Ready())
			assert.False(t, snap.Open(), "the gate follows the status")
		})
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	for _, r := range allReasons {
		snap := health.NewSnapshot(health.State{Reasons: health.ReasonsOf(r)})
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			_, _ = snap.Token()
			_, _ = snap.Account()
			_ = snap.Check()
			_ = snap.Open()
		}))
	}
	checker, err := health.New(credentials.Static("t"))
	require.NoError(t, err)
	defer checker.Close()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = checker.Token()
		_, _ = checker.Account()
		_ = checker.Check(t.Context())
		_ = checker.Snapshot()
	}), "Token, Account, Check and Snapshot of a Checker")
}
