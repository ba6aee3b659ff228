package middleware_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

const (
	accountBody = `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.30,"public_name":{"EN":"Jack Smith"},` +
		`"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`
	otherBody = `{"id":"other","balance":0.1}`
)

func verified(t testing.TB, account string) *checker {
	return newChecker(health.State{Reasons: health.ReasonsOf(health.ReasonVerified), Account: mustAccount(t, account)})
}

// through returns the request as it comes out of a stack of gates, the outermost first.
func through(t *testing.T, r *http.Request, gates ...*middleware.Gate) *http.Request {
	t.Helper()
	for _, gate := range gates {
		var rejection *middleware.Rejection
		r, rejection = gate.Admit(r)
		require.Nil(t, rejection)
	}
	return r
}

func withAccount(c middleware.Snapshotter) *middleware.Gate {
	return middleware.NewGate(c, middleware.WithAccountInContext())
}

func TestAccountFrom(t *testing.T) {
	plain := httptest.NewRequest(http.MethodGet, "/", nil)
	first, second := verified(t, accountBody), verified(t, otherBody)

	t.Run("a handler finds the account of the verdict that let it through, even if the checker has moved on", func(t *testing.T) {
		c := verified(t, accountBody)
		want, err := c.Snapshot().Account()
		require.NoError(t, err)
		called := false
		ask(withAccount(c).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			called = true
			c.set(health.State{Reasons: health.ReasonsOf(health.ReasonRejected)})
			got, ok := middleware.AccountFrom(r.Context())
			assert.True(t, ok)
			assert.Same(t, want, got)
		})), http.MethodGet, "/")
		assert.True(t, called)
	})
	t.Run("without a gate there is none", func(t *testing.T) {
		_, ok := middleware.AccountFrom(context.Background())
		assert.False(t, ok)
	})
	t.Run("behind a gate that was not asked to there is none", func(t *testing.T) {
		_, ok := middleware.AccountFrom(through(t, plain, middleware.NewGate(first)).Context())
		assert.False(t, ok)
	})
	t.Run("the nearest gate wins", func(t *testing.T) {
		got, ok := middleware.AccountFrom(through(t, plain, withAccount(first), withAccount(second)).Context())
		require.True(t, ok)
		assert.Equal(t, "other", got.ID())
	})
	t.Run("the nearest gate wins even if its checker has no account", func(t *testing.T) {
		_, ok := middleware.AccountFrom(through(t, plain, withAccount(first), withAccount(because(health.ReasonVerified))).Context())
		assert.False(t, ok)
	})
	t.Run("a context made from the request's has it too", func(t *testing.T) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(through(t, plain, withAccount(first)).Context(), key{}, "value"))
		defer cancel()
		_, ok := middleware.AccountFrom(ctx)
		assert.True(t, ok)
	})
}

func TestAccountOf(t *testing.T) {
	plain := httptest.NewRequest(http.MethodGet, "/", nil)
	first, second, stranger := verified(t, accountBody), verified(t, otherBody), verified(t, otherBody)
	r := through(t, plain, withAccount(first), withAccount(second))

	t.Run("the inner gate's", func(t *testing.T) {
		got, ok := middleware.AccountOf(r.Context(), second)
		require.True(t, ok)
		assert.Equal(t, "other", got.ID())
	})
	t.Run("the outer gate's", func(t *testing.T) {
		got, ok := middleware.AccountOf(r.Context(), first)
		require.True(t, ok)
		assert.Equal(t, "566ec2b0ff0deeaae5f9d500629de162", got.ID())
	})
	t.Run("with other values in between", func(t *testing.T) {
		type key struct{}
		outer := through(t, plain, withAccount(first))
		outer = outer.WithContext(context.WithValue(outer.Context(), key{}, "value"))
		_, ok := middleware.AccountOf(through(t, outer, withAccount(second)).Context(), first)
		assert.True(t, ok)
	})
	t.Run("a checker without a gate here", func(t *testing.T) {
		_, ok := middleware.AccountOf(r.Context(), stranger)
		assert.False(t, ok)
	})
	t.Run("no gate at all", func(t *testing.T) {
		_, ok := middleware.AccountOf(context.Background(), first)
		assert.False(t, ok)
	})
	t.Run("no checker", func(t *testing.T) {
		_, ok := middleware.AccountOf(r.Context(), nil)
		assert.False(t, ok)
	})
	t.Run("a fake that cannot be compared is found by nobody, and hurts nobody", func(t *testing.T) {
		fake := function(first.Snapshot)
		r := through(t, plain, withAccount(first), withAccount(fake))
		_, ok := middleware.AccountOf(r.Context(), fake)
		assert.False(t, ok)
		_, ok = middleware.AccountOf(r.Context(), nil)
		assert.False(t, ok)
		_, ok = middleware.AccountOf(r.Context(), first)
		assert.True(t, ok)
	})
}

// function is a fake that == panics on.
type function func() *health.Snapshot

func (f function) Snapshot() *health.Snapshot { return f() }

func TestWithAccountInContext(t *testing.T) {
	type key struct{}
	plain := httptest.NewRequest(http.MethodGet, "/", nil)
	plain = plain.WithContext(context.WithValue(plain.Context(), key{}, "kept"))
	r := through(t, plain, withAccount(verified(t, accountBody)))

	t.Run("the request is a copy, and everything else in its context stays", func(t *testing.T) {
		assert.NotSame(t, plain, r)
		assert.Equal(t, "kept", r.Context().Value(key{}))
	})
	t.Run("a context that is printed shows neither checker nor account", func(t *testing.T) {
		ctx := context.WithValue(through(t, httptest.NewRequest(http.MethodGet, "/", nil), withAccount(verified(t, accountBody))).Context(), key{}, "v")
		assert.Equal(t, "context.Background.WithTolokaAccount.WithValue(middleware_test.key, v)", ctx.(interface{ String() string }).String())
	})
	t.Run("cancelling the request's context cancels it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		r := through(t, plain.WithContext(ctx), withAccount(verified(t, accountBody)))
		cancel()
		assert.ErrorIs(t, r.Context().Err(), context.Canceled)
	})
}
