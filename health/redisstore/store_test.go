package redisstore_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/health/redisstore"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
)

const key = "toloka:{0123456789abcdefghijklmnopqrstuvwxyzABCDEFG}"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a server in this process and returns a client of it. Its clock stands still.
func start(t *testing.T) (*miniredis.Miniredis, *redis.Client) {
	server := miniredis.RunT(t)
	server.SetTime(time.Now())
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return server, client
}

// The tests in internal/e2e/redis run the same against real servers.
func TestStore_conformance(t *testing.T) {
	sharedtest.Run(t, func(t *testing.T) sharedtest.Driver {
		server, client := start(t)
		store, err := redisstore.New(client)
		require.NoError(t, err)
		now := time.Now()
		return sharedtest.Driver{Store: store, Clear: server.FlushAll, Sleep: func(d time.Duration) {
			now = now.Add(d)
			server.SetTime(now)
			server.FastForward(d)
		}}
	})
}

func TestNew_rejects(t *testing.T) {
	bounded := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})
	unbounded := redis.NewClient(&redis.Options{})
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	ring := redis.NewRing(&redis.RingOptions{HeartbeatFrequency: time.Hour})
	sentinel := redis.NewFailoverClient(&redis.FailoverOptions{SentinelAddrs: []string{"127.0.0.1:1"}})
	for _, client := range []redis.UniversalClient{bounded, unbounded, cluster, ring, sentinel} {
		t.Cleanup(func() { require.NoError(t, client.Close()) })
	}
	const deadlines = " ignores the deadlines of contexts: set ContextTimeoutEnabled to true in its options"
	prefix := func(p string) redisstore.Option { return redisstore.WithPrefix(p) }
	tests := []struct {
		name   string
		client redis.UniversalClient
		opts   []redisstore.Option
		want   string
	}{
		{"nil", nil, nil, "redisstore: the client is nil"},
		{"nil_pointer", (*redis.Client)(nil), nil, "redisstore: the client is nil"},
		{"client_without_deadlines", unbounded, nil, "redisstore: the *redis.Client" + deadlines},
		{"cluster_without_deadlines", cluster, nil, "redisstore: the *redis.ClusterClient" + deadlines},
		{"ring_without_deadlines", ring, nil, "redisstore: the *redis.Ring" + deadlines},
		{"sentinel_without_deadlines", sentinel, nil, "redisstore: the *redis.Client" + deadlines},
		{"nil_option", bounded, []redisstore.Option{nil}, "redisstore: nil Option"},
		{"empty_prefix", bounded, []redisstore.Option{prefix("")},
			`redisstore: WithPrefix(""): want 1 to 64 letters, digits and characters of "_-.:/"`},
		{"hash_tag_in_the_prefix", bounded, []redisstore.Option{prefix("{a}")},
			`redisstore: WithPrefix("{a}"): want 1 to 64 letters, digits and characters of "_-.:/"`},
		{"every_error", unbounded, []redisstore.Option{nil, prefix("*")}, "redisstore: the *redis.Client" +
			deadlines + "\nredisstore: nil Option\n" +
			`redisstore: WithPrefix("*"): want 1 to 64 letters, digits and characters of "_-.:/"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store, err := redisstore.New(test.client, test.opts...)
			require.EqualError(t, err, test.want)
			assert.Nil(t, store)
		})
	}
}

// A client that this package does not know, such as one that wraps another, is trusted.
func TestNew_unknown_client(t *testing.T) {
	_, client := start(t)
	_, err := redisstore.New(struct{ redis.UniversalClient }{client})
	require.NoError(t, err)
}

func TestStore_keys(t *testing.T) {
	server, client := start(t)
	store, err := redisstore.New(client, redisstore.WithPrefix("team:a/"))
	require.NoError(t, err)
	for _, trouble := range []bool{false, true} {
		view, err := store.Look(t.Context(), key, shared.Query{Lease: time.Minute})
		require.NoError(t, err)
		_, err = store.Put(t.Context(), key,
			shared.Answer{Fence: view.Lease, Lease: time.Minute, Trouble: trouble})
		require.NoError(t, err)
	}
	_, err = store.Look(t.Context(), key, shared.Query{Lease: time.Minute})
	require.NoError(t, err)
	server.SetTime(time.Now().Add(3 * time.Minute))
	_, err = store.Look(t.Context(), key, shared.Query{})
	require.NoError(t, err)

	want := []string{"lease", "replicas0", "replicas1", "trouble", "verdict"}
	for i, name := range want {
		want[i] = "team:a/" + key + ":" + name
		assert.Positive(t, server.TTL(want[i]), "%s expires", want[i])
	}
	assert.Equal(t, want, server.Keys())
}

func TestStore_rejects(t *testing.T) {
	server, client := start(t)
	store, err := redisstore.New(client)
	require.NoError(t, err)
	server.Close() // nothing is sent

	_, err = store.Look(t.Context(), key, shared.Query{Lease: shared.Retention})
	require.EqualError(t, err, "redisstore: Look: a lease of 24h0m0s, it must be shorter than 24h0m0s")
	_, err = store.Put(t.Context(), key, shared.Answer{Lease: shared.Retention})
	require.EqualError(t, err, "redisstore: Put: a lease of 24h0m0s, it must be shorter than 24h0m0s")
	_, err = store.Put(t.Context(), key, shared.Answer{Data: make([]byte, shared.MaxData+1)})
	require.EqualError(t, err, "redisstore: Put: 65537 bytes of data, above the limit of 65536")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Look(ctx, key, shared.Query{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = store.Put(ctx, key, shared.Answer{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestStore_extreme_durations(t *testing.T) {
	_, client := start(t)
	store, err := redisstore.New(client)
	require.NoError(t, err)
	const most, least = math.MaxInt64, math.MinInt64
	view, err := store.Look(t.Context(), key, shared.Query{Lease: 1, Due: most, Floor: math.MaxUint64})
	require.NoError(t, err)
	assert.Zero(t, view.Lease)
	for _, pause := range []time.Duration{most, least} {
		view, err = store.Look(t.Context(), key,
			shared.Query{Lease: time.Minute, Due: least, Floor: view.Trouble.Fence + 1})
		require.NoError(t, err)
		require.NotZero(t, view.Lease)
		stored, err := store.Put(t.Context(), key,
			shared.Answer{Fence: view.Lease, Lease: time.Minute, Trouble: true, Pause: pause})
		require.NoError(t, err)
		require.True(t, stored)
		view, err = store.Look(t.Context(), key, shared.Query{Lease: least})
		require.NoError(t, err)
		assert.InDelta(t, max(pause, 0), view.Trouble.Pause, float64(time.Millisecond))
		assert.Zero(t, view.Lease)
	}
}

func TestStore_explains_errors(t *testing.T) {
	server, client := start(t)
	store, err := redisstore.New(client)
	require.NoError(t, err)
	tests := []struct{ name, reply, hint string }{
		{"rights", "NOPERM no permission for 'evalsha'",
			" (the documentation of package redisstore lists the rights that it needs, ACL LOG what was denied)"},
		{"rights_of_the_script", "ERR The user executing the script can't run this command",
			" (the documentation of package redisstore lists the rights that it needs, ACL LOG what was denied)"},
		{"rights_of_the_script_in_Valkey", "ERR ACL failure in script: User x has no permissions",
			" (the documentation of package redisstore lists the rights that it needs, ACL LOG what was denied)"},
		{"password", "ERR Protocol error: unauthenticated multibulk length",
			" (the client sends no password, and the server requires one)"},
		{"type", "WRONGTYPE Operation against a key holding the wrong kind of value",
			" (another program writes to these keys: delete them, or use WithPrefix)"},
		{"other", "OOM command not allowed", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server.SetError(test.reply)
			_, err := store.Look(t.Context(), key, shared.Query{})
			require.EqualError(t, err, "redisstore: Look: "+test.reply+test.hint)
			_, err = store.Put(t.Context(), key, shared.Answer{})
			require.EqualError(t, err, "redisstore: Put: "+test.reply+test.hint)
		})
	}
}
