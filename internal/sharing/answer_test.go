package sharing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

func TestRoundTrip(t *testing.T) {
	down := Answer{
		Answer: platform.Answer{Class: requester.Unavailable, Err: errors.New("no route to host")},
		Fence:  shared.MaxFence, Probes: 1, Pause: time.Second,
	}
	misdirected := Answer{
		Answer: platform.Answer{
			Class: requester.Misdirected, Answered: true, Err: &requester.APIError{StatusCode: 404},
		},
		Fence: 1, Probes: 1,
	}
	for name, a := range map[string]Answer{
		"verified": verified(t), "rejected": refusedAnswer(), "rate_limited": limitedAnswer(), "unavailable": down,
		"misdirected": misdirected,
	} {
		t.Run(name, func(t *testing.T) {
			a.Replica = "replica"
			k := keysFor(token)
			e := entry(t, k, a)
			assert.Less(t, len(e.Data), 1000)
			got, err := open(k, a.slot(), e, time.Now())
			require.NoError(t, err)
			if a.Account != nil {
				assert.Equal(t, a.Account.String(), got.Account.String())
				assert.NoError(t, got.Err)
			} else {
				assert.Nil(t, got.Account)
				assert.EqualError(t, got.Err, a.Err.Error()+" (asked by another replica)")
				assert.Equal(t, a.Class, requester.ClassOf(got.Err))
				var want, api *requester.APIError
				assert.Equal(t, errors.As(a.Err, &want), errors.As(got.Err, &api))
				assert.Equal(t, want, api)
			}
			want := a
			want.Account, want.Err, want.Age = got.Account, got.Err, time.Minute
			assert.Equal(t, want, *got)
		})
	}
}

// The text of an error is bounded, and stays readable when it is cut in the middle of a rune.
func TestLongError(t *testing.T) {
	a := refusedAnswer()
	a.Err = errors.New(strings.Repeat("é", 100_000))
	k := keysFor(token)
	got, err := open(k, verdictSlot, entry(t, k, a), time.Now())
	require.NoError(t, err)
	assert.Less(t, len(got.Err.Error()), maxText+50)
	assert.True(t, utf8.ValidString(got.Err.Error()))
}

// sealDocument seals any plain text as if it was an answer.
func sealDocument(t *testing.T, k *Keys, s slot, fence uint64, plain string) shared.Entry {
	t.Helper()
	data, err := k.encrypt(bytes.NewReader(make([]byte, saltSize)), s, fence, []byte(plain))
	require.NoError(t, err)
	return shared.Entry{Fence: fence, Age: time.Minute, Data: data}
}

// Everything but the entry that a holder of the token stored is counted, and as if it were absent.
func TestOpenRejects(t *testing.T) {
	k := keysFor(token)
	good := entry(t, k, verified(t))
	with := func(change func(e *shared.Entry)) shared.Entry {
		e := good
		e.Data = bytes.Clone(e.Data)
		change(&e)
		return e
	}
	written := func(ago time.Duration, class string) string {
		raw, err := json.Marshal(document{
			Class: class, Account: json.RawMessage(accountJSON), WrittenAt: time.Now().Add(-ago).Unix(),
		})
		require.NoError(t, err)
		return string(raw)
	}
	elsewhere := deriveKeys(token, "https://sandbox.toloka.dev/api/v1", "ApiKey "+token, "")
	sealed := func(plain string) shared.Entry { return sealDocument(t, k, verdictSlot, 7, plain) }
	for name, e := range map[string]shared.Entry{
		"no_data":           {Fence: 7},
		"another_key":       entry(t, &elsewhere, verified(t)),
		"another_token":     entry(t, keysFor(otherToken), verified(t)),
		"another_slot":      entry(t, k, limitedAnswer()),
		"another_fence":     with(func(e *shared.Entry) { e.Fence++ }),
		"a_lower_fence":     with(func(e *shared.Entry) { e.Fence-- }),
		"fence_above_max":   sealDocument(t, k, verdictSlot, shared.MaxFence+1, written(time.Minute, "verified")),
		"negative_age":      with(func(e *shared.Entry) { e.Age = -1 }),
		"older_than_a_day":  with(func(e *shared.Entry) { e.Age = shared.Retention + 1 }),
		"endless_age":       with(func(e *shared.Entry) { e.Age = 1<<63 - 1 }),
		"negative_pause":    with(func(e *shared.Entry) { e.Pause = -1 }),
		"10_MB":             with(func(e *shared.Entry) { e.Data = append(e.Data, make([]byte, 10<<20)...) }),
		"version_2":         with(func(e *shared.Entry) { e.Data[0] = 2 }),
		"version_0":         with(func(e *shared.Entry) { e.Data[0] = 0 }),
		"a_byte_more":       with(func(e *shared.Entry) { e.Data = append(e.Data, 0) }),
		"empty_document":    sealed(""),
		"no_object":         sealed("[]"),
		"no_class":          sealed(written(time.Minute, "")),
		"unknown_class":     sealed(written(time.Minute, "splendid")),
		"class_not_asked":   sealed(written(time.Minute, requester.NotAsked.String())),
		"class_of_trouble":  sealed(written(time.Minute, requester.Unavailable.String())),
		"no_account":        sealed(strings.Replace(written(time.Minute, "verified"), "account-CANARY", "", 1)),
		"written_long_ago":  sealed(written(maxSkew+2*time.Minute, "verified")),
		"written_in_future": sealed(written(-maxSkew-time.Minute, "verified")),
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMember(showing(shared.View{Verdict: e, Replicas: 3}), MostLook)
			v, err := m.Look(t.Context(), k, shared.Query{})
			require.NoError(t, err)
			assert.Nil(t, v.Verdict)
			assert.Error(t, v.Rejected)
			assert.NotContains(t, v.Rejected.Error(), "CANARY")
			stats := m.Stats().Snapshot()
			assert.EqualValues(t, 1, stats.Rejected)
			assert.Zero(t, stats.Opened)
		})
	}
	t.Run("verdict_as_trouble", func(t *testing.T) {
		m := NewMember(showing(shared.View{Trouble: good}), MostLook)
		v, err := m.Look(t.Context(), k, shared.Query{})
		require.NoError(t, err)
		assert.Nil(t, v.Trouble)
		assert.EqualValues(t, 1, m.Stats().Snapshot().Rejected)
	})
	t.Run("good", func(t *testing.T) {
		m := NewMember(showing(shared.View{Verdict: good, Trouble: entry(t, k, limitedAnswer())}), MostLook)
		v, err := m.Look(t.Context(), k, shared.Query{})
		require.NoError(t, err)
		assert.NotNil(t, v.Verdict)
		assert.NotNil(t, v.Trouble)
		assert.NoError(t, v.Rejected)
		assert.EqualValues(t, 2, m.Stats().Snapshot().Opened)
	})
}

// The clocks of replicas may differ by hours: ages come from the store. Only a day is too much.
func TestClockSkew(t *testing.T) {
	k := keysFor(token)
	e := entry(t, k, verified(t))
	for skew, opens := range map[time.Duration]bool{
		0: true, 5 * time.Hour: true, -5 * time.Hour: true, 23 * time.Hour: true, -23 * time.Hour: true,
		25 * time.Hour: false, -25 * time.Hour: false,
	} {
		a, err := open(k, verdictSlot, e, time.Now().Add(skew))
		assert.Equal(t, opens, err == nil, "skew %v: %v", skew, err)
		if opens {
			assert.Equal(t, time.Minute, a.Age)
		}
	}
}

func TestOpenTampered(t *testing.T) {
	k := keysFor(token)
	good := entry(t, k, verified(t))
	for i := range good.Data {
		for _, bit := range []byte{1, 0x80} {
			e := good
			e.Data = bytes.Clone(e.Data)
			e.Data[i] ^= bit
			_, err := open(k, verdictSlot, e, time.Now())
			assert.Equal(t, errSealed, err, "byte %d", i)
		}
		e := good
		e.Data = e.Data[:i]
		_, err := open(k, verdictSlot, e, time.Now())
		assert.Equal(t, errSealed, err, "cut to %d", i)
		e.Data = good.Data[len(good.Data)-i:]
		_, err = open(k, verdictSlot, e, time.Now())
		assert.Equal(t, errSealed, err, "the last %d bytes", i)
	}
}

// A pause is sealed: the owner of the store cannot extend it.
func TestPauseIsSealed(t *testing.T) {
	k := keysFor(token)
	e := entry(t, k, limitedAnswer())
	e.Pause = time.Hour
	a, err := open(k, troubleSlot, e, time.Now())
	require.NoError(t, err)
	assert.Equal(t, 8*time.Second, a.Pause)
}

// FuzzOpen opens anything under every slot and age, also as the plain text of a sealed entry.
func FuzzOpen(f *testing.F) {
	k := keysFor(token)
	for _, a := range []Answer{verified(f), refusedAnswer(), limitedAnswer()} {
		e := entry(f, k, a)
		plain, err := k.open(a.slot(), e.Fence, e.Data)
		require.NoError(f, err)
		f.Add(e.Data, e.Fence, int64(e.Age), false)
		f.Add(plain, e.Fence, int64(e.Age), true)
	}
	f.Add([]byte(`{"class":"verified","account":{"id":"1"},"written_at":-1}`), uint64(1), int64(-1), true)
	negative := fmt.Sprintf(`{"class":"rejected","refusals":-1,"refused_for":-1,"probes":-1,"pause":-1,`+
		`"written_at":%d}`, time.Now().Unix())
	f.Add([]byte(negative), uint64(1), int64(1), true)
	f.Fuzz(func(t *testing.T, data []byte, fence uint64, age int64, sealed bool) {
		now := time.Now()
		for _, s := range []slot{verdictSlot, troubleSlot} {
			e := shared.Entry{Fence: fence, Age: time.Duration(age), Data: data}
			if sealed {
				var err error
				if e.Data, err = k.encrypt(bytes.NewReader(make([]byte, saltSize)), s, fence, data); err != nil {
					t.Fatal(err)
				}
			}
			a, err := open(k, s, e, now)
			switch {
			case err != nil:
				if a != nil {
					t.Fatal("an answer and an error")
				}
			case a == nil:
				if fence != 0 {
					t.Fatal("neither an answer nor an error")
				}
			case a.slot() != s, a.Fence != fence, a.Age < 0, a.Age > shared.Retention, a.Pause < 0, a.RetryAfter < 0,
				a.Refusals < 0, a.Probes < 0, a.RefusedFor < 0, a.Pause > shared.Retention:
				t.Fatalf("%+v", a)
			case a.Class == requester.Verified:
				if a.Account.ID() == "" || a.Err != nil {
					t.Fatalf("%+v", a)
				}
			case requester.ClassOf(a.Err) != a.Class || !utf8.ValidString(a.Err.Error()):
				t.Fatalf("%+v", a)
			}
		}
	})
}
