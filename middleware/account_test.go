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
	accountID   = "566ec2b0ff0deeaae5f9d500629de162"
	accountBody = `{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.30,` +
		`"public_name":{"EN":"Jack Smith"},` +
		`"company":{"id":"123","superintendent_id":"566ec2b0ff0deeaae5f9d500629de162"}}`
	otherBody = `{"id":"other","balance":0.1}`
)

// admit returns the request as it leaves a stack of gates, the outermost first.
func admit(t *testing.T, r *http.Request, gates ...*middleware.Gate) *http.Request {
	t.Helper()
	for _, gate := range gates {
		var rejection *middleware.Rejection
		r, rejection = gate.Admit(r)
		require.Nil(t, rejection)
	}
	return r
}

func withAccount(c middleware.Snapshotter) *middleware.Gate {
	return newGate(c, middleware.WithAccountInContext())
}

func TestAccountFrom(t *testing.T) {
	plain := httptest.NewRequest(http.MethodGet, "/", nil)
	first, second := verified(t, accountBody), verified(t, otherBody)

	t.Run("stays when the snapshot changes", func(t *testing.T) {
		c := verified(t, accountBody)
		want := must(c.Snapshot().Account())
		called := false
		ask(withAccount(c).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			called = true
			c.set(health.State{Reasons: []health.Reason{health.ReasonRejected}})
			got, ok := middleware.AccountFrom(r.Context())
			assert.True(t, ok)
			assert.Same(t, want, got)
		})), http.MethodGet, "/")
		assert.True(t, called)
	})
	t.Run("no gate", func(t *testing.T) {
		_, ok := middleware.AccountFrom(context.Background())
		assert.False(t, ok)
	})
	t.Run("gate without the option", func(t *testing.T) {
		_, ok := middleware.AccountFrom(admit(t, plain, newGate(first)).Context())
		assert.False(t, ok)
	})
	t.Run("nearest gate", func(t *testing.T) {
		got, ok := middleware.AccountFrom(admit(t, plain, withAccount(first), withAccount(second)).Context())
		require.True(t, ok)
		assert.Equal(t, "other", got.ID())
	})
	t.Run("nearest gate without an account", func(t *testing.T) {
		r := admit(t, plain, withAccount(first), withAccount(because(health.ReasonVerified)))
		_, ok := middleware.AccountFrom(r.Context())
		assert.False(t, ok)
	})
	t.Run("derived context", func(t *testing.T) {
		type key struct{}
		parent := context.WithValue(admit(t, plain, withAccount(first)).Context(), key{}, "value")
		ctx, cancel := context.WithCancel(parent)
		defer cancel()
		_, ok := middleware.AccountFrom(ctx)
		assert.True(t, ok)
	})
}

func TestAccountOf(t *testing.T) {
	plain := httptest.NewRequest(http.MethodGet, "/", nil)
	first, second := verified(t, accountBody), verified(t, otherBody)
	r := admit(t, plain, withAccount(first), withAccount(second))

	t.Run("inner gate", func(t *testing.T) {
		got, ok := middleware.AccountOf(r.Context(), second)
		require.True(t, ok)
		assert.Equal(t, "other", got.ID())
	})
	t.Run("outer gate", func(t *testing.T) {
		got, ok := middleware.AccountOf(r.Context(), first)
		require.True(t, ok)
		assert.Equal(t, accountID, got.ID())
	})
	t.Run("values in between", func(t *testing.T) {
		type key struct{}
		outer := admit(t, plain, withAccount(first))
		outer = outer.WithContext(context.WithValue(outer.Context(), key{}, "value"))
		_, ok := middleware.AccountOf(admit(t, outer, withAccount(second)).Context(), first)
		assert.True(t, ok)
	})
	t.Run("checker without a gate", func(t *testing.T) {
		_, ok := middleware.AccountOf(r.Context(), verified(t, otherBody))
		assert.False(t, ok)
	})
	t.Run("no gate", func(t *testing.T) {
		_, ok := middleware.AccountOf(context.Background(), first)
		assert.False(t, ok)
	})
	t.Run("nil checker", func(t *testing.T) {
		_, ok := middleware.AccountOf(r.Context(), nil)
		assert.False(t, ok)
	})
	t.Run("checker that cannot be compared", func(t *testing.T) {
		fake := function(first.Snapshot)
		r := admit(t, plain, withAccount(first), withAccount(fake))
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
	background := httptest.NewRequest(http.MethodGet, "/", nil)
	plain := background.WithContext(context.WithValue(background.Context(), key{}, "kept"))

	t.Run("copy of the request", func(t *testing.T) {
		r := admit(t, plain, withAccount(verified(t, accountBody)))
		assert.NotSame(t, plain, r)
		assert.Equal(t, "kept", r.Context().Value(key{}))
	})
	t.Run("printed context", func(t *testing.T) {
		r := admit(t, background, withAccount(verified(t, accountBody)))
		ctx := context.WithValue(r.Context(), key{}, "v")
		assert.Equal(t, "context.Background.WithTolokaAccount.WithValue(middleware_test.key, v)",
			ctx.(interface{ String() string }).String())
	})
	t.Run("cancelled with the request", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		r := admit(t, plain.WithContext(ctx), withAccount(verified(t, accountBody)))
		cancel()
		assert.ErrorIs(t, r.Context().Err(), context.Canceled)
	})
}
