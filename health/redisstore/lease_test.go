package redisstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/redisstore"
	"github.com/tolokacheck/tolokacheck/health/shared"
)

// A lease that is held for longer than it was asked to last is none: the clock of the server was
// set back, or a server whose clock is behind took over. Otherwise no replica could ask until then.
func TestStore_lease_after_the_clock_was_set_back(t *testing.T) {
	server, client := start(t)
	store, err := redisstore.New(client)
	require.NoError(t, err)
	const lease = 10 * time.Second
	look := func() shared.View {
		view, err := store.Look(t.Context(), key, shared.Query{Lease: lease, Due: time.Minute})
		require.NoError(t, err)
		return view
	}
	late := look().Lease
	require.NotZero(t, late)
	server.SetTTL(key+":lease", lease)
	assert.Equal(t, lease, look().Busy)
	server.SetTTL(key+":lease", lease+time.Hour) // the replica that holds it is gone
	view := look()
	assert.Zero(t, view.Busy)
	require.NotZero(t, view.Lease)
	server.SetTTL(key+":lease", lease+time.Hour)
	view, err = store.Look(t.Context(), key, shared.Query{})
	require.NoError(t, err)
	assert.Zero(t, view.Busy)
}
