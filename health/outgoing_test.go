package health_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

// borrow lends the token to a request to the platform.
func borrow(t *testing.T, w *world) *health.Loan {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://toloka.dev/api/v1/pools", nil)
	require.NoError(t, err)
	loan, err := w.checker.Lend(req)
	require.NoError(t, err)
	require.NotNil(t, loan)
	return loan
}

// borrowed returns the Authorization that a loan sets, "" for none.
func borrowed(l *health.Loan) string {
	if l == nil {
		return ""
	}
	h := http.Header{}
	l.Authorize(h)
	return h.Get("Authorization")
}

func TestARefusedLoan(t *testing.T) {
	tests := []struct {
		name  string
		story func(t *testing.T, w *world) (loan *health.Loan)
		want  string // what it is exchanged for
		calls int    // that this took
	}{
		{
			name:  "of a token that is verified once more is not exchanged",
			story: func(t *testing.T, w *world) *health.Loan { return borrow(t, w) },
			calls: 1,
		},
		{
			name: "of a token that has a successor is exchanged for it",
			story: func(t *testing.T, w *world) *health.Loan {
				w.source.has(tokenB)
				return borrow(t, w)
			},
			want: "ApiKey " + tokenB, calls: 1,
		},
		{
			name: "of a token that was replaced since is exchanged without a call",
			story: func(t *testing.T, w *world) *health.Loan {
				loan := borrow(t, w)
				w.source.has(tokenB)
				require.NoError(t, w.checker.Refresh(t.Context()))
				w.platform.forget()
				return loan
			},
			want: "ApiKey " + tokenB,
		},
		{
			name: "of a token that was verified since makes no call",
			story: func(t *testing.T, w *world) *health.Loan {
				loan := borrow(t, w)
				time.Sleep(time.Second)
				require.NoError(t, w.checker.Refresh(t.Context()))
				w.platform.forget()
				time.Sleep(30 * time.Second)
				return loan
			},
		},
		{
			name: "of a token that was verified less than ten seconds before makes no call",
			story: func(t *testing.T, w *world) *health.Loan {
				require.NoError(t, w.checker.Refresh(t.Context()))
				w.platform.forget()
				time.Sleep(10*time.Second - 1)
				return borrow(t, w)
			},
		},
		{
			name: "of a token that was verified ten seconds before makes one",
			story: func(t *testing.T, w *world) *health.Loan {
				require.NoError(t, w.checker.Refresh(t.Context()))
				w.platform.forget()
				time.Sleep(10 * time.Second)
				return borrow(t, w)
			},
			calls: 1,
		},
		{
			name: "of a token whose refusal waits to be confirmed makes no call",
			story: func(t *testing.T, w *world) *health.Loan {
				w.will(always(refused))
				require.Error(t, w.checker.Refresh(t.Context()))
				w.platform.forget()
				return borrow(t, w)
			},
		},
		{
			name: "makes no call after Close",
			story: func(t *testing.T, w *world) *health.Loan {
				loan := borrow(t, w)
				w.checker.Close()
				return loan
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t)
				time.Sleep(21 * time.Second) // when nothing is due, not even a poll
				loan := tt.story(t, w)
				assert.Equal(t, tt.want, borrowed(loan.Refused(t.Context())))
				assert.Equal(t, tt.calls, w.platform.count())
			})
		})
	}
	t.Run("is exchanged for a token that is being verified already, which takes no further call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			w.source.has(tokenA, tokenB)
			require.NoError(t, w.checker.Start(t.Context()))
			slow := account("1")
			slow.after = time.Second
			time.Sleep(21 * time.Second)
			w.will(byToken(map[string]reply{tokenB: slow}))
			w.platform.forget()
			var all sync.WaitGroup
			for i := range 5 {
				loan := borrow(t, w)
				all.Go(func() {
					time.Sleep(time.Duration(i) * 200 * time.Millisecond) // the answers come one after the other
					assert.Equal(t, "ApiKey "+tokenB, borrowed(loan.Refused(t.Context())), i)
				})
			}
			all.Wait()
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens())
		})
	})
	t.Run("is exchanged by a check that was due anyway", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			w.source.has(tokenA, tokenB)
			require.NoError(t, w.checker.Start(t.Context()))
			slow := account("1")
			slow.after = time.Second
			time.Sleep(59 * time.Second)
			w.will(byToken(map[string]reply{tokenB: slow}))
			loan := borrow(t, w)
			time.Sleep(1500 * time.Millisecond) // A is refused, B asked about
			w.platform.forget()
			assert.Equal(t, "ApiKey "+tokenB, borrowed(loan.Refused(t.Context())))
			assert.Zero(t, w.platform.count())
		})
	})
	t.Run("is not exchanged for a caller who has left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			time.Sleep(21 * time.Second)
			w.source.has(tokenB)
			loan := borrow(t, w)
			require.NoError(t, w.checker.Refresh(t.Context()))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			assert.Nil(t, loan.Refused(ctx))
		})
	})
}
