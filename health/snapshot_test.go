package health_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// allReasons are in the order of DESIGN's table: most serious first.
var allReasons = []health.Reason{
	health.ReasonClosed, health.ReasonNoCredential, health.ReasonWrongAccount, health.ReasonRejected, health.ReasonUnreachable, health.ReasonStarting,
	health.ReasonInsufficientBalance,
	health.ReasonConfirmingRejection, health.ReasonStale, health.ReasonRotationRejected, health.ReasonSourceUnavailable, health.ReasonUsingFallback, health.ReasonLowBalance,
	health.ReasonVerified,
}

func TestEachReason(t *testing.T) {
	want := []struct {
		name   string
		status health.Status
	}{
		{"closed", health.StatusFail}, {"no_credential", health.StatusFail}, {"wrong_account", health.StatusFail}, {"rejected", health.StatusFail},
		{"unreachable", health.StatusFail}, {"starting", health.StatusFail},
		{"confirming_rejection", health.StatusWarn}, {"stale", health.StatusWarn}, {"rotation_rejected", health.StatusWarn},
		{"source_unavailable", health.StatusWarn}, {"using_fallback", health.StatusWarn}, {"low_balance", health.StatusWarn},
		{"verified", health.StatusPass},
	}
	for i, r := range allReasons {
		t.Run(want[i].name, func(t *testing.T) {
			assert.Equal(t, want[i].name, r.String())
			assert.Equal(t, want[i].status, r.Status())
			assert.NotEmpty(t, r.Meaning())
			assert.NotEmpty(t, r.Advice())
			text, err := json.Marshal(r)
			require.NoError(t, err)
			assert.Equal(t, `"`+want[i].name+`"`, string(text))
			snap := health.NewSnapshot(health.State{Reasons: health.ReasonsOf(r)})
			assert.Equal(t, want[i].status, snap.Status())
			assert.Equal(t, want[i].status, snap.Readiness())
			assert.Equal(t, want[i].status != health.StatusFail, snap.Open())
		})
	}
	t.Run("that does not exist has no verdict to offer", func(t *testing.T) {
		for _, r := range []health.Reason{0, 14, 255} {
			assert.Contains(t, r.String(), "Reason(")
			assert.Equal(t, health.StatusFail, r.Status())
			assert.Equal(t, "unknown reason", r.Meaning())
			assert.Equal(t, "report a bug", r.Advice())
		}
		assert.Equal(t, "Status(9)", health.Status(9).String())
	})
}

func TestThePrimaryReasonIsTheFirstOfTheTable(t *testing.T) {
	for i, first := range allReasons {
		for _, second := range allReasons[i:] {
			snap := health.NewSnapshot(health.State{Reasons: health.ReasonsOf(second, first)})
			assert.Equal(t, first, snap.Reason())
			assert.Equal(t, first.Status(), snap.Status())
		}
	}
}

func TestReasonsAreASet(t *testing.T) {
	set := health.ReasonsOf(health.ReasonLowBalance, health.ReasonStale, health.ReasonStale)
	assert.Equal(t, []health.Reason{health.ReasonStale, health.ReasonLowBalance}, slices.Collect(set.All()))
	assert.Equal(t, "stale,low_balance", set.String())
	assert.True(t, set.Has(health.ReasonStale))
	assert.False(t, set.Has(health.ReasonVerified))
	for r := range set.All() {
		assert.Equal(t, health.ReasonStale, r)
		break
	}
	assert.Empty(t, health.Reasons(0).String())
}

func TestASnapshotOfNothingIsNotGood(t *testing.T) {
	snap := health.NewSnapshot(health.State{})
	assert.Equal(t, "fail", snap.Status().String())
	assert.Equal(t, "starting", snap.Reasons().String())
	assert.False(t, snap.Open())
	assert.False(t, snap.Ready())
}

func TestASnapshotLendsOnlyWhatIsVerified(t *testing.T) {
	token, err := credentials.ParseToken(tokenA)
	require.NoError(t, err)
	account, err := requester.ParseAccount([]byte(`{"id":"1"}`))
	require.NoError(t, err)
	cause := errors.New("cause")
	for _, r := range allReasons {
		t.Run(r.String(), func(t *testing.T) {
			snap := health.NewSnapshot(health.State{Name: "n", Reasons: health.ReasonsOf(r), Token: token, Account: account, Err: cause})
			gotToken, tokenErr := snap.Token()
			gotAccount, accountErr := snap.Account()
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

func TestASnapshotAnswersWithWhatItWasMadeOf(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	snap := health.NewSnapshot(health.State{
		Name: "n", Environment: "sandbox", Reasons: health.ReasonsOf(health.ReasonStale), Draining: true, Started: true, TokenSource: "env:X",
		VerifiedAt: at, AnsweredAt: at.Add(1), Latency: 2, Breaker: "open", Since: at.Add(3), RetryAfter: 4,
	})
	assert.Equal(t, "n", snap.Name())
	assert.Equal(t, "sandbox", snap.Environment())
	assert.True(t, snap.Draining())
	assert.True(t, snap.Started())
	assert.Equal(t, "env:X", snap.TokenSource())
	assert.Equal(t, "none", snap.TokenFingerprint())
	assert.Equal(t, at, snap.VerifiedAt())
	assert.Equal(t, at.Add(1), snap.AnsweredAt())
	assert.Equal(t, time.Duration(2), snap.Latency())
	assert.Equal(t, "open", snap.Breaker())
	assert.Equal(t, at.Add(3), snap.Since())
	assert.Equal(t, time.Duration(4), snap.RetryAfter())
	assert.Equal(t, health.StatusWarn, snap.Status())
	assert.Equal(t, health.StatusFail, snap.Readiness(), "draining")
}

func TestReadinessDuringAnOutage(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	unreachable := health.ReasonsOf(health.ReasonUnreachable, health.ReasonConfirmingRejection)
	tests := []struct {
		name  string
		state health.State
		want  health.Status
	}{
		{"is fail by default", health.State{Reasons: unreachable, VerifiedAt: at}, health.StatusFail},
		{"is warn where it is asked for", health.State{Reasons: unreachable, VerifiedAt: at, KeepReady: true}, health.StatusWarn},
		{"is fail where nothing was ever verified", health.State{Reasons: unreachable, KeepReady: true}, health.StatusFail},
		{"is fail while draining", health.State{Reasons: unreachable, VerifiedAt: at, KeepReady: true, Draining: true}, health.StatusFail},
		{"is fail when closed", health.State{Reasons: unreachable | health.ReasonsOf(health.ReasonClosed), VerifiedAt: at, KeepReady: true}, health.StatusFail},
		{"is fail with a balance that fails", health.State{Reasons: unreachable | health.ReasonsOf(health.ReasonInsufficientBalance), VerifiedAt: at, KeepReady: true}, health.StatusFail},
		{"is warn with a balance that warns", health.State{Reasons: unreachable | health.ReasonsOf(health.ReasonLowBalance), VerifiedAt: at, KeepReady: true}, health.StatusWarn},
	}
	for _, tt := range tests {
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
		c := health.NewSnapshot(health.State{Reasons: health.ReasonsOf(r)})
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			_, _ = c.Token()
			_, _ = c.Account()
			_ = c.Check()
			_ = c.Open()
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

func TestAStatusThatDoesNotExistHasANumber(t *testing.T) {
	assert.Equal(t, "Status(3)", (health.StatusPass + 1).String())
}
