package health

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

	"github.com/govalues/decimal"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

const (
	defaultInterval           = time.Minute
	defaultMaxStale           = 15 * time.Minute
	defaultPollInterval       = 5 * time.Second
	defaultStartupTimeout     = 10 * time.Second
	defaultSourceTimeout      = 5 * time.Second
	defaultRejectionThreshold = 2
	defaultRejectionRecheck   = time.Second
	defaultBreakerFailures    = 3
	defaultBreakerOpen        = 30 * time.Second

	maxNameLen = 100
)

// Option configures a Checker. New reports the options that make no sense.
type Option func(*config) error

// config is what the options fill in. It does not change after New.
type config struct {
	client          *requester.Client
	logger          *slog.Logger
	onChange        func(old, new *Snapshot)
	startupTimeout  time.Duration
	requireVerified bool
	breakerFailures int
	pace            pace
	rules           rules

	jitter    func() float64       // random numbers in [0, 1)
	suspended func() time.Duration // how long the machine was suspended, see clock
}

// newConfig starts from the defaults, applies the options and validates the combination.
func newConfig(opts []Option) (*config, error) {
	cfg := &config{
		logger:          slog.New(slog.DiscardHandler),
		startupTimeout:  defaultStartupTimeout,
		breakerFailures: defaultBreakerFailures,
		jitter:          rand.Float64,
		suspended:       suspendedTime,
		pace: pace{
			interval:      defaultInterval,
			pollInterval:  defaultPollInterval,
			sourceTimeout: defaultSourceTimeout,
		},
		rules: rules{
			maxStale:           defaultMaxStale,
			rejectionThreshold: defaultRejectionThreshold,
			recheck:            defaultRejectionRecheck,
		},
	}
	var errs []error
	for _, opt := range opts {
		if opt == nil {
			errs = append(errs, errors.New("health: nil Option"))
		} else if err := opt(cfg); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.client == nil {
		client, err := requester.New(requester.Production)
		if err != nil {
			return nil, err
		}
		cfg.client = client
	}
	cfg.pace.timeout = min(cfg.client.Timeout(), forever)
	if cfg.pace.breakerOpen == 0 {
		cfg.pace.breakerOpen = min(defaultBreakerOpen, cfg.rules.maxStale/4)
	}
	return cfg, cfg.validate()
}

// validate rejects combinations under which a good credential could be called bad, and options
// that have no effect.
func (c *config) validate() error {
	var errs []error
	reject := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf("health: "+format, args...))
		}
	}
	p, r := c.pace, c.rules
	reject(p.timeout > p.interval, "WithInterval(%s): shorter than the client's timeout of %s, so "+
		"that one slow answer would take several intervals; set requester.WithTimeout, too",
		p.interval, p.timeout)
	least := 2*p.interval + p.timeout
	reject(r.maxStale < least, "WithMaxStale(%s): must be at least %s, twice the interval (%s) plus "+
		"the client's timeout (%s), or one slow answer would close the gate",
		r.maxStale, least, p.interval, p.timeout)
	reject(p.breakerOpen > r.maxStale/2, "WithBreakerOpen(%s): must be at most %s, half of "+
		"WithMaxStale, or a short outage would close the gate", p.breakerOpen, r.maxStale/2)
	reject(r.recheck > p.interval, "WithRejectionRecheck(%s): must be at most the interval, %s",
		r.recheck, p.interval)
	reject(r.lowBalanceFails && !r.watchBalance,
		"FailOnLowBalance has no effect without WithMinBalance")
	reject(r.expectAccount != "" && r.allowAccountChange,
		"AllowAccountChange contradicts ExpectAccount: the account cannot change")
	return errors.Join(errs...)
}

// leastDuration is the shortest duration that an option takes. Anything shorter is a number
// without a unit.
const leastDuration = 10 * time.Millisecond

// duration stores d where it belongs, at most [forever].
func duration(option string, d time.Duration, where func(*config) *time.Duration) Option {
	return func(c *config) error {
		if d < leastDuration {
			return fmt.Errorf("health: %s(%s): must be at least %s; has it a unit, as in 60*time.Second?",
				option, d, leastDuration)
		}
		*where(c) = min(d, forever)
		return nil
	}
}

// WithName names the checker in logs, errors, metrics and health documents. It matters where one process has several.
// Default: no name.
func WithName(name string) Option {
	return func(c *config) error {
		switch {
		case name == "":
			return errors.New("health: WithName: the name is empty")
		case len(name) > maxNameLen || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
			return fmt.Errorf("health: WithName(%q): use at most %d printable characters",
				name[:min(len(name), maxNameLen)], maxNameLen)
		}
		c.rules.name = name
		return nil
	}
}

// WithClient sets the client that asks the platform, and with it the environment, the timeout and the HTTP client.
// Default: requester.New(requester.Production).
func WithClient(client *requester.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("health: WithClient: the client is nil")
		}
		c.client = client
		return nil
	}
}

// WithLogger sets where the checker logs: one line for the startup, one for every change of status or primary reason, one
// for every rotation; nothing per poll and no secret. The logger's handler must not call the checker's Close or
// Refresh: it runs in the goroutine that checks. Default: nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		if logger == nil {
			return errors.New("health: WithLogger: the logger is nil")
		}
		c.logger = logger
		return nil
	}
}

// OnChange sets a function that is called after every change of status, reasons, readiness, token or account. It runs
// in a goroutine of its own, one call at a time and in order, and may call every method of the checker. It never holds
// up the checker: when it is so slow that changes pile up, those in the middle are joined, and old is still what
// new was in the call before. A panic in it is recovered and logged by type. Default: none.
func OnChange(f func(old, new *Snapshot)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("health: OnChange: the function is nil")
		}
		c.onChange = f
		return nil
	}
}

// WithInterval sets how long after an answer the platform is asked again, ±10 % at random. After a failure the time is a
// second, doubling up to the interval. Default: 1 min.
func WithInterval(d time.Duration) Option {
	return duration("WithInterval", d, func(c *config) *time.Duration { return &c.pace.interval })
}

// WithMaxStale sets how old the last good answer may become while the platform cannot be reached, before the status goes
// from warn (stale) to fail (unreachable). At least twice the interval plus the client's timeout. Default: 15 min.
func WithMaxStale(d time.Duration) Option {
	return duration("WithMaxStale", d, func(c *config) *time.Duration { return &c.rules.maxStale })
}

// WithPollInterval sets how often a provider that is cheap to look at ([credentials.Poller], such as a file) is looked at
// between checks. A new token is in use this long after it was written. Default: 5 s.
func WithPollInterval(d time.Duration) Option {
	return duration("WithPollInterval", d, func(c *config) *time.Duration { return &c.pace.pollInterval })
}

// WithStartupTimeout bounds Start. Default: 10 s.
func WithStartupTimeout(d time.Duration) Option {
	return duration("WithStartupTimeout", d, func(c *config) *time.Duration { return &c.startupTimeout })
}

// WithSourceTimeout bounds one read of the provider; where the last good answer is about to be too old, a read has less, so that
// a call is still possible. When it is over, checks go on with the loaded token; what the provider brings later is used
// all the same. Default: 5 s.
func WithSourceTimeout(d time.Duration) Option {
	return duration("WithSourceTimeout", d, func(c *config) *time.Duration { return &c.pace.sourceTimeout })
}

// WithRejectionRecheck sets how long after a refusal the platform is asked again to confirm it. Default: 1 s.
func WithRejectionRecheck(d time.Duration) Option {
	return duration("WithRejectionRecheck", d, func(c *config) *time.Duration { return &c.rules.recheck })
}

// WithBreakerOpen sets how long the open circuit breaker lets no call through, ±10 % drawn at random once per
// checker. Default: 30 s.
func WithBreakerOpen(d time.Duration) Option {
	return duration("WithBreakerOpen", d, func(c *config) *time.Duration { return &c.pace.breakerOpen })
}

// WithBreakerFailures sets how many failures in a row open the circuit breaker. Default: 3.
func WithBreakerFailures(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("health: WithBreakerFailures(%d): must be at least 1", n)
		}
		c.breakerFailures = n
		return nil
	}
}

// WithRejectionThreshold sets how many refusals of a token in a row make it rejected. Default: 2, so that one odd answer
// does not call a good credential bad.
func WithRejectionThreshold(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("health: WithRejectionThreshold(%d): must be at least 1", n)
		}
		c.rules.rejectionThreshold = n
		return nil
	}
}

// ExpectAccount makes every account but the one with this id wrong_account. Default: the first verified account is
// pinned, see [AllowAccountChange].
func ExpectAccount(id string) Option {
	return func(c *config) error {
		if id == "" {
			return errors.New("health: ExpectAccount: the id is empty; leave the option out to accept any account")
		}
		c.rules.expectAccount = id
		return nil
	}
}

// ExpectCompany makes every account that does not belong to the company with this id wrong_account. Default: any.
func ExpectCompany(id string) Option {
	return func(c *config) error {
		if id == "" {
			return errors.New("health: ExpectCompany: the id is empty; leave the option out to accept any company")
		}
		c.rules.expectCompany = id
		return nil
	}
}

// AllowAccountChange lets a token of another account take over. Without it the first verified account is pinned for the
// checker's life: a token of another account is not used, however good it is. Expectations hold with it too.
func AllowAccountChange() Option {
	return func(c *config) error {
		c.rules.allowAccountChange = true
		return nil
	}
}

// WithMinBalance adds the reason low_balance while the account's balance, in US dollars, is below least: a warning, or
// with [FailOnLowBalance] a failure. An account without a readable balance is not judged. Default: not looked at.
func WithMinBalance(least decimal.Decimal) Option {
	return func(c *config) error {
		if least.Sign() < 0 {
			return fmt.Errorf("health: WithMinBalance(%s): must not be negative", least)
		}
		c.rules.minBalance, c.rules.watchBalance = least, true
		return nil
	}
}

// FailOnLowBalance makes low_balance close the gate. It takes effect together with [WithMinBalance].
func FailOnLowBalance() Option {
	return func(c *config) error {
		c.rules.lowBalanceFails = true
		return nil
	}
}

// RequireVerified makes Start fail when the platform or the source did not answer in time. Default: Start logs a warning
// and returns nil, and the service comes up not ready: a fleet must not crash-loop because somebody else is down.
func RequireVerified() Option {
	return func(c *config) error {
		c.requireVerified = true
		return nil
	}
}

// ReadyWhileUnreachable keeps a service that was verified ready (200, warn) when the platform is gone for longer than
// [WithMaxStale], while the gate closes: for fleets behind balancers that do not fail open. Default: not ready.
func ReadyWhileUnreachable() Option {
	return func(c *config) error {
		c.rules.readyWhileUnreachable = true
		return nil
	}
}
