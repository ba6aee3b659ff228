package fleet

import (
	"bytes"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/redisstore"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// TestSentinelFailover kills the primary. The example has no sentinels, so the replicas are in the
// process of the test, each with a client of its own.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	servers := redistest.StartReplicated(t)
	platform := requestertest.NewServer()
	t.Cleanup(platform.Close)
	token := platform.IssueToken("")
	var log buffer
	var checkers []*health.Checker
	for i := range 3 {
		checkers = append(checkers, startChecker(t, fmt.Sprint("replica", i), servers, platform, token, &log))
	}

	servers.Primary.Kill()
	process.Await(t, "the promotion", func() error {
		return contains(fmt.Sprint(servers.Replica.Do("ROLE")), "master")
	})
	for _, checker := range checkers {
		opened := checker.Stats().Shared.Opened
		process.Await(t, "the use of the promoted server", func() error {
			if checker.Stats().Shared.Opened == opened {
				return errNotYet
			}
			return nil
		})
	}
	began, before := time.Now(), platform.Count()
	require.NoError(t, platform.WaitCount(t.Context(), before+3))
	assert.Greater(t, time.Since(began), due, "one call in an interval, not three")
	assert.NotContains(t, log.String(), `"reason"`)
	for _, checker := range checkers {
		assert.Equal(t, health.ReasonVerified, checker.Snapshot().Reason())
	}
}

func startChecker(
	t *testing.T, name string, servers *redistest.Replicated, platform *requestertest.Server,
	token credentials.Token, log *buffer,
) *health.Checker {
	t.Helper()
	redisClient := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: redistest.PrimaryName, SentinelAddrs: servers.Sentinels,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = redisClient.Close() })
	store, err := redisstore.New(redisClient)
	require.NoError(t, err)
	client, err := requester.New(requester.Production,
		requester.WithBaseURL(platform.URL), requester.WithTimeout(interval))
	require.NoError(t, err)
	checker, err := health.New(credentials.Static(token.Reveal()), health.WithName(name),
		health.WithLogger(slog.New(slog.NewJSONHandler(log, nil))), health.WithClient(client),
		health.WithInterval(interval), health.WithMaxStale(time.Minute), health.WithShared(store))
	require.NoError(t, err)
	t.Cleanup(func() { _ = checker.Close() })
	require.NoError(t, checker.Start(t.Context()))
	return checker
}

// buffer is a buffer for concurrent use.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
