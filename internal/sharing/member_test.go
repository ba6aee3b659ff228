package sharing

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
	"github.com/tolokacheck/tolokacheck/internal/foreign"
)

// acting is a store that does something and returns nothing.
func acting(do func(context.Context) error) store {
	return store{
		func(ctx context.Context, _ shared.Query) (shared.View, error) { return shared.View{}, do(ctx) },
		func(ctx context.Context, _ shared.Answer) (bool, error) { return false, do(ctx) },
	}
}

// Whatever the store does, Look and Put return within the limit, with an error that says what is
// wrong.
func TestMemberBounds(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(context.Context) error
		took time.Duration
		want string
	}{
		"error": {func(context.Context) error { return errors.New("READONLY") }, 0, "READONLY"},
		"hangs": {
			func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, MostLook * 9 / 10,
			"context deadline exceeded",
		},
		"ignores_its_context": {
			func(context.Context) error { time.Sleep(time.Hour); return nil }, MostLook,
			"the shared store did not return in time; it ignores its context",
		},
		"panics": {
			func(context.Context) error { panic(token) }, 0, "the shared store panicked with a string",
		},
		"exits": {
			func(context.Context) error { runtime.Goexit(); return nil }, 0, "the shared store ended its goroutine",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewMember(acting(tt.do), MostLook)
				k := keysFor(token)
				for op, f := range map[string]func() error{
					"look": func() error { _, err := m.Look(context.Background(), k, shared.Query{}); return err },
					"put":  func() error { return m.Put(context.Background(), k, verified(t), time.Second) },
				} {
					begin := time.Now()
					assert.EqualError(t, f(), "health: the shared store: "+tt.want, op)
					assert.Equal(t, tt.took, time.Since(begin), op)
				}
				stats := m.Stats().Snapshot()
				assert.EqualValues(t, 2, stats.Errors)
				assert.Equal(t, "away", stats.Mode)
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// Operations that do not return are abandoned, up to a bound. After that the store is not called.
func TestMemberAbandons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var called atomic.Int32
		m := NewMember(acting(func(context.Context) error {
			called.Add(1)
			<-release
			return nil
		}), MostLook)
		look := func() error {
			_, err := m.Look(context.Background(), keysFor(token), shared.Query{})
			return err
		}
		for range foreign.MaxAbandoned {
			assert.ErrorIs(t, look(), foreign.ErrHung)
		}
		begin := time.Now()
		assert.ErrorIs(t, look(), foreign.ErrAllHang)
		assert.Zero(t, time.Since(begin))
		assert.EqualValues(t, foreign.MaxAbandoned, called.Load())
		close(release)
		synctest.Wait()
		assert.NoError(t, look())
		assert.Equal(t, "active", m.Stats().Snapshot().Mode)
	})
}

func TestMemberCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := NewMember(sharedtest.NewMemory(), MostLook).Look(ctx, keysFor(token), shared.Query{})
	assert.ErrorIs(t, err, foreign.ErrCancelled)
}

// What a store must not say is corrected.
func TestMemberDistrusts(t *testing.T) {
	look := func(t *testing.T, lease time.Duration, v shared.View) View {
		got, err := NewMember(showing(v), MostLook).Look(t.Context(), keysFor(token), shared.Query{Lease: lease})
		require.NoError(t, err)
		return got
	}
	assert.Zero(t, look(t, 0, shared.View{Lease: 5}).Lease, "it did not ask for one")
	assert.Zero(t, look(t, time.Second, shared.View{Lease: shared.MaxFence + 1}).Lease)
	assert.EqualValues(t, 5, look(t, time.Second, shared.View{Lease: 5}).Lease)
	for n, want := range map[int]int{-1: 1, 0: 1, 3: 3, 1 << 62: maxReplicas} {
		assert.Equal(t, want, look(t, 0, shared.View{Replicas: n}).Replicas)
	}
}

func TestMemberCounts(t *testing.T) {
	memory, k := sharedtest.NewMemory(), keysFor(token)
	one, two := NewMember(memory, MostLook), NewMember(memory, MostLook)
	require.NotEqual(t, one.ID, two.ID)
	v, err := one.Look(t.Context(), k, shared.Query{Lease: time.Minute})
	require.NoError(t, err)
	a := verified(t)
	a.Fence = v.Lease
	require.NoError(t, one.Put(t.Context(), k, a, time.Minute))
	require.NoError(t, one.Put(t.Context(), k, a, time.Minute), "the lease has ended: not stored")
	v, err = two.Look(t.Context(), k, shared.Query{Lease: time.Minute, Due: time.Minute})
	require.NoError(t, err)
	assert.Equal(t, one.ID, v.Verdict.Replica)
	assert.Zero(t, v.Lease)
	assert.Equal(t, shared.Stats{Given: 1, Leases: 1, Mode: "active", Replicas: 1}, one.Stats().Snapshot())
	assert.Equal(t, shared.Stats{Opened: 1, Mode: "active", Replicas: 2}, two.Stats().Snapshot())
}

// An answer that is too long for the store is not put.
func TestMemberLongAnswer(t *testing.T) {
	a := refusedAnswer()
	a.Replica = strings.Repeat("x", shared.MaxData)
	_, err := a.seal(keysFor(token), time.Now())
	assert.ErrorContains(t, err, "bytes, more than 65536")
}

// recorder records all that reaches the store.
type recorder struct {
	shared.Store
	seen bytes.Buffer
}

func (r *recorder) Look(ctx context.Context, key string, q shared.Query) (shared.View, error) {
	fmt.Fprintf(&r.seen, "%s %+v\n", key, q)
	return r.Store.Look(ctx, key, q)
}

func (r *recorder) Put(ctx context.Context, key string, a shared.Answer) (bool, error) {
	fmt.Fprintf(&r.seen, "%s %+v %x %s\n", key, a, a.Data, a.Data)
	return r.Store.Put(ctx, key, a)
}

// Neither the token nor the account reaches the store, not even a part of them.
func TestStoreLearnsNothing(t *testing.T) {
	r := &recorder{Store: sharedtest.NewMemory()}
	m := NewMember(r, MostLook)
	failed := limitedAnswer()
	failed.Err = errors.New("the platform said " + token + " of account-CANARY")
	for _, a := range []Answer{verified(t), refusedAnswer(), failed} {
		for _, token := range []string{token, otherToken} {
			k := keysFor(token)
			v, err := m.Look(t.Context(), k, shared.Query{Lease: time.Minute})
			require.NoError(t, err)
			require.NotZero(t, v.Lease)
			a.Fence = v.Lease
			require.NoError(t, m.Put(t.Context(), k, a, time.Minute))
			assert.NotContains(t, fmt.Sprintf("%+v", m), "CANARY")
		}
	}
	assert.EqualValues(t, 6, m.Stats().Snapshot().Given)
	secrets := []string{
		"CANARY", "AAAAAAAAAAAA", "BBBBBBBBBBBB", "Jack", "121.3", "AUTHENTICATION", "toloka.dev", "ApiKey",
	}
	for _, secret := range secrets {
		for _, form := range []string{
			secret, hex.EncodeToString([]byte(secret)),
			base64.RawStdEncoding.EncodeToString([]byte(secret)),
			base64.RawURLEncoding.EncodeToString([]byte(secret[1:])),
		} {
			if len(form) > 5 {
				assert.NotContains(t, r.seen.String(), form)
			}
		}
	}
}
