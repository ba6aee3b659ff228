package redis_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

func TestFailover(t *testing.T) {
	servers := redistest.StartReplicated(t)
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: redistest.PrimaryName, SentinelAddrs: servers.Sentinels, ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	store := newStore(t, client)
	began := time.Now()
	fence := grant(t, store, 0)
	put(t, store, shared.Answer{Fence: fence, Data: []byte("verdict")})
	held := grant(t, store, 0)
	process.Await(t, "replication of the lease", func() error {
		if servers.Replica.Do("EXISTS", key+":lease") != int64(1) {
			return errors.New("not yet")
		}
		return nil
	})

	servers.Primary.Kill()
	process.Await(t, "the failover", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		began := time.Now()
		_, err := store.Look(ctx, key, shared.Query{Replica: "r"})
		if took := time.Since(began); took > patience+grace {
			t.Errorf("a Look under a context of %s took %s", patience, took)
		}
		return err
	})
	view := look(t, store)
	assert.Equal(t, fence, view.Verdict.Fence)
	assert.Equal(t, "verdict", string(view.Verdict.Data))
	assert.InDelta(t, time.Since(began), view.Verdict.Age, float64(time.Second))
	assert.Positive(t, view.Busy, "the lease is replicated")
	put(t, store, shared.Answer{Fence: held, Data: []byte("next")})
	assert.Greater(t, grant(t, store, 0), held, fmt.Sprint(view))
}
