package redisstore_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/health/redisstore"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
)

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
