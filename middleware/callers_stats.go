package middleware

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/callers"
)

// CallersStats are counts since the creation of a [Callers], and its sizes at the moment. They
// contain nothing that a caller chooses.
type CallersStats struct {
	// Requests counts each request at the gates once: Verified and Stale passed, NoToken and
	// Refused got 401, NotAllowed got 403, Unavailable got 503. A request whose [Allow] function
	// panics is not counted.
	Requests struct{ Verified, Stale, NoToken, Refused, NotAllowed, Unavailable uint64 }
	// Calls counts the answers of the platform by class.
	Calls map[requester.Class]uint64
	// Skipped counts the calls that were needed and not made, by reason: the budget for unknown
	// tokens was spent ([WithUnknownBudget]), too many calls were in flight ([WithMaxInFlight]),
	// the circuit breaker was open, or the platform had limited the rate of calls (429). Requests
	// that share a call count once.
	Skipped struct{ Budget, InFlight, Breaker, RateLimit uint64 }
	// Verified is about the tokens that were verified; Unproven about those that the platform
	// refused or gave no verdict on.
	Verified, Unproven CallersTokens
	// Shared is about the store of [WithSharedCallers].
	Shared shared.Stats
}

// CallersTokens are counts of one kind of tokens. See [CallersStats].
type CallersTokens struct {
	// Entries is how many of them are in memory.
	Entries int
	// Evictions counts those that were removed because the memory for them was full
	// ([WithMaxCallers]).
	Evictions uint64
	// InFlight is how many calls about them are in flight.
	InFlight int
	// Breaker is the state of the circuit breaker for these calls: "closed", "open" or "half-open".
	Breaker string
}

// Stats returns the current counts. Requests do not wait for it, and it makes no call. The counts
// are read one after the other, while requests go on. All are zero for a Callers that is not from
// [NewCallers].
func (c *Callers) Stats() CallersStats {
	if c.missing() != nil {
		return CallersStats{}
	}
	s := c.engine.Stats()
	stats := CallersStats{
		Calls:    make(map[requester.Class]uint64),
		Skipped:  s.Skipped,
		Verified: CallersTokens(s.Verified),
		Unproven: CallersTokens(s.Others),
		Shared:   s.Shared,
	}
	for class := requester.Verified; class <= requester.Cancelled; class++ {
		if class != requester.NotAsked {
			stats.Calls[class] = s.Calls[class]
		}
	}
	n := c.requests.sum()
	stats.Requests.Verified = n[callers.Fresh]
	stats.Requests.Stale = n[callers.Stale]
	stats.Requests.NoToken = n[callers.NoToken]
	stats.Requests.Refused = n[callers.Refused]
	stats.Requests.NotAllowed = n[notAllowed]
	stats.Requests.Unavailable = n[callers.Unavailable]
	return stats
}

// notAllowed is the outcome of a request that the engine let pass and the gate did not.
const notAllowed = callers.Unavailable + 1

// requestCounts counts requests by outcome. Each shard is a cache line of its own. Requests choose
// one at random, so that they rarely wait for another processor to write the same line.
type requestCounts [32]struct {
	outcomes [notAllowed + 1]atomic.Uint64
	_        [64 - 8*(notAllowed+1)]byte
}

func (c *requestCounts) add(outcome callers.Outcome) {
	c[rand.Uint32()%uint32(len(c))].outcomes[outcome].Add(1)
}

func (c *requestCounts) sum() (n [notAllowed + 1]uint64) {
	for i := range c {
		for outcome := range n {
			n[outcome] += c[i].outcomes[outcome].Load()
		}
	}
	return n
}
