package health_test

import (
	"context"
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
)

// This file has what the model needs of the engine beyond its stable API. To run the model on
// another engine, only this file changes.

// modelSuspended replaces the system's account of how long the machine was suspended.
func modelSuspended(f func() time.Duration) health.Option { return health.WithSuspended(f) }

// outgoing401 makes an outgoing request that is answered with 401. It returns the token that the
// request is to be retried with, -1 if there is none, and false if there was no token at all.
func outgoing401(ctx context.Context, c *health.Checker) (next int, sent bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://toloka.dev/api/v1/pools", nil)
	if err != nil {
		panic(err)
	}
	loan, err := c.Lend(req)
	if err != nil {
		return -1, false
	}
	again := loan.Refused(ctx)
	if again == nil {
		return -1, true
	}
	again.Authorize(req.Header)
	return modelTokenOf(req.Header.Get("Authorization")), true
}

// The kinds of provider with Poll.
type (
	modelSinglePoller struct{ modelSingle }
	modelMultiPoller  struct{ modelMulti }
)

func (p modelSinglePoller) Poll(ctx context.Context, have []credentials.Token) (bool, error) {
	return p.s.look(ctx, false, have)
}

func (p modelMultiPoller) Poll(ctx context.Context, have []credentials.Token) (bool, error) {
	return p.s.look(ctx, true, have)
}
