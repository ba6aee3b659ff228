package middleware

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/callers"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
)

// CallersOption configures a [Callers].
type CallersOption func(*callersConfig) error

type callersConfig struct{ callers.Config }

var defaultCallers = callersConfig{callers.Config{
	TTL:        time.Minute,
	RefusedTTL: 10 * time.Second,
	MaxStale:   15 * time.Minute,
	Entries:    10_000,
	PerSecond:  20, Burst: 40,
	InFlight: 32,
}}

var errStaleBeforeTTL = errors.New(
	"the TTL is longer than MaxStale: shorten WithCallerTTL or extend WithCallerMaxStale")

// minDuration catches durations without a unit.
const minDuration = 10 * time.Millisecond

// forever is the longest duration. What is computed from it does not overflow.
const forever = 10 * 365 * 24 * time.Hour

// WithCallerTTL sets how long a verified token passes without a call. The default is a minute. It
// is at least 10 ms and at most MaxStale.
func WithCallerTTL(d time.Duration) CallersOption {
	return func(c *callersConfig) error { return setDuration("WithCallerTTL", &c.TTL, d) }
}

// WithRefusedTTL sets how long a refused token gets 401 without a call. The default is 10 s. It is
// at least 10 ms.
func WithRefusedTTL(d time.Duration) CallersOption {
	return func(c *callersConfig) error { return setDuration("WithRefusedTTL", &c.RefusedTTL, d) }
}

// WithCallerMaxStale sets how long after its last good answer a verified token passes while the
// platform does not answer. The default is 15 minutes. It is at least the TTL.
func WithCallerMaxStale(d time.Duration) CallersOption {
	return func(c *callersConfig) error { return setDuration("WithCallerMaxStale", &c.MaxStale, d) }
}

// WithMaxCallers sets how many verified tokens are kept in memory, and separately how many tokens
// that were refused or got no verdict. The default is 10,000 each. A verified token that was
// evicted is unknown at its next use.
func WithMaxCallers(n int) CallersOption {
	return func(c *callersConfig) error {
		if n < 1 {
			return fmt.Errorf("WithMaxCallers: %d is less than 1", n)
		}
		c.Entries = n
		return nil
	}
}

// WithUnknownBudget limits the calls about tokens that were never verified. The default is 20 a
// second with bursts of 40. Requests over the budget get 503. Tokens that were verified are not
// limited by it: each costs one call per TTL while it is used.
func WithUnknownBudget(perSecond float64, burst int) CallersOption {
	return func(c *callersConfig) error {
		if !(perSecond > 0) || math.IsInf(perSecond, 1) || burst < 1 {
			return fmt.Errorf("WithUnknownBudget: %v a second with bursts of %d: "+
				"both must be positive and finite", perSecond, burst)
		}
		c.PerSecond, c.Burst = perSecond, burst
		return nil
	}
}

// WithMaxInFlight limits the calls in flight, separately for tokens that were verified and for
// unknown ones. The default is 32. Verified tokens wait for their turn, unknown ones get 503.
func WithMaxInFlight(n int) CallersOption {
	return func(c *callersConfig) error {
		if n < 1 {
			return fmt.Errorf("WithMaxInFlight: %d is less than 1", n)
		}
		c.InFlight = n
		return nil
	}
}

// WithSharedCallers shares the platform's answers with the other replicas, through store: an active
// caller then costs one call per TTL in all. A replica on which the store does not answer works on
// its own. Default: every replica works on its own. See package shared.
func WithSharedCallers(store shared.Store) CallersOption {
	return func(c *callersConfig) error {
		if isnil.Value(store) {
			return errors.New("WithSharedCallers: the store is nil")
		}
		c.Member = sharing.NewMember(store, sharing.MostLook)
		return nil
	}
}

func setDuration(option string, field *time.Duration, d time.Duration) error {
	if d < minDuration {
		return fmt.Errorf("%s: %v is less than %v: is its unit missing?", option, d, minDuration)
	}
	*field = min(d, forever)
	return nil
}
