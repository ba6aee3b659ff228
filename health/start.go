package health

import (
	"context"
	"fmt"
)

// Start verifies the credential, within [WithStartupTimeout], and starts the background checks.
// Let the server listen before: probes get their answers while Start waits.
//
// It returns nil if the credential was verified, and also if the platform or the source merely
// did not answer in time, unless [RequireVerified] is set: the service then comes up not ready
// and recovers automatically. On a permanent error it returns an [*Error] without waiting for the
// timeout:
//   - no token, or none that can be one: errors.Is(err, credentials.ErrNotFound) or
//     credentials.ErrInvalid;
//   - the token is refused, and refused again when Start asks to confirm it, or as often as
//     [WithRejectionThreshold] says: Reason rejected;
//   - the token belongs to another account: Reason wrong_account;
//   - something else than the platform answers: requester.ClassOf(err) is
//     requester.Misdirected.
//
// If ctx ends first, the error wraps ctx's. After an error nothing runs, and Start may be
// called again. A second Start during or after a successful one returns ErrStarted; after Close
// it returns ErrClosed. Start does not log the error that it returns.
func (c *Checker) Start(ctx context.Context) error {
	if ctx == nil {
		return errNilContext("Start")
	}
	if err := c.begin(); err != nil {
		return err
	}
	// The loop lives on the checker's context: nothing in the caller's, such as a trace,
	// reaches the calls.
	stop, stopped := c.launch()

	err := c.awaitVerdict(ctx)
	c.patient.Store(false)
	closed := true
	c.update(func(now instant) (note, bool) {
		closed = false
		if c.m.reasons(now).primary().Status() != StatusFail {
			err = nil // verified at the last moment
		}
		if err != nil {
			stop() // the loop changes nothing any more
		}
		c.m.settle()
		c.m.started = err == nil
		return note{}, true
	})
	if closed {
		err = ErrClosed
	}
	if err != nil {
		<-stopped
	}
	c.wake() // the polls begin, and the haste of Start has ended
	c.log.flush(flushTime)
	return err
}

// launch starts the loop. It ends with stop, or with Close.
func (c *Checker) launch() (stop context.CancelFunc, stopped <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, stop := context.WithCancel(c.ctx)
	done := make(chan struct{})
	c.stopped = done
	go c.run(ctx, done)
	return stop, done
}

// begin prepares a first Start, or another one after an error.
func (c *Checker) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.m.closed:
		return ErrClosed
	case c.m.starting, c.m.started:
		return ErrStarted
	}
	c.reminder.Stop()
	c.patient.Store(true)
	fresh := c.newMachine() // what an earlier Start has found must not decide this one
	fresh.keep(&c.m, c.clock.now())
	fresh.draining = c.m.draining
	fresh.begun, fresh.starting = true, true
	fresh.source.readDue = c.clock.now()
	c.m = fresh
	c.publishLocked(c.clock.now())
	return nil
}

// awaitVerdict waits until the credential is verified, an error is permanent, or the time is up.
func (c *Checker) awaitVerdict(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, c.cfg.startupTimeout)
	defer cancel()
	for {
		snap, published := c.watch()
		c.mu.Lock()
		err := c.m.startErr()
		c.mu.Unlock()
		switch {
		case snap.Open():
			return nil
		case err != nil:
			return err
		case snap.reasons.has(ReasonClosed):
			return ErrClosed
		}
		select {
		case <-published:
			continue
		case <-limit.Done():
		}
		if ctx.Err() != nil {
			return fmt.Errorf("health: Start was cancelled before the credential was verified: %w",
				context.Cause(ctx))
		}
		return c.timeUp()
	}
}

// timeUp is the result of a Start without a verdict in time.
func (c *Checker) timeUp() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m.timeUp(c.cfg.startupTimeout)
	if !c.cfg.requireVerified {
		return nil
	}
	reason := ReasonUnreachable
	switch {
	case len(c.m.offered) == 0:
		reason = ReasonNoCredential
	case c.m.wrongAccount():
		reason = ReasonWrongAccount
	case c.m.rejected():
		reason = ReasonRejected
	case c.m.rules.lowBalanceFails && c.m.lowBalance() != nil:
		reason = ReasonInsufficientBalance
	}
	return &Error{Name: c.cfg.rules.name, Reason: reason, Err: c.m.cause(reason)}
}
