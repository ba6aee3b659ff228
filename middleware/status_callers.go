package middleware

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
)

// WithCallers adds the counts of a [Callers] to the status page: requests by response, calls to the
// platform, tokens in memory and the circuit breakers. The page shows no token and no account of a
// caller. The other endpoints ignore callers, so the option is invalid without a status page.
func WithCallers(c *Callers) HealthOption {
	return func(config *healthConfig) error {
		if err := c.missing(); err != nil {
			return fmt.Errorf("WithCallers: %w", err)
		}
		config.callers = c
		return nil
	}
}

// noCallersOption returns an error if callers were given to endpoints that do not show them.
func (c *healthConfig) noCallersOption() error {
	if c.callers == nil {
		return nil
	}
	return errors.New("WithCallers: only the status page shows callers; add WithStatusPage")
}

func callersDetails(s CallersStats) []statusDetail {
	calls := make([]string, 0, len(s.Calls))
	for class := requester.Verified; class <= requester.Cancelled; class++ {
		if n := s.Calls[class]; n > 0 {
			calls = append(calls, fmt.Sprintf("%d %s", n, class))
		}
	}
	if len(calls) == 0 {
		calls = []string{"none"}
	}
	details := []statusDetail{
		{Term: "Requests let through", Value: fmt.Sprintf("%d verified, %d stale",
			s.Requests.Verified, s.Requests.Stale)},
		{Term: "Requests rejected", Value: fmt.Sprintf("%d refused, %d without a token, "+
			"%d not allowed, %d unavailable",
			s.Requests.Refused, s.Requests.NoToken, s.Requests.NotAllowed, s.Requests.Unavailable)},
		{Term: "Calls to the platform", Value: strings.Join(calls, ", ")},
		{Term: "Calls not made, by reason", Value: fmt.Sprintf(
			"budget %d, in-flight limit %d, circuit breaker %d, rate limit %d",
			s.Skipped.Budget, s.Skipped.InFlight, s.Skipped.Breaker, s.Skipped.RateLimit)},
		{Term: "Verified tokens", Value: tokensText(s.Verified)},
		{Term: "Other tokens", Value: tokensText(s.Unproven)},
	}
	if s.Shared.Mode != "" {
		details = append(details, statusDetail{Term: "Shared store", Value: sharedText(s.Shared)})
	}
	return details
}

// sharedText describes the use of a shared store.
func sharedText(s shared.Stats) string {
	what := fmt.Sprintf("replicas: about %d", s.Replicas)
	if s.Mode != "active" {
		what = "this replica works on its own"
	}
	return fmt.Sprintf("%s, %s; answers taken %d, given %d; errors %d, entries rejected %d",
		s.Mode, what, s.Taken, s.Given, s.Errors, s.Rejected)
}

func tokensText(t CallersTokens) string {
	return fmt.Sprintf("%d in memory, %d evicted, %d calls in flight, circuit breaker %s",
		t.Entries, t.Evictions, t.InFlight, t.Breaker)
}
