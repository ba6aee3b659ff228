package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const (
	least = 0.0
	half  = 0.5
	most  = 1 - 1e-12
)

func TestPaceNext(t *testing.T) {
	for name, tt := range map[string]struct {
		interval time.Duration
		chance   float64
		want     time.Duration
	}{
		"on average":              {time.Minute, half, time.Minute},
		"at least":                {time.Minute, least, 54 * time.Second},
		"at most":                 {time.Minute, most, 66 * time.Second},
		"the longest is positive": {forever, most, forever + forever/10},
	} {
		t.Run(name, func(t *testing.T) {
			assert.InDelta(t, tt.want, pace{interval: tt.interval}.next(tt.chance), float64(time.Millisecond))
		})
	}
}

func TestPaceBackoff(t *testing.T) {
	for name, tt := range map[string]struct {
		interval time.Duration
		failures int
		chance   float64
		want     time.Duration
	}{
		"first":                    {time.Minute, 1, least, time.Second},
		"first at most":            {time.Minute, 1, most, 1500 * time.Millisecond},
		"second":                   {time.Minute, 2, least, 2 * time.Second},
		"sixth":                    {time.Minute, 6, least, 32 * time.Second},
		"not above the interval":   {time.Minute, 7, least, 54 * time.Second},
		"not above after billions": {time.Minute, 1 << 30, most, 66 * time.Second},
		"short interval":           {200 * time.Millisecond, 1, least, 180 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			got := pace{interval: tt.interval}.backoff(tt.failures, tt.chance)
			assert.InDelta(t, tt.want, got, float64(time.Millisecond))
		})
	}
}

func TestHold(t *testing.T) {
	const maxStale = 14 * time.Minute
	for name, tt := range map[string]struct {
		hint time.Duration
		age  time.Duration // of the last good answer; 0 for a token that does not work
		want time.Duration
	}{
		"without a hint":                  {0, 0, time.Second},
		"shorter than a second":           {time.Millisecond, 0, time.Second},
		"as long as asked for":            {time.Minute, 0, time.Minute},
		"a year":                          {8760 * time.Hour, 0, maxStale / 2},
		"the longest":                     {1<<63 - 1, 0, maxStale / 2},
		"leaves a call before the expiry": {8760 * time.Hour, 10 * time.Minute, 4*time.Minute - 6*time.Second},
		"the whole hold once it was made": {8760 * time.Hour, maxStale - 6*time.Second, maxStale / 2},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{pace: pace{timeout: 5 * time.Second}}
			m.rules.maxStale, m.rules.rejectionThreshold = maxStale, 2
			r := &record{verified: tt.age > 0}
			m.inUse = r
			assert.Equal(t, tt.want, m.hold(tt.age, r, tt.hint))
		})
	}
}

func TestAllowance(t *testing.T) {
	var a allowance
	now := instant(time.Hour)
	for range maxOthers {
		assert.LessOrEqual(t, a.from(time.Minute), now)
		a.take(now, time.Minute)
	}
	assert.Equal(t, now+time.Minute/maxOthers, a.from(time.Minute), "then one after the other")
}

// A circuit breaker that opens in the very moment in which Start ends is replaced, and does not
// forbid the next call.
func TestSettle(t *testing.T) {
	m, r := machineWith(t, roleInUse)
	for range 3 {
		r.breaker.Record(answerOf(noVerdict))
	}
	m.hear(atWork, r, noVerdict)
	assert.Greater(t, r.blockedUntil(), atWork)
	m.settle()
	assert.LessOrEqual(t, r.blockedUntil(), atWork)
}
