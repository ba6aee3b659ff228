package callers

import (
	"math/rand/v2"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/platform"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
)

const (
	// firstLook and mostLook are the pauses between looks for an answer that is on its way.
	firstLook = 50 * time.Millisecond
	mostLook  = time.Second
)

// answer is the platform's answer about a token, and the fence under which replicas share it.
type answer struct {
	platform.Answer
	fence uint64 // 0 if it is not shared
}

// share returns the answer of another replica that is younger than most and newer than the last
// one, or calls ask. The fence does not say what is newer if this engine has asked without the
// store, or if Forget was called: then only what was asked since counts. Without a store it calls
// ask.
//
// It calls waits before it waits for another replica's answer, perhaps more than once.
func (e *Engine) share(
	t credentials.Token, last pace, most time.Duration, waits func(), ask func() platform.Answer,
) answer {
	member := e.config.Member
	if member == nil {
		return answer{ask(), 0}
	}
	keys := sharing.KeysOf(e.client, t)
	lease := sharing.Lease(e.client.Timeout())
	deadline := e.now() + e.client.Timeout()
	for wait := firstLook; ; wait = min(2*wait, mostLook) {
		began, due := time.Now(), most
		if last.since != 0 {
			due = min(due, began.Sub(e.start)-last.since)
		}
		view, err := member.Look(e.ctx, &keys,
			shared.Query{Lease: lease, Due: due, Floor: last.fence})
		if err != nil {
			return answer{ask(), last.fence} // on its own
		}
		v := view.Verdict
		if v != nil && v.Fence > last.fence {
			v.SentAt = began.Add(-v.Age)
		} else {
			v = nil
		}
		// Who is granted the lease asks: there was trouble after the verdict, and its pause has
		// ended.
		if v != nil && view.Lease == 0 {
			switch {
			case v.Class == requester.Rejected && v.Age >= e.config.RefusedTTL:
				if due > e.config.RefusedTTL { // a refusal is trusted for a shorter time
					most = e.config.RefusedTTL
					continue
				}
			case v.Age < due:
				member.Stats().Taken.Add(1)
				return answer{v.Answer, v.Fence}
			}
		}
		tr := view.Trouble
		paused := tr != nil && tr.Age < tr.Pause
		switch {
		case view.Lease > 0:
			a := ask()
			e.give(keys, a, tr, view.Lease, lease, began)
			if v != nil && v.Class == requester.Verified && v.Age < due &&
				!platform.Conclusive(a.Class) {
				member.Stats().Taken.Add(1) // as all others do
				a = v.Answer
			}
			return answer{a, view.Lease}
		case view.Busy > 0 && e.now() < deadline:
			// Another replica asks: wait for its answer.
		case paused && !tr.Confirmed && tr.Replica != member.ID && e.now() < deadline:
			// Wait: this replica confirms it as soon as it may.
		case paused && tr.Confirmed && tr.Fence > last.fence:
			// Taken once: a store that shows it for too long as a new one is not believed.
			member.Stats().Taken.Add(1)
			tr.RetryAfter = tr.Pause - tr.Age
			return answer{tr.Answer, tr.Fence}
		default:
			return answer{ask(), last.fence}
		}
		waits()
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-e.ctx.Done():
			return answer{ask(), last.fence} // which returns at once
		}
	}
}

// give stores an answer that this replica got under a lease, by a look that began at leased. before
// is the trouble so far.
func (e *Engine) give(
	keys sharing.Keys, a platform.Answer, before *sharing.Answer, fence uint64, lease time.Duration,
	leased time.Time,
) {
	if !platform.Asked(a.Class) || !e.begin() {
		return
	}
	given := sharing.Answer{Answer: a, Fence: fence}
	switch {
	case a.Class == requester.Rejected:
		given.Refusals = 1
	case given.Trouble():
		given.Probes, given.Confirmed = 1, a.Class == requester.RateLimited
		if before != nil {
			given.Probes += before.Probes
			given.Confirmed = given.Confirmed || before.Confirmed ||
				before.Replica != e.config.Member.ID
		}
		given.Pause = max(backoff(given.Probes), min(a.RetryAfter, e.config.TTL))
		if a.Class == requester.RateLimited {
			given.Pause = e.holdOf(a)
		}
		given.Pause += time.Since(leased) // it counts from the lease
	}
	go func() {
		defer e.running.Done()
		_ = e.config.Member.Put(e.ctx, &keys, given, lease) // its failure shows at the next look
	}()
}
