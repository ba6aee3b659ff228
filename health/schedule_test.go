package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestTheNextCheckIs(t *testing.T) {
	const (
		none = 0.0
		half = 0.5
		most = 1 - 1e-12
	)
	minute := pace{interval: time.Minute, recheck: time.Second}
	tests := []struct {
		name   string
		pace   pace
		turn   turn
		jitter float64
		want   time.Duration
	}{
		{"after a verification, the interval", minute, turn{class: requester.Verified}, half, time.Minute},
		{"after a verification, at the earliest 10 % before the interval", minute, turn{class: requester.Verified}, none, 54 * time.Second},
		{"after a verification, at the latest 10 % after the interval", minute, turn{class: requester.Verified}, most, 66 * time.Second},
		{"after a confirmed refusal, the interval", minute, turn{class: requester.Rejected}, half, time.Minute},
		{"after a refusal that is to be confirmed, the recheck", minute, turn{class: requester.Rejected, confirming: true}, half, time.Second},
		{"while a refusal waits for its confirmation and the platform goes away, the backoff", minute, turn{class: requester.Unavailable, confirming: true, failures: 1}, none, time.Second},
		{"after a first failure, a second", minute, turn{class: requester.Unavailable, failures: 1}, none, time.Second},
		{"after a first failure, at most a second and a half", minute, turn{class: requester.Unavailable, failures: 1}, most, 1500 * time.Millisecond},
		{"after a second failure, two seconds", minute, turn{class: requester.Malformed, failures: 2}, none, 2 * time.Second},
		{"after a sixth failure, 32 seconds", minute, turn{class: requester.Misdirected, failures: 6}, none, 32 * time.Second},
		{"after a seventh failure, not more than the interval", minute, turn{class: requester.Unavailable, failures: 7}, none, 54 * time.Second},
		{"after ever so many failures, not more than the interval and its jitter", minute, turn{class: requester.Unavailable, failures: 1 << 30}, most, 66 * time.Second},
		{"after a failure that asks for a pause, that pause", minute, turn{class: requester.Unavailable, failures: 1, hint: 20 * time.Second}, half, 20 * time.Second},
		{"after a failure that asks for a year, the interval", minute, turn{class: requester.Unavailable, failures: 1, hint: 8760 * time.Hour}, half, time.Minute},
		{"while the breaker is open, when it lets a call through", minute, turn{class: requester.Unavailable, failures: 3, blocked: 30 * time.Second}, half, 30 * time.Second},
		{"during a rate limit longer than the interval, its end", minute, turn{class: requester.RateLimited, failures: 1, blocked: 5 * time.Minute}, half, 5 * time.Minute},
		{"when nobody was asked, when it is possible again", minute, turn{class: requester.NotAsked, blocked: 7 * time.Second}, half, 7 * time.Second},
		{"when nobody was asked and nobody knows for how long, a second", minute, turn{class: requester.NotAsked}, half, time.Second},
		{"with an interval of ever, not in the past", pace{interval: forever}, turn{class: requester.Verified}, most, forever + forever/10},
		{"with an interval under a second, never later than that after a failure", pace{interval: 200 * time.Millisecond}, turn{class: requester.Unavailable, failures: 1}, none, 180 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.InDelta(t, tt.want, tt.pace.next(tt.turn, tt.jitter), float64(time.Millisecond))
		})
	}
}

func TestARateLimitHolds(t *testing.T) {
	const most = 7 * time.Minute
	tests := []struct {
		name string
		hint time.Duration
		want time.Duration
	}{
		{"a second when it does not say", 0, time.Second},
		{"a second when it asks for less", time.Millisecond, time.Second},
		{"as long as it says", time.Minute, time.Minute},
		{"no longer than the bound when it asks for a year", 8760 * time.Hour, most},
		{"no longer than the bound when it asks for ever", 1<<63 - 1, most},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, holdFor(tt.hint, most))
		})
	}
}

func TestTheClocksDisagree(t *testing.T) {
	tests := []struct {
		name            string
		wall, monotonic time.Duration
		want            bool
	}{
		{"not while both run", 5 * time.Second, 5 * time.Second, false},
		{"not by a little slewing", 5*time.Second + 50*time.Millisecond, 5 * time.Second, false},
		{"not by exactly the tolerance", 10 * time.Second, 5 * time.Second, false},
		{"not by exactly the tolerance the other way", 5 * time.Second, 10 * time.Second, false},
		{"after a suspend, which stops the monotonic clock", 8 * time.Hour, 5 * time.Second, true},
		{"when the wall clock is set back", -time.Hour, 5 * time.Second, true},
		{"when the wall clock is set forward", time.Hour, 5 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, jumped(tt.wall, tt.monotonic, clockTolerance))
		})
	}
}
