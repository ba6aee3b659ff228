package redis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// startCluster starts a cluster and returns the server of the slot of key first.
func startCluster(t *testing.T) ([]*redistest.Server, *redis.ClusterClient) {
	servers := redistest.StartCluster(t)
	var addresses []string
	for i, server := range servers {
		addresses = append(addresses, server.Address)
		client := server.Client()
		if errors.Is(client.Get(t.Context(), key).Err(), redis.Nil) { // not MOVED
			servers[0], servers[i] = servers[i], servers[0]
		}
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses, ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return servers, client
}

func TestFault_cluster_node_is_down(t *testing.T) {
	servers, client := startCluster(t)
	store := newStore(t, client)
	fence := grant(t, store, 0)
	servers[0].Kill()
	for range 3 {
		fails(t, store, fence, "")
	}
}

// TestCluster_slot_moves moves the slot of a token, key by key, to another server. Every operation
// is an error or right, in time, and the store works when the slot has moved.
func TestCluster_slot_moves(t *testing.T) {
	servers, client := startCluster(t)
	store := newStore(t, client)
	fence := grant(t, store, 0)
	put(t, store, shared.Answer{Fence: fence, Data: []byte("verdict")})
	held := grant(t, store, 0)

	from, to := servers[0], servers[1]
	slot := from.Do("CLUSTER", "KEYSLOT", key)
	fromID, toID := from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
	host, port := "127.0.0.1", to.Address[len("127.0.0.1:"):]
	names := from.Do("CLUSTER", "GETKEYSINSLOT", slot, 10).([]any)
	require.Len(t, names, 3)
	for _, name := range names {
		from.Do("MIGRATE", host, port, name, 0, 5000)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		began := time.Now()
		view, err := store.Look(ctx, key, shared.Query{Replica: "r", Lease: leaseTime, Due: time.Hour})
		assert.Less(t, time.Since(began), patience+grace)
		if err != nil {
			assert.ErrorContains(t, err, "TRYAGAIN", "the keys are on two servers")
			continue
		}
		assert.Equal(t, fence, view.Verdict.Fence)
		assert.Zero(t, view.Lease)
		assert.Positive(t, view.Busy)
	}
	to.Do("CLUSTER", "SETSLOT", slot, "NODE", toID)
	from.Do("CLUSTER", "SETSLOT", slot, "NODE", toID)
	view := look(t, store)
	assert.Equal(t, "verdict", string(view.Verdict.Data))
	put(t, store, shared.Answer{Fence: held, Data: []byte("next")})
	assert.Equal(t, "next", string(look(t, store).Verdict.Data))
}
