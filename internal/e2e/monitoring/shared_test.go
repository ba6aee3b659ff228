package monitoring

import (
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// sharedStore breaks the store through which the replicas share. It ends with replicas that do not
// share.
func (s *story) sharedStore(t *testing.T, store *redistest.Server) {
	store.Kill()
	s.fires(t, "TolokaSharedStoreAway")
	store.Restart()
	s.fires(t)

	// The replicas replace what they cannot open, so it is changed until the alert fires.
	process.Await(t, "TolokaSharedEntriesRejected to fire", func() error {
		changeVerdicts(t, store)
		firing, err := s.prometheus.firing()
		if err == nil && firing["TolokaSharedEntriesRejected"] != 1 {
			err = fmt.Errorf("firing: %v", firing)
		}
		return err
	})
	s.fires(t, "TolokaSharedEntriesRejected")
	s.fires(t)

	s.a.stop(t)
	s.b.stop(t)
	s.a.start(s.all)
	s.b.start(s.all)
	s.fires(t)
}

// changeVerdicts changes the first byte of the sealed data of every verdict.
func changeVerdicts(t *testing.T, store *redistest.Server) {
	t.Helper()
	client := store.Client()
	keys, err := client.Keys(t.Context(), "toloka:*:verdict").Result()
	require.NoError(t, err)
	for _, key := range keys {
		// The data comes after the fence and the pause, and begins with the version.
		err := client.Eval(t.Context(), `
			local value = redis.call('GET', KEYS[1])
			local start = value and string.match(value, '^%d+ %d+ ()')
			return start and redis.call('SETRANGE', KEYS[1], start - 1, '!')`, []string{key}).Err()
		require.True(t, err == nil || errors.Is(err, redis.Nil), err)
	}
}
