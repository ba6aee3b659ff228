package fleet

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

var errNotYet = errors.New("not yet")

// fault is a Redis that does not work, and how it works again.
type fault struct {
	name          string
	breaks, heals func(t *testing.T, server *redistest.Server)
	error         string // in the log of the replicas
}

func sends(args ...any) func(*testing.T, *redistest.Server) {
	return func(_ *testing.T, server *redistest.Server) { server.Do(args...) }
}

func signals(sig os.Signal) func(*testing.T, *redistest.Server) {
	return func(_ *testing.T, server *redistest.Server) { server.Signal(sig) }
}

// TestFaults_no_answer is about servers that do not answer.
func TestFaults_no_answer(t *testing.T) {
	t.Parallel()
	testFaults(t, []fault{
		{
			"killed_and_restarted_empty",
			func(_ *testing.T, server *redistest.Server) { server.Kill() },
			func(_ *testing.T, server *redistest.Server) { server.Restart() },
			"connection refused",
		},
		{"stopped", signals(syscall.SIGSTOP), signals(syscall.SIGCONT), ""},
		{
			"paused", sends("CLIENT", "PAUSE", (4 * interval).Milliseconds(), "ALL"),
			func(*testing.T, *redistest.Server) {}, // it ends by itself
			"",
		},
	})
}

// TestFaults_wrong_answer is about servers that answer with errors.
func TestFaults_wrong_answer(t *testing.T) {
	t.Parallel()
	testFaults(t, []fault{
		{"read_only", sends("REPLICAOF", "127.0.0.1", "1"), sends("REPLICAOF", "NO", "ONE"), "READONLY"},
		{
			"memory_is_full", sends("CONFIG", "SET", "maxmemory", "1"),
			sends("CONFIG", "SET", "maxmemory", "0"), "OOM",
		},
		{
			"wrong_password",
			func(t *testing.T, server *redistest.Server) { password(t, server, "", "another") },
			func(t *testing.T, server *redistest.Server) { password(t, server, "another", "") },
			"the server requires one",
		},
	})
}

// password changes the password of the server and closes all connections.
func password(t *testing.T, server *redistest.Server, from, to string) {
	t.Helper()
	client := server.Client(func(o *redis.Options) { o.Password, o.PoolSize = from, 1 })
	require.NoError(t, client.ConfigSet(t.Context(), "requirepass", to).Err())
	require.NoError(t, client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err())
}

// testFaults breaks the Redis of one fleet again and again. Each time the replicas log one line,
// work on their own, and share again.
func testFaults(t *testing.T, faults []fault) {
	w := newWorld(t, "--maxmemory-policy", "noeviction")
	w.startAll(t)
	for _, f := range faults {
		ok := t.Run(f.name, func(t *testing.T) {
			w.shares(t)
			var before []int
			for _, r := range w.replicas {
				before = append(before, r.count(lost))
			}
			f.breaks(t, w.redis)
			for i, r := range w.replicas {
				r.await(t, lost, before[i]+1)
			}
			alone, calls := time.Now(), w.platform.Count()
			require.NoError(t, w.platform.WaitCount(t.Context(), calls+5))
			assert.Less(t, time.Since(alone), 5*due, "each replica calls the platform")
			for i, r := range w.replicas {
				assert.Equal(t, before[i]+1, r.count(lost), "one line")
				assert.NoError(t, contains(lastWith(r.Output(), lost), f.error))
			}
			f.heals(t, w.redis)
			w.shares(t)
			w.quiet(t)
		})
		require.True(t, ok, "the next fault begins with a fleet that shares")
	}
}

// shares waits until no replica misses Redis.
func (w *world) shares(t *testing.T) {
	t.Helper()
	process.Await(t, "the replicas to share", func() error {
		for _, r := range w.replicas {
			if r.count(lost) != r.count(found) {
				return errors.New(r.Output())
			}
		}
		return nil
	})
}

// lastWith returns the last line of a log with the text.
func lastWith(log, text string) string {
	last := ""
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			last = line
		}
	}
	return last
}

// TestEviction uses a server that has to evict keys all the time.
func TestEviction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--maxmemory-policy", "allkeys-lru")
	w.startAll(t)
	client := w.redis.Client()
	used := w.redis.Do("MEMORY", "STATS").([]any)[3].(int64)
	w.redis.Do("CONFIG", "SET", "maxmemory", used+1<<20)
	filler := strings.Repeat("x", 16<<10)
	began, calls := time.Now(), w.platform.Count()
	for i := 0; time.Since(began) < 3*interval; i++ {
		require.NoError(t, client.Set(t.Context(), "filler"+time.Duration(i).String(), filler, 0).Err())
		time.Sleep(time.Millisecond)
	}
	assert.Contains(t, w.redis.Do("INFO", "stats"), "evicted_keys:")
	assert.NotContains(t, w.redis.Do("INFO", "stats"), "evicted_keys:0\r")
	assert.LessOrEqual(t, w.platform.Count()-calls, 3*(1+int(time.Since(began)/due)), "as many as without Redis")
	w.quiet(t)
}

// TestHolderIsKilled kills the replica that asks the platform for all.
func TestHolderIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.platform.Hold()
	defer release()
	const slow = "CHECK_INTERVAL=5s" // the timeout of a call, too
	holder := w.start(t, slow)
	require.NoError(t, w.platform.WaitCount(t.Context(), 1))
	w.replicas = nil
	w.start(t, slow)
	w.start(t, slow)
	w.all(t, `"msg":"listening"`, 1)
	holder.Signal(t, os.Kill)
	holder.Wait(t)
	release()
	killed := time.Now()
	w.all(t, verified, 1)
	assert.Less(t, time.Since(killed), 5*time.Second+2*time.Second+slack, "the lease ends by itself")
	assert.Equal(t, 2, w.platform.Count(), "the call of the holder, and one for the others")
	w.quiet(t)
}
