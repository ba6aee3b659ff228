package health

// WithJitter replaces chance: 0.5 makes every interval exactly what the option says.
func WithJitter(f float64) Option {
	return func(c *config) error {
		c.jitter = func() float64 { return f }
		return nil
	}
}
