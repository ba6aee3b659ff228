package redis_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// patience is the time that the engine gives to one operation, grace how much later it may end.
const (
	patience = 250 * time.Millisecond
	grace    = 200 * time.Millisecond
)

// fails checks that Look and Put under the lease with the given fence return an error in time.
func fails(t *testing.T, store shared.Store, fence uint64, want string) {
	t.Helper()
	operations := map[string]func(context.Context) error{
		"Look": func(ctx context.Context) error {
			_, err := store.Look(ctx, key, shared.Query{Replica: "other", Lease: leaseTime})
			return err
		},
		"Put": func(ctx context.Context) error {
			stored, err := store.Put(ctx, key, shared.Answer{Fence: fence, Lease: leaseTime})
			assert.False(t, stored)
			return err
		},
	}
	for name, run := range operations {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		began := time.Now()
		err := run(ctx)
		assert.Less(t, time.Since(began), patience+grace, name)
		require.Error(t, err, name)
		assert.ErrorContains(t, err, "redisstore: "+name+": ")
		assert.ErrorContains(t, err, want)
	}
}

// recovers waits until the store works again, and returns the number of its looks.
func recovers(t *testing.T, store shared.Store) (looks int) {
	t.Helper()
	process.Await(t, "the recovery", func() error {
		looks++
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := store.Look(ctx, key, shared.Query{Replica: "r"})
		return err
	})
	return looks
}

// calls returns how many scripts the server has run by EVALSHA and EVAL.
func calls(server *redistest.Server) (sha, eval int) {
	for line := range strings.Lines(server.Do("INFO", "commandstats").(string)) {
		_, _ = fmt.Sscanf(line, "cmdstat_evalsha:calls=%d", &sha)
		_, _ = fmt.Sscanf(line, "cmdstat_eval:calls=%d", &eval)
	}
	return sha, eval
}

func TestFault_server_is_down(t *testing.T) {
	server := redistest.Start(t)
	byDefault, store := newStore(t, server.Client()), newStore(t, server.Client(recommended))
	look(t, byDefault)
	fence := grant(t, store, 0)
	put(t, store, shared.Answer{Fence: fence})

	server.Kill()
	for range 3 {
		fails(t, byDefault, fence, "")
		fails(t, store, fence, "connection refused")
	}
	server.Restart()
	recovers(t, byDefault)
	recovers(t, store)
	assert.Zero(t, look(t, store).Verdict, "the server has restarted empty")
	assert.Greater(t, grant(t, store, fence), fence)
}

func TestFault_server_hangs(t *testing.T) {
	server := redistest.Start(t)
	store := newStore(t, server.Client())
	look(t, store)
	server.Signal(syscall.SIGSTOP)
	for range 3 {
		fails(t, store, 1, "deadline exceeded")
	}
	server.Signal(syscall.SIGCONT)
	recovers(t, store)
	// The server may have run the late Look. Its replica did not get the lease, which ends by
	// itself.
	view := look(t, store)
	assert.LessOrEqual(t, view.Busy, leaseTime)
	assert.Zero(t, view.Verdict)
}

func TestFault_clients_are_paused(t *testing.T) {
	server := redistest.Start(t)
	store := newStore(t, server.Client())
	look(t, store)
	before, _ := calls(server)
	server.Do("CLIENT", "PAUSE", 2000, "ALL")
	fails(t, store, 1, "deadline exceeded")
	operations := 2 + recovers(t, store)
	after, _ := calls(server)
	assert.LessOrEqual(t, after-before, operations, "the client repeated its commands")
}

func TestFault_not_a_primary(t *testing.T) {
	server := redistest.Start(t)
	byDefault, store := newStore(t, server.Client()), newStore(t, server.Client(recommended))
	put(t, store, shared.Answer{Fence: grant(t, store, 0)}) // the server knows both scripts
	fence := grant(t, store, 0)
	server.Do("REPLICAOF", "127.0.0.1", "1")
	for client, attempts := range map[shared.Store]int{byDefault: 4, store: 1} {
		server.Do("CONFIG", "RESETSTAT")
		fails(t, client, fence, "READONLY")
		sha, eval := calls(server)
		assert.Equal(t, [2]int{2 * attempts, 0}, [2]int{sha, eval}, "attempts of two operations")
	}
	server.Do("REPLICAOF", "NO", "ONE")
	recovers(t, byDefault)
	recovers(t, store)
}

func TestFault_wrong_password(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "right")
	for password, want := range map[string]string{
		"":      "(the client sends no password, and the server requires one)",
		"wrong": "WRONGPASS",
	} {
		store := newStore(t, server.Client(func(o *redis.Options) { o.Password = password }))
		fails(t, store, 1, want)
	}
	recovers(t, newStore(t, server.Client(func(o *redis.Options) { o.Password = "right" })))
}

func TestFault_memory_is_full(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	store := newStore(t, server.Client())
	fence := grant(t, store, 0)
	server.Do("CONFIG", "SET", "maxmemory", "1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := store.Look(ctx, key, shared.Query{Replica: "another", Lease: leaseTime})
	require.ErrorContains(t, err, "OOM")
	// The answer takes the place of its lease, so Redis lets the script write it.
	put(t, store, shared.Answer{Fence: fence, Data: []byte("data")})
	server.Do("CONFIG", "SET", "maxmemory", "0")
	recovers(t, store)
	assert.Equal(t, "data", string(look(t, store).Verdict.Data))
}

// TestFault_keys_are_evicted checks that any set of the keys may be lost.
func TestFault_keys_are_evicted(t *testing.T) {
	server := redistest.Start(t)
	store := newStore(t, server.Client())
	names := []string{"verdict", "trouble", "lease", "replicas0", "replicas1"}
	for lost := range 1 << len(names) {
		server.Do("FLUSHALL")
		verdict := grant(t, store, 0)
		put(t, store, shared.Answer{Fence: verdict, Data: []byte("verdict")})
		trouble := grant(t, store, 0)
		put(t, store, shared.Answer{Fence: trouble, Trouble: true, Data: []byte("trouble")})
		held := grant(t, store, 0)
		for i, name := range names {
			if lost&(1<<i) != 0 {
				server.Do("DEL", key+":"+name)
			}
		}
		view := look(t, store)
		if lost&1 != 0 {
			assert.Zero(t, view.Verdict)
		} else {
			assert.Equal(t, "verdict", string(view.Verdict.Data))
		}
		if lost&2 != 0 {
			assert.Zero(t, view.Trouble)
		} else {
			assert.Equal(t, "trouble", string(view.Trouble.Data))
		}
		assert.Equal(t, lost&4 != 0, view.Busy == 0)
		assert.Equal(t, 1, view.Replicas)
		if lost&4 != 0 {
			assert.Greater(t, grant(t, store, 0), held)
			stored, err := store.Put(t.Context(), key, shared.Answer{Fence: held, Lease: leaseTime})
			require.NoError(t, err)
			assert.False(t, stored)
		}
	}
}

// TestFault_eviction uses a store while the server evicts keys at random.
func TestFault_eviction(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-random")
	client := server.Client()
	store := newStore(t, client)
	look(t, store)
	used := server.Do("MEMORY", "STATS").([]any)[3].(int64)
	server.Do("CONFIG", "SET", "maxmemory", used+1<<20)
	filler := strings.Repeat("x", 16<<10)
	var floor uint64
	var lost int
	for i := range 1000 {
		require.NoError(t, client.Set(t.Context(), fmt.Sprint("filler", i), filler, 0).Err())
		view, err := store.Look(t.Context(), key,
			shared.Query{Replica: "r", Lease: time.Second, Floor: floor})
		require.NoError(t, err)
		if v := view.Verdict; v.Fence == 0 && floor != 0 {
			lost++
		} else if v.Fence != 0 {
			assert.Equal(t, fmt.Sprint(v.Fence), string(v.Data))
			floor = v.Fence
		}
		if view.Lease == 0 {
			continue
		}
		assert.Greater(t, view.Lease, floor)
		_, err = store.Put(t.Context(), key, shared.Answer{Fence: view.Lease, Lease: time.Second,
			Data: fmt.Append(nil, view.Lease)})
		require.NoError(t, err)
	}
	assert.Positive(t, lost, "the server has evicted nothing")
}

func TestFault_busy_with_a_script(t *testing.T) {
	server := redistest.Start(t, "--busy-reply-threshold", "20")
	store := newStore(t, server.Client())
	look(t, store)
	client := server.Client(func(o *redis.Options) { o.MaxRetries = -1 })
	ended := make(chan error, 1)
	go func() { ended <- client.Eval(context.Background(), "while true do end", nil).Err() }()
	process.Await(t, "the script", func() error {
		if err := server.Client().Ping(t.Context()).Err(); !redis.HasErrorPrefix(err, "BUSY") {
			return fmt.Errorf("not busy: %v", err)
		}
		return nil
	})
	fails(t, store, 1, "BUSY")
	server.Do("SCRIPT", "KILL")
	require.Error(t, <-ended)
	recovers(t, store)
}

func TestFault_scripts_are_flushed(t *testing.T) {
	server := redistest.Start(t)
	store := newStore(t, server.Client())
	fence := grant(t, store, 0)
	server.Do("SCRIPT", "FLUSH")
	put(t, store, shared.Answer{Fence: fence, Data: []byte("data")})
	server.Do("SCRIPT", "FLUSH")
	assert.Equal(t, "data", string(look(t, store).Verdict.Data))
	look(t, store)
	sha, eval := calls(server)
	assert.Equal(t, [2]int{4, 3}, [2]int{sha, eval}, "EVAL only if the server has lost the script")
}
