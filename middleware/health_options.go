package middleware

import "net/http"

// HealthOption configures [NewHealth] and [NewReady], and with them [Routes].
type HealthOption interface {
	RoutesOption
	applyHealth(*healthConfig)
}

type healthConfig struct {
	more    []Snapshotter
	details func(*http.Request) bool
}

type healthOption func(*healthConfig)

func (o healthOption) applyHealth(c *healthConfig) { o(c) }
func (o healthOption) applyRoutes(c *routesConfig) { o(&c.health) }

// WithDetails lets the requests for which allowed returns true see details with the query ?verbose: the reasons, the
// account, its balance, where the token came from and its fingerprint, the latency of the platform and the circuit
// breaker. The token itself is never among them. By default, and with nil, nobody sees them: a request with ?verbose gets
// the same answer as one without.
//
// allowed is asked only about requests with ?verbose, by many goroutines at once. It should look at something that a
// stranger cannot choose, such as a listener for operators only or an authenticated user; not at X-Forwarded-For.
func WithDetails(allowed func(*http.Request) bool) HealthOption {
	return healthOption(func(c *healthConfig) { c.details = allowed })
}

// WithCheckers makes the endpoint answer for more checkers than one, with the worst of their verdicts. In the details
// each is told apart by its name ([health.WithName]).
func WithCheckers(more ...Snapshotter) HealthOption {
	return healthOption(func(c *healthConfig) { c.more = append(c.more, more...) })
}
