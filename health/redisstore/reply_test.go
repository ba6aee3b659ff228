package redisstore

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// reply returns a valid reply with the field i replaced.
func reply(i int, field any) []any {
	fields := []any{int64(1), int64(2), "verdict", int64(3), int64(4), int64(5), "trouble",
		int64(0), int64(6), int64(7)}
	fields[i] = field
	return fields
}

func TestDecode(t *testing.T) {
	view, err := decode(reply(0, int64(1)))
	require.NoError(t, err)
	assert.Equal(t, shared.View{
		Verdict:  shared.Entry{Fence: 1, Age: 2 * time.Millisecond, Data: []byte("verdict")},
		Trouble:  shared.Entry{Fence: 3, Age: 4 * time.Millisecond, Pause: 5 * time.Millisecond, Data: []byte("trouble")},
		Busy:     6 * time.Millisecond,
		Replicas: 7,
	}, view)

	view, err = decode(reply(0, int64(0)))
	require.NoError(t, err)
	assert.Equal(t, shared.Entry{}, view.Verdict, "an entry without a fence is absent")
	view, err = decode(reply(9, int64(0)))
	require.NoError(t, err)
	assert.Equal(t, 1, view.Replicas, "this replica has looked")
}

func TestDecode_other_replies(t *testing.T) {
	tests := []struct {
		name  string
		reply any
	}{
		{"nil", nil},
		{"text", "OK"},
		{"number", int64(1)},
		{"empty", []any{}},
		{"short", reply(0, int64(1))[:9]},
		{"long", append(reply(0, int64(1)), int64(1))},
		{"fence_is_text", reply(0, "1")},
		{"fence_is_negative", reply(0, int64(-1))},
		{"fence_is_too_high", reply(3, int64(shared.MaxFence+1))},
		{"fence_is_a_float", reply(0, 1.0)},
		{"fence_is_nil", reply(0, nil)},
		{"age_is_negative", reply(1, int64(-1))},
		{"age_overflows", reply(4, int64(math.MaxInt64))},
		{"pause_overflows", reply(5, maxMilliseconds+1)},
		{"data_is_a_number", reply(2, int64(1))},
		{"data_is_nil", reply(6, nil)},
		{"data_is_large", reply(6, strings.Repeat("x", shared.MaxData+1))},
		{"lease_is_granted_and_held", reply(7, int64(8))},
		{"busy_is_negative", reply(8, int64(-2))},
		{"too_many_replicas", reply(9, int64(math.MaxInt64))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			view, err := decode(test.reply)
			require.ErrorIs(t, err, errReply)
			assert.Zero(t, view)
		})
	}
}

// FuzzDecode builds replies of all types from bytes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00" + "\x00\x01" + "\x00\x02" + "\xc8\x04data" +
		"\x00\x03" + "\x00\x04" + "\x00\x05" + "\xc8\x04data" + "\x00\x00" + "\x00\x06" + "\x00\x07"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		view, err := decode(value(&raw, 0))
		if err != nil {
			assert.Zero(t, view)
			return
		}
		for _, entry := range []shared.Entry{view.Verdict, view.Trouble} {
			assert.LessOrEqual(t, entry.Fence, uint64(shared.MaxFence))
			assert.GreaterOrEqual(t, entry.Age, time.Duration(0))
			assert.GreaterOrEqual(t, entry.Pause, time.Duration(0))
			assert.LessOrEqual(t, len(entry.Data), shared.MaxData)
			if entry.Fence == 0 {
				assert.Zero(t, entry)
			}
		}
		assert.LessOrEqual(t, view.Lease, uint64(shared.MaxFence))
		assert.True(t, view.Lease == 0 || view.Busy == 0)
		assert.GreaterOrEqual(t, view.Busy, time.Duration(0))
		assert.Positive(t, view.Replicas)
	})
}

// value takes a reply from raw: a type, then its content. Most are arrays of ten fields.
func value(raw *[]byte, depth int) any {
	take := func(n int) []byte {
		taken := make([]byte, n)
		*raw = (*raw)[copy(taken, *raw):]
		return taken
	}
	switch kind := take(1)[0]; {
	case depth == 0 && kind < 200, depth < 3 && kind == 255:
		fields := make([]any, 10+int(int8(kind))/100)
		for i := range fields {
			fields[i] = value(raw, depth+1)
		}
		return fields
	case kind < 100:
		return int64(take(1)[0])
	case kind < 150:
		return int64(binary.LittleEndian.Uint64(take(8)))
	case kind < 245:
		return string(take(int(take(1)[0])))
	case kind < 250:
		return 1.5
	default:
		return nil
	}
}
