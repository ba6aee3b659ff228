package health_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

func TestPublicReadiness(t *testing.T) {
	stale := func(w *world) {
		w.will(always(down))
		time.Sleep(time.Minute + time.Second)
	}
	unreachable := func(w *world) {
		w.will(always(down))
		time.Sleep(time.Hour)
	}
	const (
		notVerified = "fail: the platform has not verified the token recently"
		closed      = "fail: the checker is closed"
		draining    = "fail: the service is shutting down"
	)
	tests := map[string]struct {
		opts   []health.Option
		step   func(*world)
		want   string // "" is nil
		reason health.Reason
	}{
		"verified": {step: func(*world) {}, reason: health.ReasonVerified},
		"stale":    {step: stale, reason: health.ReasonStale},
		"unreachable": {
			step: unreachable, want: notVerified,
			reason: health.ReasonUnreachable,
		},
		"ready while unreachable": {
			opts: []health.Option{health.ReadyWhileUnreachable()},
			step: unreachable, reason: health.ReasonUnreachable,
		},
		"draining": {
			step: func(w *world) { w.checker.Drain() },
			want: draining, reason: health.ReasonVerified,
		},
		"draining and unreachable": {
			step: func(w *world) {
				unreachable(w)
				w.checker.Drain()
			},
			want: draining, reason: health.ReasonUnreachable,
		},
		"closed": {
			step: func(w *world) {
				w.checker.Drain()
				w.checker.Close()
			},
			want: closed, reason: health.ReasonClosed,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t, tt.opts...)
				tt.step(w)
				assert.Equal(t, tt.reason, w.checker.Snapshot().Reason())
				assertPublic(t, tt.want, w.checker.PublicReadiness)
			})
		})
	}
}

func assertPublic(t *testing.T, want string, check func(context.Context) error) {
	t.Helper()
	ended, end := context.WithCancel(context.Background())
	end()
	for _, ctx := range []context.Context{t.Context(), ended} {
		err := check(ctx)
		if want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.EqualError(t, err, want)
		assert.NoError(t, errors.Unwrap(err))
	}
}

func TestPublicReadiness_verdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		w.will(always(down))
		time.Sleep(time.Hour)
		var verdict *health.Error
		require.ErrorAs(t, w.checker.PublicReadiness(t.Context()), &verdict)
		assert.Equal(t, w.checker.Check(t.Context()), verdict)
		assert.Error(t, verdict.Err, "the cause is for logs")

		w.checker.Drain()
		verdict = nil
		assert.False(t, errors.As(w.checker.PublicReadiness(t.Context()), &verdict))
		assert.Nil(t, verdict)
	})
}
