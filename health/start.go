package health

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// Start verifies the credential in the caller's goroutine, within [WithStartupTimeout], and then starts the background
// checks. Let the server listen before: probes get their answers while Start waits.
//
// It returns nil when the credential was verified, and also when the platform or the token's source merely did not answer
// in time (unless [RequireVerified] is set): the service then comes up not ready and recovers by itself. It fails for what
// waiting cannot mend, with an [*Error] or an error that wraps one of the client's:
//   - no token, or none that can be one: errors.Is(err, credentials.ErrNotFound) or credentials.ErrInvalid;
//   - the token is refused, or belongs to another account: Reason rejected or wrong_account;
//   - something else than the platform answers: requester.ClassOf(err) is requester.Misdirected.
//
// When ctx ends first the error wraps ctx's. After an error nothing is started any more, a call that was under way ends with the
// client's timeout, and Start may be called again. A second Start
// beside or after a successful one returns ErrStarted; after Close it is ErrClosed.
func (c *Checker) Start(ctx context.Context) error {
	c.mu.Lock()
	switch {
	case c.m.closed:
		c.mu.Unlock()
		return ErrClosed
	case c.phase != idle:
		c.mu.Unlock()
		return ErrStarted
	}
	c.phase = starting
	c.mu.Unlock()

	err := c.startup(ctx)

	closed := true
	c.update(func(now time.Time) event {
		closed = false
		if err != nil {
			c.phase = idle
			if c.expiry != nil {
				c.expiry.Stop()
			}
			return event{}
		}
		c.phase = running
		c.m.started = true
		c.done = make(chan struct{})
		go c.run(c.done)
		return event{}
	})
	if closed {
		return ErrClosed
	}
	return err
}

// startup checks until there is a verdict or the time is up.
func (c *Checker) startup(ctx context.Context) error {
	// The checks live on the checker's context, and only end with the caller's: nothing in it (a trace, say) reaches them.
	checks, cancel := context.WithTimeout(c.ctx, c.cfg.startupTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()

	for {
		err := c.check(checks, everything, c.verifier.answered())
		if done, err := c.startupVerdict(err); done {
			return err
		}
		if !c.sleepUntilDue(checks) {
			break
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("health: Start was left before the credential was verified: %w", context.Cause(ctx))
	}
	c.noteTimeUp()
	if c.cfg.requireVerified {
		return c.notVerified()
	}
	return nil
}

// startupVerdict reports whether waiting any longer is of no use, and what Start returns then.
func (c *Checker) startupVerdict(err error) (done bool, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	verdict := c.m.verdictError()
	loaded := len(c.m.offered) > 0
	source := c.m.sourceErr
	switch {
	case c.m.working():
		return true, nil
	case verdict != nil:
		return true, c.named(verdict)
	case !loaded && holdsNone(source):
		return true, &Error{Name: c.cfg.name, Reason: ReasonNoCredential, Err: source}
	case requester.ClassOf(err) == requester.Misdirected:
		return true, &Error{Name: c.cfg.name, Reason: ReasonUnreachable, Err: err}
	default:
		return false, nil
	}
}

// holdsNone reports whether a source's error says that it holds no token, or none that can be one. Any other may mend by itself.
func holdsNone(err error) bool {
	return errors.Is(err, credentials.ErrNotFound) || errors.Is(err, credentials.ErrInvalid)
}

// noteTimeUp has a cause for the state that Start leaves behind when it ended what it waited for, and that has not failed
// before.
func (c *Checker) noteTimeUp() {
	c.update(func(time.Time) event {
		loaded := len(c.m.offered) > 0
		switch {
		case !loaded && c.m.sourceErr == nil:
			c.m.sourceErr = fmt.Errorf("health: %s: %w within the %s of Start", c.source, errNoAnswer, c.cfg.startupTimeout)
		case loaded && c.m.lastErr == nil:
			c.m.lastErr = fmt.Errorf("health: %w within the %s of Start", errNoAnswer, c.cfg.startupTimeout)
		}
		return event{}
	})
}

// notVerified is the error of RequireVerified when the time is up.
func (c *Checker) notVerified() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m.offered) == 0 {
		return &Error{Name: c.cfg.name, Reason: ReasonNoCredential, Err: c.m.sourceErr}
	}
	return &Error{Name: c.cfg.name, Reason: ReasonUnreachable, Err: c.m.lastErr}
}

// sleepUntilDue waits for the time of the next check. It returns false when ctx would end, or ends, before.
func (c *Checker) sleepUntilDue(ctx context.Context) bool {
	c.mu.Lock()
	due := c.due
	c.mu.Unlock()
	if deadline, ok := ctx.Deadline(); ok && !due.Before(deadline) {
		return false
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil // both may have happened
}
