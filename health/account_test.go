package health_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

func TestAccount(t *testing.T) {
	otherOfB := byToken(map[string]reply{tokenA: account("1"), tokenB: account("2")})
	t.Run("pinned", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(otherOfB)
			w.source.has(tokenB)
			time.Sleep(time.Minute)
			assert.Equal(t, "warn: rotation_rejected", w.verdict())
			assert.EqualError(t, w.checker.Snapshot().State().Err, "the token BBBB…#"+hash(tokenB)+
				" belongs to account 2, this service was verified as account 1")
		})
	})
	t.Run("pinned after a rejection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(byToken(map[string]reply{tokenB: account("2")}))
			time.Sleep(2 * time.Minute)
			require.Equal(t, "fail: rejected", w.verdict())
			w.source.has(tokenB)
			time.Sleep(time.Minute)
			assert.Equal(t, "fail: wrong_account", w.verdict())
			_, err := w.checker.Snapshot().Account()
			assert.Error(t, err)
		})
	})
	t.Run("change allowed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.AllowAccountChange())
			w.will(otherOfB)
			w.source.has(tokenB)
			poll()
			assert.Equal(t, "pass: verified", w.verdict())
			a, err := w.checker.Snapshot().Account()
			require.NoError(t, err)
			assert.Equal(t, "2", a.ID())
		})
	})
	t.Run("change allowed within the company", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t, health.AllowAccountChange(), health.ExpectCompany("123"))
			w.will(byToken(map[string]reply{
				tokenA: account("1"), tokenB: poor("2", "9"), tokenC: account("3"),
			}))
			w.source.has(tokenB)
			poll()
			assert.Equal(t, "warn: rotation_rejected", w.verdict())
			w.source.has(tokenC)
			poll()
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, tokenC, w.inUse())
		})
	})
	t.Run("changes for the same token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(account("2")))
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, "fail: wrong_account", w.verdict())
			assert.Equal(t, 1, w.platform.count(), "there is nothing to confirm")
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			assert.Equal(t, 11, w.platform.count())
		})
	})
	t.Run("wrong and refused once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := started(t)
			w.will(always(account("2")))
			require.Error(t, w.checker.Refresh(t.Context()))
			require.Equal(t, "fail: wrong_account", w.verdict())
			w.will(always(refused))
			_ = w.checker.Refresh(t.Context())
			require.Equal(t, "fail: wrong_account", w.verdict(), "one refusal is not enough")
			assert.ErrorContains(t, w.checker.Check(t.Context()), "belongs to account 2")
		})
	})
}

func TestBalance(t *testing.T) {
	least := func(balance string) health.Option {
		return health.WithMinBalance(decimal.MustParse(balance))
	}
	fails := health.FailOnLowBalance()
	for _, tt := range []struct {
		name, balance string
		opts          []health.Option
		want, cause   string
	}{
		{name: "not checked", balance: "0", want: "pass: verified"},
		{name: "the minimum", balance: "50", opts: []health.Option{least("50")}, want: "pass: verified"},
		{
			name: "low", balance: "49.99", opts: []health.Option{least("50")},
			want: "warn: low_balance", cause: "the balance is 49.99 USD, the minimum is 50 USD",
		},
		{
			name: "negative", balance: "-1", opts: []health.Option{least("0")},
			want: "warn: low_balance", cause: "the balance is -1 USD, the minimum is 0 USD",
		},
		{
			name: "insufficient", balance: "49.99", opts: []health.Option{least("50"), fails},
			want: "fail: insufficient_balance", cause: "the balance is 49.99 USD, the minimum is 50 USD",
		},
		{
			name: "unreadable", balance: `"much"`, opts: []health.Option{least("50"), fails},
			want: "pass: verified",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(poor("1", tt.balance)), tt.opts...)
				require.NoError(t, w.checker.Start(t.Context()))
				assert.Equal(t, tt.want, w.verdict())
				if tt.cause == "" {
					assert.NoError(t, w.checker.Snapshot().State().Err)
				} else {
					assert.EqualError(t, w.checker.Snapshot().State().Err, tt.cause)
				}
			})
		})
	}
}

// The account is what an operator needs most while it is the problem.
func TestAccountIsShownInEveryStatus(t *testing.T) {
	for name, tt := range map[string]struct {
		answer reply
		want   string
	}{
		"insufficient_balance": {poor("1", "3"), "fail: insufficient_balance"},
		"rejected":             {refused, "fail: rejected"},
		"wrong_account":        {account("2"), "fail: wrong_account"},
		"unreachable":          {down, "fail: unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := started(t, health.WithMinBalance(decimal.MustParse("5")), health.FailOnLowBalance())
				verifiedAt := time.Now()
				w.will(always(tt.answer))
				time.Sleep(20 * time.Minute)
				require.Equal(t, tt.want, w.verdict())
				snap := w.checker.Snapshot()
				require.NotNil(t, snap.State().Account)
				if name != "wrong_account" {
					assert.Equal(t, "1", snap.State().Account.ID())
				}
				if tt.answer.status != 200 {
					assert.True(t, verifiedAt.Equal(snap.State().VerifiedAt))
				}
			})
		})
	}
}
