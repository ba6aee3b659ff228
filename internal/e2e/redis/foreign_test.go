package redis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/e2e/redistest"
)

// day is a time to live that an entry can have.
const day = 86_400_000

// TestForeign_value_is_no_entry checks entries that another program has written, or this package
// long ago by the clock of the server.
func TestForeign_value_is_no_entry(t *testing.T) {
	server := redistest.Start(t)
	store := newStore(t, server.Client())
	tests := []struct {
		name, value string
		ttl         int // in milliseconds, 0 for none
	}{
		{"empty", "", day},
		{"text", "hello", day},
		{"text_for_numbers", "one two data", day},
		{"one_number", "17", day},
		{"one_number_and_a_space", "17 ", day},
		{"no_space_before_the_data", "17 0", day},
		{"negative_fence", "-17 0 data", day},
		{"fence_0", "0 0 data", day},
		{"fence_above_MaxFence", "9007199254740992 0 data", day},
		{"fence_of_400_digits", strings.Repeat("9", 400) + " 0 data", day},
		{"pause_that_no_duration_holds", "17 9223372036855 data", day},
		{"float", "1.5 0 data", day},
		{"exponent", "1e3 0 data", day},
		{"hexadecimal", "0x10 0 data", day},
		{"other_white_space", "17\t0\tdata", day},
		{"data_above_MaxData", "17 0 " + strings.Repeat("x", shared.MaxData+1), day},
		{"10_MB", "17 0 " + strings.Repeat("x", 10<<20), day},
		{"no_expiry", "17 0 data", 0},
		{"clock_was_set_back", "17 0 data", day + 1000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"verdict", "trouble"} {
				server.Do("FLUSHALL")
				set := []any{"SET", key + ":" + name, test.value}
				if test.ttl != 0 {
					set = append(set, "PX", test.ttl)
				}
				server.Do(set...)
				view := look(t, store)
				assert.Zero(t, view.Verdict)
				assert.Zero(t, view.Trouble)
				// It does not keep the replicas from asking, and is overwritten.
				fence := grant(t, store, 0)
				put(t, store, shared.Answer{Fence: fence, Trouble: name == "trouble", Data: []byte("data")})
				view = look(t, store)
				assert.Equal(t, "data", string(view.Verdict.Data)+string(view.Trouble.Data))
			}
		})
	}
}

func TestForeign_key_of_another_type(t *testing.T) {
	server := redistest.Start(t)
	store := newStore(t, server.Client())
	for _, name := range []string{"verdict", "trouble", "replicas0", "replicas1"} {
		t.Run(name, func(t *testing.T) {
			server.Do("FLUSHALL")
			server.Do("LPUSH", key+":"+name, "x")
			view, err := store.Look(t.Context(), key, shared.Query{Replica: "r", Lease: leaseTime})
			require.ErrorContains(t, err, "WRONGTYPE")
			require.ErrorContains(t, err, "(another program writes to these keys: delete them, or use WithPrefix)")
			assert.Zero(t, view)
		})
	}
	for _, name := range []string{"replicas0", "replicas1"} {
		t.Run(name+"_is_text", func(t *testing.T) {
			server.Do("FLUSHALL")
			server.Do("SET", key+":"+name, "x")
			_, err := store.Look(t.Context(), key, shared.Query{Replica: "r"})
			require.ErrorContains(t, err, "WRONGTYPE")
		})
	}
}

func TestForeign_lease(t *testing.T) {
	server := redistest.Start(t)
	store := newStore(t, server.Client())
	t.Run("without_expiry_is_none", func(t *testing.T) {
		server.Do("SET", key+":lease", "x")
		assert.Zero(t, look(t, store).Busy)
		grant(t, store, 0)
	})
	t.Run("whose_expiry_was_removed", func(t *testing.T) {
		server.Do("DEL", key+":lease")
		fence := grant(t, store, 0)
		server.Do("PERSIST", key+":lease")
		stored, err := store.Put(t.Context(), key, shared.Answer{Fence: fence, Lease: leaseTime})
		require.NoError(t, err)
		assert.False(t, stored, "the age of the answer is unknown")
	})
	t.Run("with_expiry_is_of_no_answer", func(t *testing.T) {
		server.Do("SET", key+":lease", "x", "PX", 60_000)
		assert.Positive(t, look(t, store).Busy)
		stored, err := store.Put(t.Context(), key, shared.Answer{Lease: leaseTime})
		require.NoError(t, err)
		assert.False(t, stored)
	})
	t.Run("of_another_type", func(t *testing.T) {
		server.Do("DEL", key+":lease")
		server.Do("LPUSH", key+":lease", "x")
		server.Do("PEXPIRE", key+":lease", 60_000)
		assert.Positive(t, look(t, store).Busy)
		_, err := store.Put(t.Context(), key, shared.Answer{Fence: 1, Lease: leaseTime})
		require.ErrorContains(t, err, "WRONGTYPE")
	})
	t.Run("that_is_held_for_longer_than_it_lasts_is_none", func(t *testing.T) {
		server.Do("DEL", key+":lease")
		grant(t, store, 0)
		assert.Positive(t, look(t, store).Busy)
		server.Do("PEXPIRE", key+":lease", (leaseTime + time.Minute).Milliseconds())
		assert.Zero(t, look(t, store).Busy)
		grant(t, store, 0)
	})
	t.Run("when_the_clock_was_set_back", func(t *testing.T) {
		server.Do("DEL", key+":lease")
		fence := grant(t, store, 0)
		server.Do("PEXPIRE", key+":lease", (leaseTime + time.Minute).Milliseconds())
		stored, err := store.Put(t.Context(), key, shared.Answer{Fence: fence, Lease: leaseTime})
		require.NoError(t, err)
		assert.False(t, stored, "the age of the answer is unknown")
		view := look(t, store)
		assert.Zero(t, view.Verdict)
		assert.Zero(t, view.Busy)
	})
}
