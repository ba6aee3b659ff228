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
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
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

// Option configures a Checker. New returns an error for an invalid option.
type Option func(*config) error

// config holds the values of the options. It does not change after New.
type config struct {
	client          *requester.Client
	store           shared.Store
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
	if cfg.rules.recheck == 0 {
		cfg.rules.recheck = min(defaultRejectionRecheck, cfg.pace.interval)
	}
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
	reject(r.maxStale < least,
		"WithMaxStale(%s): must be at least %s, twice the interval (%s) plus "+
			"the client's timeout (%s), or one slow answer would close the gate",
		r.maxStale, least, p.interval, p.timeout)
	reject(p.breakerOpen > r.maxStale/2, "WithBreakerOpen(%s): must be at most %s, half of "+
		"WithMaxStale, or a short outage would close the gate", p.breakerOpen, r.maxStale/2)
	reject(r.recheck > p.interval, "WithRejectionRecheck(%s): must be at most the interval, %s",
		r.recheck, p.interval)
	reject(r.lowBalanceFails && !r.minBalance.Valid,
		"FailOnLowBalance has no effect without WithMinBalance")
	reject(r.expectAccount != "" && r.allowAccountChange,
		"AllowAccountChange contradicts ExpectAccount: the account cannot change")
	return errors.Join(errs...)
}

// leastDuration is the shortest duration that an option takes. Anything shorter is a number
// without a unit.
const leastDuration = 10 * time.Millisecond

// duration stores d, capped at forever.
func duration(option string, d time.Duration, where func(*config) *time.Duration) Option {
	return func(c *config) error {
		if d < leastDuration {
			return fmt.Errorf(
				"health: %s(%s): must be at least %s; is its unit missing, as in 60*time.Second?",
				option, d, leastDuration)
		}
		*where(c) = min(d, forever)
		return nil
	}
}

// WithName sets the checker's name in logs, errors, metrics and health documents: up to 100
// printable characters. Use it if a process has several checkers. Default: no name.
func WithName(name string) Option {
	return func(c *config) error {
		switch {
		case name == "":
			return errors.New("health: WithName: the name is empty")
		case len(name) > maxNameLen || strings.ContainsFunc(name, notPrintable):
			return fmt.Errorf("health: WithName(%q): use at most %d printable characters",
				name[:min(len(name), maxNameLen)], maxNameLen)
		}
		c.rules.name = name
		return nil
	}
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) }

// WithClient sets the client that calls the platform, and with it the environment, the timeout
// and the HTTP client. Default: requester.New(requester.Production).
func WithClient(client *requester.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("health: WithClient: the client is nil")
		}
		c.client = client
		return nil
	}
}

// WithLogger sets where the checker logs: one line at startup, one for every change of the
// status or the primary reason, one for every rotation. It logs no secret, and nothing per
// poll. The handler is called in a goroutine of its own: lines that it is too slow for are
// dropped, and the next line has their number as log.dropped. Default: nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		if logger == nil {
			return errors.New("health: WithLogger: the logger is nil")
		}
		c.logger = logger
		return nil
	}
}

// OnChange sets a function that is called after every change of status, reasons, readiness,
// token or account: in order, one call at a time, in a goroutine of its own. It may call every
// method of the checker. If it is so slow that changes pile up, those in the middle are joined:
// old is still the new of the call before. A panic is recovered and logged by its type.
// Default: none.
func OnChange(f func(old, new *Snapshot)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("health: OnChange: the function is nil")
		}
		c.onChange = f
		return nil
	}
}

// WithInterval sets the time between two checks with a verdict, ±10 % at random. It must not be
// shorter than the client's timeout. After a failure the time is a second, doubling up to the
// interval. Default: 1 min.
func WithInterval(d time.Duration) Option {
	return duration("WithInterval", d, func(c *config) *time.Duration { return &c.pace.interval })
}

// WithMaxStale sets how old the last good answer may become during an outage of the platform,
// before the status changes from warn (stale) to fail (unreachable). It is at least twice the
// interval plus the client's timeout. Default: 15 min.
func WithMaxStale(d time.Duration) Option {
	return duration("WithMaxStale", d, func(c *config) *time.Duration { return &c.rules.maxStale })
}

// WithPollInterval sets how often a provider that is cheap to look at ([credentials.Poller],
// such as a file) is polled between reads. A new token is noticed within this time, and used as
// soon as it is verified. Default: 5 s.
func WithPollInterval(d time.Duration) Option {
	return duration("WithPollInterval", d,
		func(c *config) *time.Duration { return &c.pace.pollInterval })
}

// WithStartupTimeout sets how long Start waits for a verification. Default: 10 s.
func WithStartupTimeout(d time.Duration) Option {
	return duration("WithStartupTimeout", d,
		func(c *config) *time.Duration { return &c.startupTimeout })
}

// WithSourceTimeout sets how long one read of the provider may take before the source counts as
// unavailable. Checks of the loaded token do not wait for it, and a token that is delivered
// later is used. Default: 5 s.
func WithSourceTimeout(d time.Duration) Option {
	return duration("WithSourceTimeout", d,
		func(c *config) *time.Duration { return &c.pace.sourceTimeout })
}

// WithRejectionRecheck sets how long after a refusal the platform is asked again to confirm it,
// at most the interval. Default: 1 s, or the interval if that is less.
func WithRejectionRecheck(d time.Duration) Option {
	return duration("WithRejectionRecheck", d,
		func(c *config) *time.Duration { return &c.rules.recheck })
}

// WithBreakerOpen sets how long the open circuit breaker forbids calls, ±10 % drawn once per
// checker. It is at most half of [WithMaxStale]. One call is made all the same, just before the
// last good answer is too old. Default: 30 s, or a quarter of WithMaxStale if that is less.
func WithBreakerOpen(d time.Duration) Option {
	return duration("WithBreakerOpen", d,
		func(c *config) *time.Duration { return &c.pace.breakerOpen })
}

// WithRejectionThreshold sets how many refusals in a row make a token rejected. Default: 2, so
// that a single odd answer does not call a good credential bad.
func WithRejectionThreshold(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("health: WithRejectionThreshold(%d): must be at least 1", n)
		}
		c.rules.rejectionThreshold = n
		return nil
	}
}

// ExpectAccount sets the id of the account that the token must belong to: any other is
// wrong_account. Default: the first verified account is pinned, see [AllowAccountChange].
func ExpectAccount(id string) Option {
	return func(c *config) error {
		if id == "" {
			return errors.New("health: ExpectAccount: the id is empty; " +
				"leave the option out to accept any account")
		}
		c.rules.expectAccount = id
		return nil
	}
}

// ExpectCompany sets the id of the company that the token's account must belong to: any other is
// wrong_account. Default: any.
func ExpectCompany(id string) Option {
	return func(c *config) error {
		if id == "" {
			return errors.New("health: ExpectCompany: the id is empty; " +
				"leave the option out to accept any company")
		}
		c.rules.expectCompany = id
		return nil
	}
}

// AllowAccountChange lets a token of another account replace the one in use. Without it the
// first verified account is pinned for the checker's life. [ExpectCompany] is still checked.
func AllowAccountChange() Option {
	return func(c *config) error {
		c.rules.allowAccountChange = true
		return nil
	}
}

// WithMinBalance adds the reason low_balance while the account's balance, in US dollars, is
// under least. An account without a readable balance is not judged. Default: the balance is
// not checked.
func WithMinBalance(least decimal.Decimal) Option {
	return func(c *config) error {
		if least.Sign() < 0 {
			return fmt.Errorf("health: WithMinBalance(%s): must not be negative", least)
		}
		c.rules.minBalance = decimal.NullDecimal{Decimal: least, Valid: true}
		return nil
	}
}

// FailOnLowBalance makes a balance under [WithMinBalance] fail, with the reason
// insufficient_balance, and close the gate. Default: a warning.
func FailOnLowBalance() Option {
	return func(c *config) error {
		c.rules.lowBalanceFails = true
		return nil
	}
}

// RequireVerified makes Start return an error if the platform or the source does not answer in
// time. Default: Start logs a warning and returns nil, and the service comes up not ready, so
// that replicas do not crash-loop because a dependency is down.
func RequireVerified() Option {
	return func(c *config) error {
		c.requireVerified = true
		return nil
	}
}

// ReadyWhileUnreachable keeps a service that was verified ready (200, warn) when the platform is
// unreachable for longer than [WithMaxStale]. The gate closes all the same. Use it behind load
// balancers that send no traffic at all when every replica is unready. Default: not ready.
func ReadyWhileUnreachable() Option {
	return func(c *config) error {
		c.rules.readyWhileUnreachable = true
		return nil
	}
}

// WithShared shares the platform's answers with the other replicas that have the same token, base
// URL and acting account, through store, such as a redisstore.Store: all of them together call
// the platform as often as one does. A store that is slow or away never changes a status: the
// replica then works on its own. Default: every replica works on its own. See package shared and
// fleet.md.
func WithShared(store shared.Store) Option {
	return func(c *config) error {
		if isnil.Value(store) {
			return errors.New("health: WithShared: the store is nil")
		}
		c.store = store
		return nil
	}
}
