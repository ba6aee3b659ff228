package simulation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestMeter_most(t *testing.T) {
	const ms = time.Millisecond
	for name, tt := range map[string]struct {
		calls []time.Duration
		from  time.Duration
		want  int
	}{
		"none":                {nil, 0, 0},
		"one":                 {[]time.Duration{5}, 0, 1},
		"just within":         {[]time.Duration{0, 999 * ms}, 0, 2},
		"just not within":     {[]time.Duration{0, 1000 * ms}, 0, 1},
		"across whole second": {[]time.Duration{900 * ms, 1100 * ms, 1800 * ms, 2500 * ms}, 0, 3},
		"at once":             {[]time.Duration{ms, ms, ms}, 0, 3},
		"from a moment on":    {[]time.Duration{1 * ms, 2 * ms, 3 * ms, 4 * ms}, 3 * ms, 2},
		"all before it":       {[]time.Duration{1 * ms, 2 * ms}, 3 * ms, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := meter{calls: tt.calls}
			assert.Equal(t, tt.want, m.most(time.Second, tt.from))
		})
	}
}

func TestMeter_knowledge(t *testing.T) {
	knows, ignorant := State{Open: true, Reason: "verified"}, State{Reason: "starting"}
	m := &meter{began: time.Second, knows: verified, total: 4}
	for i := range 4 {
		m.changed(time.Duration(2+i)*time.Second, change{after: ignorant, first: true})
	}
	step := func(at time.Duration, before, after State) {
		m.changed(at*time.Second, change{before: before, after: after})
	}
	step(10, ignorant, knows)
	assert.Zero(t, m.half)
	step(11, ignorant, knows)
	step(12, ignorant, knows)
	step(13, ignorant, knows)
	assert.Equal(t, 11*time.Second, m.half)
	assert.Equal(t, 13*time.Second, m.all)
	step(14, knows, ignorant)
	assert.Zero(t, m.all, "one has forgotten")
	step(15, ignorant, knows)
	assert.Equal(t, 11*time.Second, m.half, "the first time")
	assert.Equal(t, 15*time.Second, m.all, "the last time")
	assert.Zero(t, m.changes, "the start of a replica is no change")
}

func TestMeter_changes(t *testing.T) {
	open, closed := State{Open: true, Reason: "verified"}, State{Reason: "rejected"}
	m := &meter{knows: unverified}
	m.changed(1, change{before: open, after: closed, served: true, accepted: true})
	m.changed(2, change{before: closed, after: open, served: true, accepted: true})
	m.changed(3, change{before: open, after: closed, served: true})
	m.changed(4, change{before: open, after: closed, served: true, cutOff: true})
	assert.Equal(t, 3, m.changes, "that of the replica without network is its own")
	assert.Equal(t, 3, m.closed)
	assert.Equal(t, 1, m.wrongly)
}
