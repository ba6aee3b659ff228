package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// NewChecker returns a running checker with all its defaults and a platform in memory. Its status
// has a real cause: the token was verified, and then the platform went down (warn) or the token was
// deleted (fail).
func NewChecker(status health.Status) (*health.Checker, error) {
	platform := requestertest.NewPlatform()
	token := platform.IssueToken("")
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		return nil, err
	}
	checker, err := health.New(credentials.Static(token.Reveal()),
		health.WithClient(client), health.WithRejectionThreshold(1))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := checker.Start(ctx); err != nil {
		return nil, errors.Join(err, checker.Close())
	}
	switch status {
	case health.StatusWarn:
		platform.SetFaults(requestertest.Status(http.StatusServiceUnavailable))
		_ = checker.Refresh(ctx) // the error is the purpose
	case health.StatusFail:
		platform.DeleteToken(token)
		_ = checker.Refresh(ctx)
	}
	if got := checker.Snapshot().Status(); got != status {
		_ = checker.Close()
		return nil, fmt.Errorf("the checker's status is %s, want %s", got, status)
	}
	return checker, nil
}

func closer(c *health.Checker) func() { return func() { _ = c.Close() } }
