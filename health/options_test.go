package health_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestNewRefuses(t *testing.T) {
	quick, err := requester.New(requester.Production, requester.WithTimeout(time.Second))
	require.NoError(t, err)
	p := credentials.Static("t")
	tests := []struct {
		name string
		p    credentials.Provider
		opts []health.Option
		want string
	}{
		{"a nil provider", nil, nil, "health: New: the provider is nil; use credentials.Default() for the usual places"},
		{"a nil option", p, []health.Option{nil}, "health: nil Option"},
		{"an empty name", p, []health.Option{health.WithName("")}, "health: WithName: the name is empty"},
		{"a nil client", p, []health.Option{health.WithClient(nil)}, "health: WithClient: the client is nil"},
		{"a nil logger", p, []health.Option{health.WithLogger(nil)}, "health: WithLogger: the logger is nil"},
		{"a nil callback", p, []health.Option{health.OnChange(nil)}, "health: OnChange: the function is nil"},
		{"an interval of zero", p, []health.Option{health.WithInterval(0)}, "health: WithInterval(0s): must be positive"},
		{"a negative interval", p, []health.Option{health.WithInterval(-time.Second)}, "health: WithInterval(-1s): must be positive"},
		{"a MaxStale of zero", p, []health.Option{health.WithMaxStale(0)}, "health: WithMaxStale(0s): must be positive"},
		{"a poll interval of zero", p, []health.Option{health.WithPollInterval(0)}, "health: WithPollInterval(0s): must be positive"},
		{"a startup timeout of zero", p, []health.Option{health.WithStartupTimeout(0)}, "health: WithStartupTimeout(0s): must be positive"},
		{"a source timeout of zero", p, []health.Option{health.WithSourceTimeout(0)}, "health: WithSourceTimeout(0s): must be positive"},
		{"a recheck of zero", p, []health.Option{health.WithRejectionRecheck(0)}, "health: WithRejectionRecheck(0s): must be positive"},
		{"an open time of zero", p, []health.Option{health.WithBreakerOpen(0)}, "health: WithBreakerOpen(0s): must be positive"},
		{"no failures for the breaker", p, []health.Option{health.WithBreakerFailures(0)}, "health: WithBreakerFailures(0): must be at least 1"},
		{"no refusals for a rejection", p, []health.Option{health.WithRejectionThreshold(0)}, "health: WithRejectionThreshold(0): must be at least 1"},
		{"an empty expected account", p, []health.Option{health.ExpectAccount("")}, "health: ExpectAccount: the id is empty; leave the option out to accept any account"},
		{"an empty expected company", p, []health.Option{health.ExpectCompany("")}, "health: ExpectCompany: the id is empty; leave the option out to accept any company"},
		{
			"a MaxStale that one slow answer would use up", p, []health.Option{health.WithMaxStale(2*time.Minute + 5*time.Second - 1)},
			"health: WithMaxStale(2m4.999999999s): must be at least 2m5s, twice the interval (1m0s) plus the client's timeout (5s), or one slow answer would close the gate",
		},
		{
			"a MaxStale that is too short for the given interval and client", p,
			[]health.Option{health.WithMaxStale(10 * time.Second), health.WithInterval(5 * time.Second), health.WithClient(quick)},
			"health: WithMaxStale(10s): must be at least 11s, twice the interval (5s) plus the client's timeout (1s), or one slow answer would close the gate",
		},
		{
			"an interval of ever", p, []health.Option{health.WithInterval(math.MaxInt64)},
			"health: WithMaxStale(15m0s): must be at least 876000h0m5s, twice the interval (438000h0m0s) plus the client's timeout (5s), or one slow answer would close the gate",
		},
		{
			"several things at once", p, []health.Option{health.WithInterval(0), health.ExpectAccount("")},
			"health: WithInterval(0s): must be positive\nhealth: ExpectAccount: the id is empty; leave the option out to accept any account",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := health.New(tt.p, tt.opts...)
			assert.EqualError(t, err, tt.want)
			assert.Nil(t, c)
		})
	}
}

func TestNewAccepts(t *testing.T) {
	tests := map[string][]health.Option{
		"no options":              nil,
		"the shortest MaxStale":   {health.WithMaxStale(2*time.Minute + 5*time.Second)},
		"every option at once":    {health.WithName("n"), health.WithInterval(time.Second), health.WithBreakerFailures(1), health.AllowAccountChange(), health.FailOnLowBalance(), health.RequireVerified(), health.ReadyWhileUnreachable()},
		"the same option twice":   {health.WithInterval(time.Hour), health.WithInterval(time.Second)},
		"a MaxStale of ever":      {health.WithMaxStale(math.MaxInt64), health.WithInterval(24 * time.Hour)},
		"a threshold of only one": {health.WithRejectionThreshold(1)},
	}
	for name, opts := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := health.New(credentials.Static("t"), opts...)
			require.NoError(t, err)
			assert.Equal(t, health.StatusFail, c.Snapshot().Status())
			assert.Equal(t, health.ReasonStarting, c.Snapshot().Reason())
			assert.Equal(t, "production", c.Snapshot().Environment())
			assert.NoError(t, c.Close())
		})
	}
}
