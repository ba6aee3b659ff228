package faults_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Log messages.
const (
	verifiedMsg  = "toloka credential verified"
	attentionMsg = "toloka credential works, but needs attention"
	unusableMsg  = "toloka credential cannot be used"
)

// startupOptions allow for one call that takes the whole request timeout, and for no second one.
var startupOptions = []health.Option{
	health.WithStartupTimeout(timeout + 900*time.Millisecond),
	health.WithBreakerOpen(500 * time.Millisecond),
}

func TestFaultAtStartup(t *testing.T) {
	eachFault(t, func(t *testing.T, f fault) {
		w := newWorld(t, startupOptions...)
		f.begin(t, w.proxy)

		require.NoError(t, w.checker.Start(t.Context()))
		snap := w.checker.Snapshot()
		assert.Equal(t, "fail: unreachable", verdict(snap))
		assert.True(t, snap.State().Started, "the startup probe must succeed")
		assert.False(t, snap.Ready())
		assert.Equal(t, f.class, requester.ClassOf(snap.State().Err))
		assert.ErrorContains(t, snap.State().Err, f.says)
		assert.Equal(t, "closed", snap.State().Breaker)
		_, err := w.checker.Snapshot().Token()
		assert.Error(t, err, "an unverified token must not be used")
		w.assertCallsAtStartup(t, f)
		lines := w.log.lines(t)
		require.Len(t, lines, 1)
		cause := snap.State().Err.Error()
		assert.Equal(t, line{"WARN", unusableMsg, "fail", "", "unreachable", cause}, lines[0])

		f.end(t, w.proxy)
		w.await(t, "pass: verified", "closed")
		assert.Equal(t, []string{"fail: unreachable", "pass: verified"}, w.awaitTold(t, 2))
		lines = w.awaitLines(t, 2)
		require.Len(t, lines, 2)
		assert.Equal(t, line{"INFO", verifiedMsg, "pass", "fail", "", ""}, lines[1])
	})
}

// assertCallsAtStartup checks the number of calls. After a call that fails immediately there may be
// a second one, 1 to 1.5 s later.
func (w *world) assertCallsAtStartup(t *testing.T, f fault) {
	t.Helper()
	switch calls := w.platform.Count(); {
	case !f.arrives:
		assert.Zero(t, calls)
	case f.slow:
		assert.Equal(t, 1, calls)
	default:
		assert.Contains(t, []int{1, 2}, calls)
	}
}

func TestFaultWhileVerified(t *testing.T) {
	eachFault(t, func(t *testing.T, f fault) {
		const failures = 3 // the breaker opens after these
		// Before a failure, the only checks are those that the test requests.
		w := newWorld(t, health.WithBreakerOpen(2*time.Second))
		require.NoError(t, w.checker.Start(t.Context()))
		require.Equal(t, "pass: verified", w.verdict())
		require.Equal(t, 1, w.platform.Count())

		f.begin(t, w.proxy)
		err := w.checker.Refresh(t.Context())
		assert.Equal(t, f.class, requester.ClassOf(err), err)
		assert.ErrorContains(t, err, f.says)
		snap := w.checker.Snapshot()
		assert.Equal(t, "warn: stale", verdict(snap))
		assert.Equal(t, f.class, requester.ClassOf(snap.State().Err))
		assert.True(t, snap.Ready())
		token, err := w.checker.Snapshot().Token()
		assert.NoError(t, err)
		assert.True(t, token.Equal(w.token), "the token stays in use")
		account, err := w.checker.Snapshot().Account()
		assert.NoError(t, err)
		assert.Equal(t, "Jack Smith", account.Name())

		for w.checker.Snapshot().State().Breaker == "closed" {
			require.Error(t, w.checker.Refresh(t.Context()))
		}
		var notAsked *health.NotAskedError
		require.ErrorAs(t, w.checker.Refresh(t.Context()), &notAsked)
		assert.ErrorContains(t, notAsked, "circuit breaker open")
		assert.Equal(t, 1+f.seen(failures), w.platform.Count(), "requests that the platform received")
		assert.Equal(t, "warn: stale", w.verdict())

		f.end(t, w.proxy)
		w.await(t, "pass: verified", "closed")
		assert.Equal(t, []string{"pass: verified", "warn: stale", "pass: verified"}, w.awaitTold(t, 3))
		lines := w.awaitLines(t, 3)
		require.Len(t, lines, 3, "one per change, none for repeated failures")
		assert.Equal(t, line{"INFO", verifiedMsg, "pass", "", "", ""}, lines[0])
		cause := snap.State().Err.Error()
		assert.Equal(t, line{"WARN", attentionMsg, "warn", "pass", "stale", cause}, lines[1])
		assert.Equal(t, line{"INFO", verifiedMsg, "pass", "warn", "", ""}, lines[2])
	})
}

func TestFaultLongerThanMaxStale(t *testing.T) {
	eachFault(t, func(t *testing.T, f fault) {
		const maxStale = 3500 * time.Millisecond
		w := newWorld(t, health.WithInterval(timeout),
			health.WithMaxStale(maxStale), health.WithBreakerOpen(300*time.Millisecond))
		require.NoError(t, w.checker.Start(t.Context()))
		f.begin(t, w.proxy)

		unreachable := w.awaitTold(t, 3)
		snap := w.checker.Snapshot()
		want := []string{"pass: verified", "warn: stale", "fail: unreachable"}
		require.Equal(t, want, unreachable)
		age := snap.State().Since.Sub(snap.State().VerifiedAt)
		// The age counts from a moment before the request was sent.
		assert.GreaterOrEqual(t, age, maxStale-10*time.Millisecond)
		assert.Less(t, age, maxStale+time.Second, "a timer must publish it even while a call hangs")
		assert.Error(t, w.checker.Check(t.Context()))
		_, err := w.checker.Snapshot().Token()
		assert.Error(t, err)

		f.end(t, w.proxy)
		w.await(t, "pass: verified", "closed")
		assert.Equal(t, append(want, "pass: verified"), w.awaitTold(t, 4))
		var levels []string
		for _, l := range w.awaitLines(t, 4) {
			levels = append(levels, l.Level)
		}
		assert.Equal(t, []string{"INFO", "WARN", "ERROR", "INFO"}, levels)
	})
}
