package redis_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/health/redisstore"
	"github.com/tolokacheck/tolokacheck/health/shared"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key       = "toloka:{0123456789abcdefghijklmnopqrstuvwxyzABCDEFG}"
	leaseTime = time.Minute
)

// recommended are the options of the documentation of redisstore.
func recommended(o *redis.Options) {
	o.MaxRetries = -1
	o.DialerRetries = 1
}

func newStore(t testing.TB, client redis.UniversalClient, opts ...redisstore.Option) *redisstore.Store {
	t.Helper()
	store, err := redisstore.New(client, opts...)
	require.NoError(t, err)
	return store
}

// grant takes the lease.
func grant(t *testing.T, store shared.Store, floor uint64) uint64 {
	t.Helper()
	view, err := store.Look(t.Context(), key, shared.Query{Replica: "r", Lease: leaseTime, Floor: floor})
	require.NoError(t, err)
	require.NotZero(t, view.Lease, "%+v", view)
	return view.Lease
}

// put stores an answer.
func put(t *testing.T, store shared.Store, p shared.Answer) {
	t.Helper()
	p.Lease = leaseTime
	stored, err := store.Put(t.Context(), key, p)
	require.NoError(t, err)
	require.True(t, stored)
}

// look looks without asking for a lease.
func look(t *testing.T, store shared.Store) shared.View {
	t.Helper()
	view, err := store.Look(t.Context(), key, shared.Query{Replica: "r"})
	require.NoError(t, err)
	return view
}
