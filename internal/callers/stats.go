package callers

import (
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Stats are the engine's counts since its creation, and its sizes at the moment.
type Stats struct {
	Verified, Others int // cache entries
	InFlight         int
	Outcomes         [Unavailable + 1]uint64 // without Fresh: a count would be a shared write per hit
	Calls            [requester.Cancelled + 1]uint64
	Breakers         [2]string // of verified tokens, of others
}

type counts struct {
	outcomes [Unavailable + 1]atomic.Uint64
	calls    [requester.Cancelled + 1]atomic.Uint64
}

func (c *counts) call(class requester.Class) {
	if class > 0 && int(class) < len(c.calls) {
		c.calls[class].Add(1)
	}
}

// count counts a verdict that is not Fresh.
func (e *Engine) count(v Verdict) Verdict {
	if v.Outcome != Fresh {
		e.counts.outcomes[v.Outcome].Add(1)
	}
	return v
}

// Stats returns the current counts. They are not one consistent cut.
func (e *Engine) Stats() Stats {
	s := Stats{
		Verified: e.verified.EstimatedSize(), Others: e.others.EstimatedSize(),
		InFlight: len(e.proven.slots) + len(e.strange.slots),
		Breakers: [2]string{e.proven.breaker.State(), e.strange.breaker.State()},
	}
	for i := range s.Outcomes {
		s.Outcomes[i] = e.counts.outcomes[i].Load()
	}
	for i := range s.Calls {
		s.Calls[i] = e.counts.calls[i].Load()
	}
	return s
}
