// Package service is what the example services share: their configuration from the environment, and the life of a service
// that listens before it verifies and drains before it stops. How the library is wired in is in each example's main.go.
package service

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/govalues/decimal"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// defaultListenAddr is every interface: load balancers and probes come from other machines.
const defaultListenAddr = ":8080"

// Config is what the environment says. Where it says nothing the library's own defaults hold.
type Config struct {
	// ListenAddr is where the service listens: LISTEN_ADDR, ":8080" by default.
	ListenAddr string
	// DrainDelay is how long a draining service goes on serving, for load balancers to notice: DRAIN_DELAY, 0 by default.
	DrainDelay time.Duration
	// HealthDetails allows ?verbose on the health endpoints to everybody: HEALTH_DETAILS=1, false by default.
	HealthDetails bool
	// CheckerOptions are for health.New: the client by TOLOKA_ENVIRONMENT, TOLOKA_BASE_URL and CHECK_TIMEOUT, the times by
	// CHECK_INTERVAL, MAX_STALE, BREAKER_OPEN and POLL_INTERVAL, and what is expected by EXPECT_ACCOUNT and MIN_BALANCE.
	CheckerOptions []health.Option
}

// FromEnv reads the configuration by lookup, which is os.LookupEnv outside of tests. A variable that is empty counts as
// unset. The error is one line that names every variable with a value that is no good, and shows no token. The token
// itself is not read here: that is what a credentials.Provider is for.
func FromEnv(lookup func(name string) (value string, ok bool)) (*Config, error) {
	env := &environment{lookup: lookup}
	cfg := &Config{
		ListenAddr:    cmp.Or(env.text("LISTEN_ADDR"), defaultListenAddr),
		DrainDelay:    env.drainDelay(),
		HealthDetails: env.flag("HEALTH_DETAILS"),
	}
	cfg.CheckerOptions = append(env.client(), env.times()...)
	cfg.CheckerOptions = append(cfg.CheckerOptions, env.expectations()...)
	if len(env.problems) == 0 {
		env.tryTogether(cfg.CheckerOptions)
	}
	if len(env.problems) > 0 {
		return nil, errors.New("environment: " + strings.Join(env.problems, "; "))
	}
	return cfg, nil
}

// AllowDetails is for middleware.WithDetails. A service that the public can reach would look at the request here: which
// listener it came in by, or who sent it.
func (c *Config) AllowDetails(*http.Request) bool { return c.HealthDetails }

// client builds the client of the platform.
func (e *environment) client() []health.Option {
	name := requester.Environment(e.text("TOLOKA_ENVIRONMENT"))
	if _, err := requester.New(name); err != nil {
		e.problem("TOLOKA_ENVIRONMENT", string(name), "use production or sandbox")
		name = requester.Production
	}
	opts := []requester.Option{requester.WithUserAgent("tolokacheck-example")}
	if timeout, ok := e.duration("CHECK_TIMEOUT"); ok {
		opts = append(opts, requester.WithTimeout(timeout))
	}
	if raw := e.text("TOLOKA_BASE_URL"); raw != "" {
		opts = append(opts, requester.WithBaseURL(raw))
	}
	client, err := requester.New(name, opts...)
	if err != nil {
		e.baseURLProblem(err) // all that can still be wrong
		return nil
	}
	return []health.Option{health.WithClient(client)}
}

// times reads the durations that the checker knows.
func (e *environment) times() []health.Option {
	var opts []health.Option
	for _, v := range []struct {
		name   string
		option func(time.Duration) health.Option
	}{
		{"CHECK_INTERVAL", health.WithInterval},
		{"MAX_STALE", health.WithMaxStale},
		{"BREAKER_OPEN", health.WithBreakerOpen},
		{"POLL_INTERVAL", health.WithPollInterval},
	} {
		if d, ok := e.duration(v.name); ok {
			opts = append(opts, v.option(d))
		}
	}
	return opts
}

// expectations reads what the account has to be.
func (e *environment) expectations() []health.Option {
	var opts []health.Option
	if id := e.text("EXPECT_ACCOUNT"); id != "" {
		opts = append(opts, health.ExpectAccount(id))
	}
	if raw := e.text("MIN_BALANCE"); raw != "" {
		least, err := decimal.Parse(raw)
		if err != nil {
			e.problem("MIN_BALANCE", raw, "not a number; write it in US dollars, like 50 or 12.50")
		}
		opts = append(opts, health.WithMinBalance(least))
	}
	return opts
}

// tryTogether finds values that are good on their own but not together. The library says which, in the words of its options.
func (e *environment) tryTogether(opts []health.Option) {
	checker, err := health.New(credentials.Static(""), opts...)
	if err != nil {
		e.problems = append(e.problems, "MAX_STALE, CHECK_INTERVAL and CHECK_TIMEOUT do not fit together: "+err.Error())
		return
	}
	_ = checker.Close() // always nil
}
