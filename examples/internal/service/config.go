// Package service holds what the example services share that are not meant to be copied as one
// file: configuration by the environment, and a server that listens before it verifies and drains
// before it stops. How to use the library is in the main.go of each example.
package service

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// defaultListenAddr accepts connections on every interface: load balancers are on other machines.
const defaultListenAddr = ":8080"

// Config is the configuration of a service.
type Config struct {
	// ListenAddr is the address to listen on: LISTEN_ADDR, ":8080" by default.
	ListenAddr string
	// DrainDelay is how long a draining service keeps serving, so that load balancers notice:
	// DRAIN_DELAY, 0 by default.
	DrainDelay time.Duration
	// Client asks the platform of TOLOKA_ENVIRONMENT and TOLOKA_BASE_URL.
	Client *requester.Client
	// CheckerOptions are options for health.New: Client, and the times in CHECK_INTERVAL and
	// MAX_STALE.
	CheckerOptions []health.Option
	// CallersOptions are options for middleware.NewCallers: the same times.
	CallersOptions []middleware.CallersOption
}

// FromEnv reads the configuration with lookup, usually os.LookupEnv. An empty variable counts as
// unset. The error is one line that names every variable with an invalid value, and shows no token.
// FromEnv does not read the token; that is the job of a credentials.Provider.
func FromEnv(lookup func(name string) (value string, ok bool)) (*Config, error) {
	env := &environment{lookup: lookup}
	cfg := &Config{ListenAddr: cmp.Or(env.text("LISTEN_ADDR"), defaultListenAddr)}
	env.platform(cfg)
	cfg.DrainDelay, _ = env.duration("DRAIN_DELAY")
	if len(env.problems) == 0 {
		env.checkCombination(cfg.CheckerOptions)
	}
	if len(env.problems) > 0 {
		return nil, errors.New("environment: " + strings.Join(env.problems, "; "))
	}
	return cfg, nil
}

// platform sets the client of the platform, and the options for the durations that are set.
func (e *environment) platform(cfg *Config) {
	name := requester.Environment(e.text("TOLOKA_ENVIRONMENT"))
	if _, err := requester.New(name); err != nil {
		e.problem("TOLOKA_ENVIRONMENT", string(name), "use production or sandbox")
		name = requester.Production
	}
	opts := []requester.Option{requester.WithUserAgent("tolokacheck-example")}
	if d, ok := e.duration("CHECK_INTERVAL"); ok {
		cfg.CheckerOptions = append(cfg.CheckerOptions, health.WithInterval(d))
		cfg.CallersOptions = append(cfg.CallersOptions, middleware.WithCallerTTL(d))
		if d > 0 { // a call must fit into an interval
			opts = append(opts, requester.WithTimeout(min(d, requester.DefaultTimeout)))
		}
	}
	if d, ok := e.duration("MAX_STALE"); ok {
		cfg.CheckerOptions = append(cfg.CheckerOptions, health.WithMaxStale(d))
		cfg.CallersOptions = append(cfg.CallersOptions, middleware.WithCallerMaxStale(d))
	}
	if raw := e.text("TOLOKA_BASE_URL"); raw != "" {
		opts = append(opts, requester.WithBaseURL(raw))
	}
	client, err := requester.New(name, opts...)
	if err != nil {
		e.baseURLProblem(err) // the only value left that can be invalid
		return
	}
	cfg.Client = client
	cfg.CheckerOptions = append(cfg.CheckerOptions, health.WithClient(client))
}

// checkCombination records the error of options that health.New rejects, alone or together.
func (e *environment) checkCombination(opts []health.Option) {
	checker, err := health.New(credentials.Static(""), opts...)
	if err != nil {
		e.problems = append(e.problems, "CHECK_INTERVAL or MAX_STALE: "+err.Error())
		return
	}
	_ = checker.Close() // always nil
}
