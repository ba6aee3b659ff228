package health_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

// allReasons are in the order of the constants: most serious first.
var allReasons = func() (all []health.Reason) {
	for r := health.ReasonClosed; r.Meaning() != health.Reason(0).Meaning(); r++ {
		all = append(all, r)
	}
	return all
}()

func TestReason(t *testing.T) {
	want := []struct {
		name   string
		status health.Status
	}{
		{"closed", health.StatusFail},
		{"no_credential", health.StatusFail},
		{"wrong_account", health.StatusFail},
		{"rejected", health.StatusFail},
		{"unreachable", health.StatusFail},
		{"starting", health.StatusFail},
		{"insufficient_balance", health.StatusFail},
		{"confirming_rejection", health.StatusWarn},
		{"stale", health.StatusWarn},
		{"rotation_rejected", health.StatusWarn},
		{"source_unavailable", health.StatusWarn},
		{"using_fallback", health.StatusWarn},
		{"low_balance", health.StatusWarn},
		{"verified", health.StatusPass},
	}
	require.Len(t, allReasons, len(want), "see .github/ARCHITECTURE.md for what a reason needs")
	for i, r := range allReasons {
		t.Run(want[i].name, func(t *testing.T) {
			assert.Equal(t, want[i].name, r.String())
			assert.Equal(t, want[i].status, r.Status())
			assert.NotEmpty(t, r.Meaning())
			assert.NotEmpty(t, r.Advice())
			text, err := json.Marshal(r)
			require.NoError(t, err)
			assert.Equal(t, `"`+want[i].name+`"`, string(text))
			snap := health.NewSnapshot(health.State{Reasons: []health.Reason{r}})
			assert.Equal(t, want[i].status, snap.Status())
			assert.Equal(t, want[i].status, snap.Readiness())
			assert.Equal(t, want[i].status != health.StatusFail, snap.Open())
		})
	}
	t.Run("unknown", func(t *testing.T) {
		for _, r := range []health.Reason{0, health.ReasonVerified + 1, 255} {
			assert.Contains(t, r.String(), "Reason(")
			assert.Equal(t, health.StatusFail, r.Status())
			assert.Equal(t, "unknown reason", r.Meaning())
			assert.Equal(t, "report a bug", r.Advice())
		}
	})
}

func TestPrimaryReason(t *testing.T) {
	for i, first := range allReasons {
		for _, second := range allReasons[i:] {
			snap := health.NewSnapshot(health.State{Reasons: []health.Reason{second, first}})
			assert.Equal(t, first, snap.Reason())
			assert.Equal(t, first.Status(), snap.Status())
		}
	}
}

func TestReasons(t *testing.T) {
	snap := health.NewSnapshot(health.State{
		Reasons: []health.Reason{health.ReasonLowBalance, health.ReasonStale, health.ReasonStale},
	})
	want := []health.Reason{health.ReasonStale, health.ReasonLowBalance}
	assert.Equal(t, want, snap.State().Reasons, "sorted, each once")
	assert.Equal(t, want, snap.State().Reasons)
	assert.Equal(t, len(want), cap(snap.State().Reasons), "append copies")
}

func TestStatus(t *testing.T) {
	assert.Equal(t, "fail", health.Status(0).String())
	assert.Equal(t, "Status(3)", (health.StatusPass + 1).String())
	text, err := json.Marshal(health.StatusWarn)
	require.NoError(t, err)
	assert.Equal(t, `"warn"`, string(text))
}
