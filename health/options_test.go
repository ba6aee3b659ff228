package health_test

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// refusals asserts that New refuses each set of options with exactly that text.
func refusals(t *testing.T, tests map[string]struct {
	opts []health.Option
	want string
}) {
	t.Helper()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := health.New(credentials.Static("t"), tt.opts...)
			assert.EqualError(t, err, tt.want)
			assert.Nil(t, c)
		})
	}
}

type options = []health.Option

func TestNewRefusesNilProvider(t *testing.T) {
	var typed *source
	for _, p := range []credentials.Provider{nil, typed} {
		c, err := health.New(p)
		assert.EqualError(t, err, "health: New: the provider is nil; "+
			"use credentials.Default() for the usual places")
		assert.Nil(t, c)
	}
}

func TestNewRefusesOption(t *testing.T) {
	long := strings.Repeat("x", 101)
	refusals(t, map[string]struct {
		opts options
		want string
	}{
		"nil":        {options{nil}, "health: nil Option"},
		"empty name": {options{health.WithName("")}, "health: WithName: the name is empty"},
		"name": {
			options{health.WithName("a\nb")},
			`health: WithName("a\nb"): use at most 100 printable characters`,
		},
		"long name": {
			options{health.WithName(long)},
			`health: WithName("` + long[:100] + `"): use at most 100 printable characters`,
		},
		"nil client":   {options{health.WithClient(nil)}, "health: WithClient: the client is nil"},
		"nil logger":   {options{health.WithLogger(nil)}, "health: WithLogger: the logger is nil"},
		"nil callback": {options{health.OnChange(nil)}, "health: OnChange: the function is nil"},
		"no rejection threshold": {
			options{health.WithRejectionThreshold(0)},
			"health: WithRejectionThreshold(0): must be at least 1",
		},
		"empty account": {
			options{health.ExpectAccount("")},
			"health: ExpectAccount: the id is empty; leave the option out to accept any account",
		},
		"empty company": {
			options{health.ExpectCompany("")},
			"health: ExpectCompany: the id is empty; leave the option out to accept any company",
		},
		"negative balance": {
			options{health.WithMinBalance(decimal.MustParse("-1"))},
			"health: WithMinBalance(-1): must not be negative",
		},
		"several": {
			options{health.WithInterval(0), health.ExpectAccount("")},
			"health: WithInterval(0s): must be at least 10ms; is its unit missing, as in 60*time.Second?\n" +
				"health: ExpectAccount: the id is empty; leave the option out to accept any account",
		},
	})
}

func TestNewRefusesDuration(t *testing.T) {
	for name, option := range map[string]func(time.Duration) health.Option{
		"WithInterval":         health.WithInterval,
		"WithMaxStale":         health.WithMaxStale,
		"WithPollInterval":     health.WithPollInterval,
		"WithStartupTimeout":   health.WithStartupTimeout,
		"WithSourceTimeout":    health.WithSourceTimeout,
		"WithRejectionRecheck": health.WithRejectionRecheck,
		"WithBreakerOpen":      health.WithBreakerOpen,
	} {
		t.Run(name, func(t *testing.T) {
			for d, text := range map[time.Duration]string{
				-time.Second: "-1s", 0: "0s", 60: "60ns", 10*time.Millisecond - 1: "9.999999ms",
			} {
				c, err := health.New(credentials.Static("t"), option(d))
				assert.EqualError(t, err, "health: "+name+"("+text+"): must be at least 10ms; "+
					"is its unit missing, as in 60*time.Second?")
				assert.Nil(t, c)
			}
		})
	}
}

func TestNewRefusesCombination(t *testing.T) {
	quick, err := requester.New(requester.Production, requester.WithTimeout(time.Second))
	require.NoError(t, err)
	refusals(t, map[string]struct {
		opts options
		want string
	}{
		"MaxStale": {
			options{health.WithMaxStale(2*time.Minute + 5*time.Second - 1)},
			"health: WithMaxStale(2m4.999999999s): must be at least 2m5s, twice the interval (1m0s) plus " +
				"the client's timeout (5s), or one slow answer would close the gate",
		},
		"MaxStale and client": {
			options{
				health.WithMaxStale(10 * time.Second), health.WithInterval(5 * time.Second),
				health.WithClient(quick),
			},
			"health: WithMaxStale(10s): must be at least 11s, twice the interval (5s) plus " +
				"the client's timeout (1s), or one slow answer would close the gate",
		},
		"longest interval": {
			options{health.WithInterval(math.MaxInt64)},
			"health: WithMaxStale(15m0s): must be at least 876000h0m5s, twice the interval (438000h0m0s) " +
				"plus the client's timeout (5s), or one slow answer would close the gate",
		},
		"interval and timeout": {
			options{health.WithInterval(4 * time.Second)},
			"health: WithInterval(4s): shorter than the client's timeout of 5s, so that one slow answer " +
				"would take several intervals; set requester.WithTimeout, too",
		},
		"breaker": {
			options{health.WithBreakerOpen(7*time.Minute + 30*time.Second + 1)},
			"health: WithBreakerOpen(7m30.000000001s): must be at most 7m30s, half of WithMaxStale, " +
				"or a short outage would close the gate",
		},
		"recheck": {
			options{health.WithRejectionRecheck(time.Minute + 1)},
			"health: WithRejectionRecheck(1m0.000000001s): must be at most the interval, 1m0s",
		},
		"balance": {
			options{health.FailOnLowBalance()},
			"health: FailOnLowBalance has no effect without WithMinBalance",
		},
		"account": {
			options{health.ExpectAccount("1"), health.AllowAccountChange()},
			"health: AllowAccountChange contradicts ExpectAccount: the account cannot change",
		},
		"several": {
			options{health.FailOnLowBalance(), health.WithBreakerOpen(time.Hour)},
			"health: WithBreakerOpen(1h0m0s): must be at most 7m30s, half of WithMaxStale, " +
				"or a short outage would close the gate\n" +
				"health: FailOnLowBalance has no effect without WithMinBalance",
		},
	})
}

func TestNewAccepts(t *testing.T) {
	quick, err := requester.New(requester.Production, requester.WithTimeout(10*time.Millisecond))
	require.NoError(t, err)
	for name, opts := range map[string]options{
		"defaults":         nil,
		"least MaxStale":   {health.WithMaxStale(2*time.Minute + 5*time.Second)},
		"longest":          {health.WithMaxStale(math.MaxInt64), health.WithInterval(24 * time.Hour)},
		"last option wins": {health.WithInterval(time.Hour), health.WithInterval(10 * time.Second)},
		"threshold of one": {health.WithRejectionThreshold(1)},
		"longest breaker":  {health.WithBreakerOpen(7*time.Minute + 30*time.Second)},
		"empty balance":    {health.WithMinBalance(decimal.Decimal{}), health.FailOnLowBalance()},
		"expectations":     {health.ExpectAccount("1"), health.ExpectCompany("2")},
		"company":          {health.ExpectCompany("2"), health.AllowAccountChange()},
		"shortest": {
			health.WithClient(quick), health.WithInterval(10 * time.Millisecond),
			health.WithMaxStale(30 * time.Millisecond), health.WithPollInterval(10 * time.Millisecond),
			health.WithRejectionRecheck(10 * time.Millisecond), health.WithBreakerOpen(10 * time.Millisecond),
			health.WithSourceTimeout(10 * time.Millisecond), health.WithStartupTimeout(10 * time.Millisecond),
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := health.New(credentials.Static("t"), opts...)
			require.NoError(t, err)
			assert.Equal(t, "fail: starting", verdictOf(c.Snapshot()))
			assert.Equal(t, "production", c.Snapshot().State().Environment)
			assert.NoError(t, c.Close())
		})
	}
}

// A client that was not made by requester.New has no address to call.
func TestZeroClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := health.New(credentials.Static("t"), health.WithClient(&requester.Client{}))
		require.NoError(t, err)
		defer c.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://toloka.dev/", nil)
		require.NoError(t, err)
		assert.NotPanics(t, func() {
			_ = c.Start(t.Context())
			assert.Error(t, c.Check(t.Context()))
			_, _ = c.Lend(req)
		})
	})
}
