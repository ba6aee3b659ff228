// Package foreign calls code that the user of the library supplies. Such code may hang, panic or
// end its goroutine.
package foreign

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// MaxAbandoned bounds the calls that were given up and have not returned: each holds a goroutine.
const MaxAbandoned = 16

// Calls are the calls of one piece of foreign code. They are safe for concurrent use.
type Calls struct {
	name, hint string
	abandoned  atomic.Int32
}

// NewCalls returns the Calls of what name says, such as "the HTTP client". The hint ends the
// errors of calls that hang.
func NewCalls(name, hint string) *Calls { return &Calls{name: name, hint: hint} }

// Errors of calls that gave no result, besides those of panics.
var (
	ErrCancelled = errors.New("the call was cancelled")
	ErrGoexit    = errors.New("ended its goroutine")
	ErrHung      = errors.New("did not return in time")
	ErrAllHang   = errors.New("has not returned from earlier calls")
)

// Do returns what f returns, or an error when ctx ends or after limit, whatever f does. An f that
// has not returned then is abandoned, and Do calls no f while too many are.
func Do[T any](ctx context.Context, c *Calls, limit time.Duration, f func() (T, error)) (T, error) {
	var none T
	if err := c.Refuse(ctx); err != nil {
		return none, err
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1) // buffered: an abandoned call is not received
	var settled atomic.Bool      // by the call, which returned, or by Do, which gave it up
	go func() {
		r := result{err: c.error(ErrGoexit)}
		defer func() {
			if p := recover(); p != nil {
				// By type only: the value may hold a secret.
				r = result{err: fmt.Errorf("%s panicked with a %T", c.name, p)}
			}
			if !settled.CompareAndSwap(false, true) {
				c.abandoned.Add(-1)
			}
			done <- r
		}()
		r.value, r.err = f()
	}()

	timer := time.NewTimer(limit)
	defer timer.Stop()
	var gaveUp error
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		gaveUp = c.error(ErrHung)
	case <-ctx.Done():
		gaveUp = ErrCancelled
	}
	c.abandoned.Add(1)
	if !settled.CompareAndSwap(false, true) { // it has returned in this very moment
		c.abandoned.Add(-1)
		r := <-done
		return r.value, r.err
	}
	return none, gaveUp
}

// Refuse returns the error with which Do does not even call, nil if it would call.
func (c *Calls) Refuse(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ErrCancelled
	case c.abandoned.Load() >= MaxAbandoned:
		return c.error(ErrAllHang)
	}
	return nil
}

// Abandoned returns how many calls were given up and have not returned.
func (c *Calls) Abandoned() int { return int(c.abandoned.Load()) }

func (c *Calls) error(err error) error {
	if err == ErrGoexit {
		return fmt.Errorf("%s %w", c.name, err)
	}
	return fmt.Errorf("%s %w%s", c.name, err, c.hint)
}
