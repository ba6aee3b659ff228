package sharedtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/health/sharedtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openMemory(*testing.T) sharedtest.Driver {
	store := sharedtest.NewMemory()
	return sharedtest.Driver{Store: store, Clear: store.Clear}
}

func TestMemory_real_time(t *testing.T) { sharedtest.Run(t, openMemory) }

func TestMemory_bubble(t *testing.T) { sharedtest.RunBubble(t, openMemory) }

func TestMemory_SetError(t *testing.T) {
	store := sharedtest.NewMemory()
	query := shared.Query{Lease: time.Minute}
	view, err := store.Look(t.Context(), "k", query)
	require.NoError(t, err)
	answer := shared.Answer{Fence: view.Lease, Lease: time.Minute}

	store.SetError(assert.AnError)
	_, err = store.Look(t.Context(), "k", query)
	require.ErrorIs(t, err, assert.AnError)
	stored, err := store.Put(t.Context(), "k", answer)
	require.ErrorIs(t, err, assert.AnError)
	assert.False(t, stored)

	store.SetError(nil)
	stored, err = store.Put(t.Context(), "k", answer)
	require.NoError(t, err)
	assert.True(t, stored)
}

func TestMemory_rejects_wrong_answers(t *testing.T) {
	store := sharedtest.NewMemory()
	view, err := store.Look(t.Context(), "k", shared.Query{Lease: time.Minute})
	require.NoError(t, err)
	_, err = store.Put(t.Context(), "k", shared.Answer{Fence: view.Lease, Lease: time.Second})
	require.EqualError(t, err, "sharedtest: Put says that its lease lasts 1s, but Look asked for 1m0s")
	_, err = store.Put(t.Context(), "k", shared.Answer{Fence: view.Lease, Lease: time.Minute,
		Data: make([]byte, shared.MaxData+1)})
	require.EqualError(t, err, "sharedtest: 65537 bytes of data, above the limit of 65536")
}
