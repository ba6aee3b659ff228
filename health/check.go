package health

import (
	"context"
	"errors"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// scope says how much a check asks.
type scope uint8

const (
	everything scope = iota // reads the source, and asks about the token in use and what might replace it
	newOnly                 // asks only about what might replace the token in use
	newUnread               // likewise, without reading the source
)

// check reads the source and asks the platform about what it found. Only one goroutine checks at a time: that of Start,
// then that of the loop. Answers with a number higher than heard are taken instead of new calls.
//
// It returns nil when all is well: the token in use was verified, the source could be read, and nothing that it newly
// holds was turned down.
func (c *Checker) check(ctx context.Context, what scope, heard uint64) error {
	var (
		asked                         []credentials.Token
		sourceErr, inUseErr, otherErr error
		noVerdict, read, reread       bool
	)
	_, sourceFirst := c.sourcePatience()
	switch {
	case what == newUnread:
		read = true
	case sourceFirst && !c.sourceHangs() && !c.verifier.busy():
		// A call that outlived Start's patience is waited for first: the source may take its time.
		sourceErr, read = c.readSource(ctx), true
	}
	for ctx.Err() == nil {
		token, ok := c.nextToken(asked, noVerdict, what)
		switch {
		case !ok && read:
			return c.result(inUseErr, sourceErr, otherErr)
		case !ok:
			// Only now, so that a source that hangs does not hold up what can be verified without it.
			sourceErr, read = c.readSource(ctx), true
			continue
		}
		asked = append(asked, token)
		inUse, err := c.ask(ctx, token, heard)
		if inUse {
			inUseErr = err
		} else if err != nil {
			otherErr = err
		}
		switch class := requester.ClassOf(err); {
		case class == requester.NotAsked || class == requester.Cancelled:
			return err
		case !conclusive(class):
			noVerdict = true
		case class == requester.Rejected && inUse && read && !reread:
			// It may have been replaced this very moment, and then the new one is wanted now.
			reread = true
			sourceErr = c.readSource(ctx)
		}
	}
	return context.Cause(ctx)
}

// result is the error of a check, nil when there is nothing to complain of.
func (c *Checker) result(inUseErr, sourceErr, otherErr error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.m.working() && inUseErr == nil:
		// It was not even asked about: say what is known of it.
		inUseErr = c.named(c.m.verdictError())
	case c.m.working() && c.m.rank(c.m.token) >= 0 && requester.ClassOf(otherErr) == requester.Rejected:
		otherErr = nil // the refusal of a token before the one in use: that is why the fallback is in use
	}
	return errors.Join(inUseErr, sourceErr, otherErr)
}

// sourceHangs reports whether the last look at the source got no answer in time.
func (c *Checker) sourceHangs() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return hangs(c.m.sourceErr) || hangs(c.m.pollErr)
}

// readSource reads the provider and takes in what it holds.
func (c *Checker) readSource(ctx context.Context) error {
	patience, _ := c.sourcePatience()
	tokens, err := c.source.read(ctx, patience)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.logWarnings()
	c.update(func(now time.Time) event {
		c.offerLocked(tokens, err)
		if len(c.m.offered) > 0 {
			c.sourceFailures = 0
			return event{}
		}
		// Nobody to ask about, so nothing else sets the time of the next check.
		c.sourceFailures++
		c.due = now.Add(c.pace.backoff(c.sourceFailures, c.cfg.jitter()))
		return event{}
	})
	return err
}

// takeLate takes in what a read has brought after it was given up. That it took too long remains.
func (c *Checker) takeLate(tokens []credentials.Token) {
	c.update(func(time.Time) event {
		c.offerLocked(tokens, c.m.sourceErr)
		return event{}
	})
}

func (c *Checker) offerLocked(tokens []credentials.Token, err error) {
	had := c.m.offered
	c.m.offer(tokens, err)
	c.forgetUnknown(had...)
}

// leastPatience is what the source gets in any case.
const leastPatience = time.Second

// sourcePatience is how long the source may take now: no longer than leaves the time for a call before the last good answer
// is too old. With nothing to lose it is the whole timeout. Where that leaves too little, the source does not come first.
func (c *Checker) sourcePatience() (patience time.Duration, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.m.working() || c.m.expired {
		return c.cfg.sourceTimeout, true
	}
	least := min(leastPatience, c.cfg.sourceTimeout)
	left := time.Until(c.m.good.SentAt.Add(c.cfg.maxStale)) - c.cfg.client.Timeout()
	return max(least, min(left, c.cfg.sourceTimeout)), left >= least
}

// forgetUnknown drops the answers about those of the tokens that are neither offered nor in use any more.
func (c *Checker) forgetUnknown(tokens ...credentials.Token) {
	for _, t := range tokens {
		if !c.m.known(t) {
			c.verifier.Forget(t)
		}
	}
}

func (c *Checker) nextToken(asked []credentials.Token, noVerdict bool, what scope) (credentials.Token, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m.next(asked, noVerdict, what != everything)
}

// ask verifies one token, takes in the answer, and sets the time of the next check. inUse says whether the answer was
// about the token that is in use now.
func (c *Checker) ask(ctx context.Context, token credentials.Token, heard uint64) (inUse bool, err error) {
	answer, err, ok := c.verifier.Last(token)
	if !ok || answer.number <= heard {
		answer, err = c.verifier.Verify(ctx, token)
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	c.update(func(now time.Time) event {
		if answer.number > 0 && answer.number <= c.heard {
			// It was taken in when it arrived; only the one who waits for it has not heard of it.
			inUse = c.m.token.Equal(token)
			if verdict := c.m.verdictError(); inUse && verdict != nil {
				err = verdict
			}
			return event{}
		}
		var ev event
		c.heard = max(c.heard, answer.number)
		before := c.m.token
		ev, err = c.m.answer(token, answer, err)
		inUse = c.m.token.Equal(token)
		c.forgetUnknown(before, token)
		c.scheduleLocked(now, inUse)
		c.armExpiryLocked(now)
		return ev
	})
	return inUse, c.named(err)
}

// named puts the checker's name into an error of the machine, which has none.
func (c *Checker) named(err error) error {
	if e, ok := err.(*Error); ok {
		return &Error{Name: c.cfg.name, Reason: e.Reason, Err: e.Err}
	}
	return err
}

// scheduleLocked sets the time of the next check after an answer.
func (c *Checker) scheduleLocked(now time.Time, inUse bool) {
	blocked, _ := c.verifier.Blocked(now)
	next := now.Add(c.pace.next(c.m.turn(blocked), c.cfg.jitter()))
	if !inUse && c.due.After(now) && next.After(c.due) {
		return // what comes of another token does not put off the check of the one in use
	}
	c.due = next
}
