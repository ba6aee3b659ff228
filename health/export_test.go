package health

import (
	"context"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// WithJitter replaces chance: 0.5 makes every interval exactly what the option says.
func WithJitter(f float64) Option {
	return func(c *config) error {
		c.jitter = func() float64 { return f }
		return nil
	}
}

// Remembered is how many answers are kept.
func (c *Checker) Remembered() int { return c.verifier.answers.ItemCount() }

// Overhear gets an answer that the checker does not take in: what it looks like when the call has just returned.
func (c *Checker) Overhear(ctx context.Context, token credentials.Token) error {
	_, err := c.verifier.Verify(ctx, token)
	return err
}
