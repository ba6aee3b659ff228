package redis_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// TestSize checks the sizes in the documentation of redisstore: the memory for one token with all
// its keys, by the number of replicas.
func TestSize(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	store := newStore(t, client)
	answer := []byte(strings.Repeat("x", 500))
	put(t, store, shared.Answer{Fence: grant(t, store, 0), Data: answer})
	put(t, store, shared.Answer{Fence: grant(t, store, 0), Trouble: true, Data: answer})
	grant(t, store, 0)
	for _, test := range []struct {
		replicas int
		most     int64
	}{{1, 2_000}, {100, 3_000}, {10_000, 32_000}} {
		for i := range test.replicas {
			_, err := store.Look(t.Context(), key, shared.Query{Replica: fmt.Sprint(i)})
			require.NoError(t, err)
		}
		keys, err := client.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		var size int64
		for _, name := range keys {
			used := client.MemoryUsage(t.Context(), name).Val()
			require.Positive(t, used)
			if size += used; strings.Contains(name, "replicas") {
				size += used // for the other window
			}
		}
		assert.LessOrEqual(t, size, test.most, "%d replicas", test.replicas)
		assert.Greater(t, size, test.most/2, "%d replicas", test.replicas)
	}
}

// BenchmarkLook reports the time of the server for each look, without the network.
func BenchmarkLook(b *testing.B) {
	for _, replicas := range []int{1, 1_000, 100_000} {
		b.Run(fmt.Sprint("replicas=", replicas), func(b *testing.B) {
			server := redistest.Start(b)
			store := newStore(b, server.Client())
			server.Do("CONFIG", "RESETSTAT")
			for i := 0; b.Loop(); i++ {
				query := shared.Query{Replica: fmt.Sprint(i % replicas)}
				if _, err := store.Look(b.Context(), key, query); err != nil {
					b.Fatal(err)
				}
			}
			for line := range strings.Lines(server.Do("INFO", "commandstats").(string)) {
				if _, stats, ok := strings.Cut(line, "cmdstat_evalsha:"); ok {
					var calls, usec float64
					_, _ = fmt.Sscanf(stats, "calls=%f,usec=%f", &calls, &usec)
					b.ReportMetric(usec/calls, "server-µs/op")
				}
			}
		})
	}
}
