package redis_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/redisstore"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

func TestConformance_one_server(t *testing.T) {
	server := redistest.Start(t)
	sharedtest.Run(t, func(t *testing.T) sharedtest.Driver {
		return sharedtest.Driver{
			Store: newStore(t, server.Client()),
			Clear: func() { server.Do("FLUSHALL") },
		}
	})
}

func TestConformance_prefix_and_RESP2(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client(func(o *redis.Options) { o.Protocol = 2 })
	sharedtest.Run(t, func(t *testing.T) sharedtest.Driver {
		return sharedtest.Driver{
			Store: newStore(t, client, redisstore.WithPrefix("team:a/")),
			Clear: func() { server.Do("FLUSHALL") },
		}
	})
}

func TestConformance_cluster(t *testing.T) {
	var addresses []string
	for _, server := range redistest.StartCluster(t) {
		addresses = append(addresses, server.Address)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses, ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	sharedtest.Run(t, func(t *testing.T) sharedtest.Driver {
		return sharedtest.Driver{Store: newStore(t, client), Clear: func() {
			require.NoError(t, client.ForEachMaster(t.Context(),
				func(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() }))
		}}
	})
}

func TestConformance_sentinel(t *testing.T) {
	servers := redistest.StartReplicated(t)
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: redistest.PrimaryName, SentinelAddrs: servers.Sentinels, ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	sharedtest.Run(t, func(t *testing.T) sharedtest.Driver {
		return sharedtest.Driver{
			Store: newStore(t, client),
			Clear: func() { servers.Primary.Do("FLUSHALL") },
		}
	})
}
