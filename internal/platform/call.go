package platform

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

const (
	// grace is how much longer than the client's own timeout a call may take. The client ends
	// its calls in time; only a RoundTripper that ignores its context gets here.
	grace = time.Second

	// maxAbandoned bounds the calls that were given up and have not returned: each holds a
	// goroutine.
	maxAbandoned = 16
)

// Answer is the result of one call.
type Answer struct {
	// Account is the token's account, nil unless Err is nil.
	Account *requester.Account
	// Err is the client's error.
	Err error
	// Class is what the answer means for the token: the [requester.ClassOf] of Err.
	Class requester.Class
	// Answered is set if an HTTP answer arrived, whatever it said.
	Answered bool
	// RetryAfter is how long the answer asks to wait, 0 if it does not.
	RetryAfter time.Duration
	// SentAt is when the request was sent. The age of an answer counts from here: the platform
	// may have changed its mind at any moment afterwards. Zero if no request was made.
	SentAt time.Time
	// Latency is how long the answer took.
	Latency time.Duration
}

// Caller asks the platform about tokens. It is safe for concurrent use.
type Caller struct {
	client    *requester.Client
	abandoned atomic.Int32
}

// NewCaller returns a Caller that asks through client.
func NewCaller(client *requester.Client) *Caller { return &Caller{client: client} }

// Call asks about token, once. It returns within the client's timeout plus a second, even if
// the RoundTripper of the client hangs, panics or ends its goroutine.
//
// The request carries nothing of a caller's context: ctx should descend from
// context.Background, because net/http shows the Authorization header to an httptrace.
func (c *Caller) Call(ctx context.Context, token credentials.Token) Answer {
	switch {
	case ctx.Err() != nil:
		return failed(errCancelled)
	case c.abandoned.Load() >= maxAbandoned:
		return failed(errAllHang)
	}
	sentAt := time.Now()
	done := make(chan result, 1) // buffered: an abandoned call is not received
	var settled atomic.Bool      // by the call, which returned, or by Call, which gave it up
	go func() {
		r := result{err: errGoexit}
		defer func() {
			if p := recover(); p != nil {
				// By type only: the value may hold the request.
				r = result{err: fmt.Errorf("the HTTP client panicked with a %T", p)}
			}
			if !settled.CompareAndSwap(false, true) {
				c.abandoned.Add(-1)
			}
			done <- r
		}()
		r.account, r.err = c.client.Requester(ctx, token)
	}()

	limit := time.NewTimer(c.client.Timeout() + grace)
	defer limit.Stop()
	var gaveUp error
	var r result
	select {
	case r = <-done:
	case <-limit.C:
		gaveUp = errHung
	case <-ctx.Done():
		gaveUp = errCancelled
	}
	if gaveUp != nil {
		r = result{err: gaveUp}
		c.abandoned.Add(1)
		if !settled.CompareAndSwap(false, true) { // it has returned in this very moment
			c.abandoned.Add(-1)
			r = <-done
		}
	}
	a := failed(r.err)
	a.Account, a.SentAt, a.Latency = r.account, sentAt, time.Since(sentAt)
	return a
}

// failed returns the Answer of err, which may be nil. It looks into the error here, once: an
// error of a user's RoundTripper is foreign code, too.
func failed(err error) Answer {
	a := Answer{Err: err, Class: requester.ClassOf(err), Answered: err == nil}
	var api *requester.APIError
	if errors.As(err, &api) {
		a.Answered, a.RetryAfter = true, api.RetryAfter
	}
	return a
}

type result struct {
	account *requester.Account
	err     error
}

const ignores = "; its transport ignores the request's context"

// None of these is a verdict on the token: requester.ClassOf returns Unavailable or Cancelled.
var (
	errCancelled = &cancelledError{}

	errGoexit  = errors.New("the HTTP client ended its goroutine")
	errHung    = errors.New("the HTTP client did not return in time" + ignores)
	errAllHang = errors.New("the HTTP client has not returned from earlier calls" + ignores)
)

// cancelledError is the error of a call whose context ended.
type cancelledError struct{}

func (*cancelledError) Error() string { return "the call was cancelled" }

// Class returns requester.Cancelled.
func (*cancelledError) Class() requester.Class { return requester.Cancelled }
