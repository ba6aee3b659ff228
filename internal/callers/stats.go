package callers

import (
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// Stats are the engine's counts since its creation, and its sizes at the moment.
type Stats struct {
	Verified, Others LaneStats
	Calls            [requester.Cancelled + 1]uint64
	Skipped          Skipped
	Shared           shared.Stats
}

// LaneStats are about the tokens that share a lane and a cache.
type LaneStats struct {
	Entries   int
	Evictions uint64
	InFlight  int
	Breaker   string
}

// Skipped counts the calls that were needed and not allowed, by reason.
type Skipped struct{ Budget, InFlight, Breaker, RateLimit uint64 }

type counts struct {
	calls                             [requester.Cancelled + 1]atomic.Uint64
	budget, inFlight, breaker, held   atomic.Uint64
	verifiedEvictions, otherEvictions atomic.Uint64
}

func (c *counts) call(class requester.Class) {
	if class > 0 && int(class) < len(c.calls) {
		c.calls[class].Add(1)
	}
}

// skip counts a flight without a call. err is the error of a flight.
func (c *counts) skip(err error) {
	switch err {
	case errBudget:
		c.budget.Add(1)
	case errBusy:
		c.inFlight.Add(1)
	case errHeld:
		c.held.Add(1)
	case platform.ErrOpen, platform.ErrBusy:
		c.breaker.Add(1)
	}
}

// Stats returns the current counts. They are not one consistent cut.
func (e *Engine) Stats() Stats {
	s := Stats{
		Verified: LaneStats{
			Entries: e.verified.EstimatedSize(), Evictions: e.counts.verifiedEvictions.Load(),
			InFlight: len(e.proven.slots), Breaker: e.proven.breaker.State(),
		},
		Others: LaneStats{
			Entries: e.others.EstimatedSize(), Evictions: e.counts.otherEvictions.Load(),
			InFlight: len(e.strange.slots), Breaker: e.strange.breaker.State(),
		},
		Skipped: Skipped{
			Budget: e.counts.budget.Load(), InFlight: e.counts.inFlight.Load(),
			Breaker: e.counts.breaker.Load(), RateLimit: e.counts.held.Load(),
		},
	}
	for i := range s.Calls {
		s.Calls[i] = e.counts.calls[i].Load()
	}
	if e.config.Member != nil {
		s.Shared = e.config.Member.Stats().Snapshot()
	}
	return s
}
