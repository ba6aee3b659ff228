package faults_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Lines of the log that several tests expect.
const (
	verifiedMsg  = "toloka credential verified"
	attentionMsg = "toloka credential works, but needs attention"
	unusableMsg  = "toloka credential cannot be used"
)

func TestAFaultBeforeTheFirstVerificationDoesNotStopTheServiceAndIsRecoveredFrom(t *testing.T) {
	eachFault(t, func(t *testing.T, f fault) {
		// Long enough for one call that takes the whole of the timeout, and for no second call after it.
		w := newWorld(t, health.WithStartupTimeout(timeout+900*time.Millisecond), health.WithBreakerOpen(500*time.Millisecond))
		f.begin(t, w.proxy)

		require.NoError(t, w.checker.Start(t.Context()))
		snap := w.checker.Snapshot()
		assert.Equal(t, "fail: unreachable", verdict(snap))
		assert.True(t, snap.Started(), "a startup probe must not kill the service for the platform's fault")
		assert.False(t, snap.Ready())
		assert.Equal(t, f.class, requester.ClassOf(snap.Cause()))
		assert.ErrorContains(t, snap.Cause(), f.says)
		assert.Equal(t, "closed", snap.Breaker())
		_, err := w.checker.Token()
		assert.Error(t, err, "a token that nobody has verified is not lent")
		w.assertCallsAtStartup(t, f)
		lines := w.log.lines(t)
		require.Len(t, lines, 1)
		assert.Equal(t, line{"WARN", unusableMsg, "fail", "", "unreachable", snap.Cause().Error()}, lines[0])

		f.end(t, w.proxy)
		w.await(t, "pass: verified", "closed")
		assert.Equal(t, []string{"fail: unreachable", "pass: verified"}, w.awaitTold(t, 2))
		lines = w.awaitLines(t, 2)
		require.Len(t, lines, 2)
		assert.Equal(t, line{"INFO", verifiedMsg, "pass", "fail", "", ""}, lines[1])
	})
}

// assertCallsAtStartup: after a call that failed at once there may be a second one, at random between 1 and 1.5 s later.
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

func TestAFaultAfterTheFirstVerificationIsAWarningAndOpensTheBreaker(t *testing.T) {
	eachFault(t, func(t *testing.T, f fault) {
		const failures = 3 // after which the breaker opens
		// No check but those that the test asks for, as long as there are no failures.
		w := newWorld(t, health.WithBreakerFailures(failures), health.WithBreakerOpen(2*time.Second))
		require.NoError(t, w.checker.Start(t.Context()))
		require.Equal(t, "pass: verified", w.verdict())
		require.Equal(t, 1, w.platform.Count())

		f.begin(t, w.proxy)
		err := w.checker.Refresh(t.Context())
		assert.Equal(t, f.class, requester.ClassOf(err), err)
		assert.ErrorContains(t, err, f.says)
		snap := w.checker.Snapshot()
		assert.Equal(t, "warn: stale", verdict(snap))
		assert.Equal(t, f.class, requester.ClassOf(snap.Cause()))
		assert.True(t, snap.Ready())
		token, err := w.checker.Token()
		assert.NoError(t, err)
		assert.True(t, token.Equal(w.token), "the token goes on being lent")
		account, err := w.checker.Account()
		assert.NoError(t, err)
		assert.Equal(t, "Jack Smith", account.Name())

		for w.checker.Snapshot().Breaker() == "closed" {
			require.Error(t, w.checker.Refresh(t.Context()))
		}
		var notAsked *health.NotAskedError
		require.ErrorAs(t, w.checker.Refresh(t.Context()), &notAsked)
		assert.Equal(t, "circuit breaker open", notAsked.Why)
		assert.Equal(t, 1+f.seen(failures), w.platform.Count(), "requests that the platform saw")
		assert.Equal(t, "warn: stale", w.verdict())

		f.end(t, w.proxy)
		w.await(t, "pass: verified", "closed")
		assert.Equal(t, []string{"pass: verified", "warn: stale", "pass: verified"}, w.awaitTold(t, 3))
		lines := w.awaitLines(t, 3)
		require.Len(t, lines, 3, "one for each change, and none for the calls that failed like the one before")
		assert.Equal(t, line{"INFO", verifiedMsg, "pass", "fail", "", ""}, lines[0])
		assert.Equal(t, line{"WARN", attentionMsg, "warn", "pass", "stale", snap.Cause().Error()}, lines[1])
		assert.Equal(t, line{"INFO", verifiedMsg, "pass", "warn", "", ""}, lines[2])
	})
}

func TestAFaultThatOutlastsMaxStaleClosesTheGateAndOnlyThen(t *testing.T) {
	eachFault(t, func(t *testing.T, f fault) {
		const maxStale = 2500 * time.Millisecond
		w := newWorld(t, health.WithInterval(200*time.Millisecond), health.WithMaxStale(maxStale), health.WithBreakerOpen(300*time.Millisecond))
		require.NoError(t, w.checker.Start(t.Context()))
		f.begin(t, w.proxy)

		unreachable := w.awaitTold(t, 3)
		snap := w.checker.Snapshot()
		require.Equal(t, []string{"pass: verified", "warn: stale", "fail: unreachable"}, unreachable)
		assert.GreaterOrEqual(t, snap.Since().Sub(snap.VerifiedAt()), maxStale)
		assert.Less(t, snap.Since().Sub(snap.VerifiedAt()), maxStale+time.Second, "the step comes by a timer, whatever a call does")
		assert.Error(t, w.checker.Check(t.Context()))
		_, err := w.checker.Token()
		assert.Error(t, err)

		f.end(t, w.proxy)
		w.await(t, "pass: verified", "closed")
		assert.Equal(t, []string{"pass: verified", "warn: stale", "fail: unreachable", "pass: verified"}, w.awaitTold(t, 4))
		var levels []string
		for _, l := range w.awaitLines(t, 4) {
			levels = append(levels, l.Level)
		}
		assert.Equal(t, []string{"INFO", "WARN", "ERROR", "INFO"}, levels)
	})
}
