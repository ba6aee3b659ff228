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
	const url = "https://toloka.dev/api/v1/pools"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
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

// TestRefusedLoan is about what a 401 on an outgoing request causes.
func TestRefusedLoan(t *testing.T) {
	tests := []struct {
		name  string
		loan  func(t *testing.T, w *world) *health.Loan
		want  string // what it is exchanged for
		calls int
		reads int
	}{
		{
			name: "same token", calls: 1, reads: 1,
			loan: borrow,
		},
		{
			name: "new token in the source", want: "ApiKey " + tokenB, calls: 1, reads: 1,
			loan: func(t *testing.T, w *world) *health.Loan {
				w.source.has(tokenB)
				return borrow(t, w)
			},
		},
		{
			name: "token replaced since", want: "ApiKey " + tokenB,
			loan: func(t *testing.T, w *world) *health.Loan {
				loan := borrow(t, w)
				w.source.has(tokenB)
				require.NoError(t, w.checker.Refresh(t.Context()))
				return loan
			},
		},
		{
			name: "token verified since",
			loan: func(t *testing.T, w *world) *health.Loan {
				loan := borrow(t, w)
				time.Sleep(time.Second)
				require.NoError(t, w.checker.Refresh(t.Context()))
				time.Sleep(30 * time.Second)
				return loan
			},
		},
		{
			name: "token verified less than ten seconds before", reads: 1,
			loan: func(t *testing.T, w *world) *health.Loan {
				require.NoError(t, w.checker.Refresh(t.Context()))
				time.Sleep(10*time.Second - time.Nanosecond)
				return borrow(t, w)
			},
		},
		{
			name: "token verified ten seconds before", calls: 1, reads: 1,
			loan: func(t *testing.T, w *world) *health.Loan {
				require.NoError(t, w.checker.Refresh(t.Context()))
				time.Sleep(10 * time.Second)
				return borrow(t, w)
			},
		},
		{
			name: "new token right after a verification", want: "ApiKey " + tokenB, calls: 1, reads: 1,
			loan: func(t *testing.T, w *world) *health.Loan {
				require.NoError(t, w.checker.Refresh(t.Context()))
				time.Sleep(time.Second)
				w.source.has(tokenB)
				return borrow(t, w)
			},
		},
		{
			name: "unconfirmed refusal", reads: 1,
			loan: func(t *testing.T, w *world) *health.Loan {
				w.will(always(refused))
				require.Error(t, w.checker.Refresh(t.Context()))
				time.Sleep(2 * time.Second)
				return borrow(t, w)
			},
		},
		{
			name: "closed",
			loan: func(t *testing.T, w *world) *health.Loan {
				loan := borrow(t, w)
				w.checker.Close()
				return loan
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t, health.WithPollInterval(time.Hour), health.WithRejectionRecheck(10*time.Second))
				time.Sleep(21 * time.Second) // when nothing is due
				loan := tt.loan(t, w)
				w.platform.forget()
				reads := w.source.readCount()
				begin := time.Now()
				assert.Equal(t, tt.want, borrowed(loan.Refused(t.Context())))
				assert.Equal(t, tt.calls, w.platform.count())
				assert.Equal(t, tt.reads, w.source.readCount()-reads)
				assert.LessOrEqual(t, time.Since(begin), time.Second, "a read may have to wait a second")
			})
		})
	}
}

func TestRefusedLoanIsShared(t *testing.T) {
	t.Run("call for a new token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pairInUse(t)
			time.Sleep(21 * time.Second)
			w.will(byToken(map[string]reply{tokenB: slowly("1", 900*time.Millisecond)}))
			var all sync.WaitGroup
			for i := range 5 {
				loan := borrow(t, w)
				all.Go(func() {
					time.Sleep(time.Duration(i) * 200 * time.Millisecond) // the answers come in turn
					assert.Equal(t, "ApiKey "+tokenB, borrowed(loan.Refused(t.Context())), i)
				})
			}
			all.Wait()
			assert.Equal(t, []string{tokenA, tokenB}, w.platform.tokens())
		})
	})
	t.Run("check that was due", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := pairInUse(t)
			time.Sleep(59 * time.Second)
			w.will(byToken(map[string]reply{tokenB: slowly("1", time.Second)}))
			loan := borrow(t, w)
			time.Sleep(1500 * time.Millisecond) // A is refused, B asked about
			w.platform.forget()
			assert.Equal(t, "ApiKey "+tokenB, borrowed(loan.Refused(t.Context())))
			assert.Zero(t, w.platform.countOf(tokenB))
		})
	})
	t.Run("caller has left", func(t *testing.T) {
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

// However many requests are refused, and whatever /requester answers: at most one read of the
// source a second, and one call about the same token in ten seconds.
func TestRefusedLoanPace(t *testing.T) {
	for name, answer := range map[string]reply{
		"verified": account("1"), "down": down, "limited": limited("60"), "no route": noRoute,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t, health.WithPollInterval(time.Hour))
				time.Sleep(21 * time.Second)
				w.will(always(answer))
				reads := w.source.readCount()
				begin := time.Now()
				for time.Since(begin) < 30*time.Second {
					loan := borrow(t, w)
					go loan.Refused(t.Context())
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(2 * time.Second)
				assert.LessOrEqual(t, w.source.readCount()-reads, 32)
				if name == "verified" {
					assert.LessOrEqual(t, w.platform.count(), 4)
				} else {
					assert.LessOrEqual(t, w.platform.count(), 6, "and the backoff's")
				}
				assert.True(t, w.checker.Snapshot().Open())
			})
		})
	}
	t.Run("blip", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			time.Sleep(21 * time.Second)
			w.will(always(down))
			var all sync.WaitGroup
			for range 200 { // of 200 ms
				loan := borrow(t, w)
				all.Go(func() { loan.Refused(t.Context()) })
				time.Sleep(time.Millisecond)
			}
			w.will(always(account("1")))
			all.Wait()
			time.Sleep(2 * time.Second)
			assert.Equal(t, "closed", w.checker.Snapshot().State().Breaker)
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, 2, w.platform.count())
		})
	})
	t.Run("waits no longer than the client's timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			time.Sleep(21 * time.Second)
			w.will(always(hang))
			w.source.usesUpItsTime()
			begin := time.Now()
			assert.Nil(t, borrow(t, w).Refused(t.Context()))
			assert.LessOrEqual(t, time.Since(begin), 5*time.Second)
		})
	})
}

// A call that hangs does not keep the source from being read for the requests that are refused
// meanwhile.
func TestRefusedLoanWhileACallHangs(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, *world){
		"about the token in use": func(t *testing.T, w *world) { go borrow(t, w).Refused(t.Context()) },
		"for Refresh":            func(t *testing.T, w *world) { go func() { _ = w.checker.Refresh(t.Context()) }() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t, health.WithPollInterval(time.Hour))
				time.Sleep(21 * time.Second)
				w.will(byToken(map[string]reply{tokenA: hang, tokenB: account("1")}))
				begin(t, w)
				time.Sleep(time.Second)
				w.source.has(tokenB)
				from := time.Now()
				assert.Equal(t, "ApiKey "+tokenB, borrowed(borrow(t, w).Refused(t.Context())))
				assert.LessOrEqual(t, time.Since(from), time.Second)
			})
		})
	}
}
