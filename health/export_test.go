package health

import (
	"context"
	"net/http"
	"time"
)

// WithJitter replaces chance by these numbers, in turn: 0.5 makes every interval exactly what the
// option says.
func WithJitter(numbers ...float64) Option {
	return func(c *config) error {
		next := -1
		c.jitter = func() float64 {
			next = (next + 1) % len(numbers)
			return numbers[next]
		}
		return nil
	}
}

// WithBreakerFailures sets how many calls in a row must fail to open the circuit breaker.
func WithBreakerFailures(n int) Option {
	return func(c *config) error {
		c.breakerFailures = n
		return nil
	}
}

// WithSuspended replaces the system's account of how long the machine was suspended.
func WithSuspended(f func() time.Duration) Option {
	return func(c *config) error {
		c.suspended = f
		return nil
	}
}

// Remembered returns how many accounts are cached.
func (c *Checker) Remembered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m.cache.entries.ItemCount()
}

// Warned returns how many warnings of the source are remembered.
func (c *Checker) Warned() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.warned)
}

// Flush waits until the log lines so far are written.
func (c *Checker) Flush() { c.log.flush(time.Second) }

// Loan gives tests the decisions behind Transport.
type Loan = loan

// Lend decides about one outgoing request.
func (c *Checker) Lend(req *http.Request) (*Loan, error) { return c.lend(req) }

// Authorize sets the headers of a request.
func (l *loan) Authorize(h http.Header) { l.authorize(h) }

// Refused is for a request that was answered with 401.
func (l *loan) Refused(ctx context.Context) *Loan { return l.replacement(ctx) }
