package platform

import (
	"context"
	"errors"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/foreign"
)

// grace is how much longer than the client's own timeout a call may take. The client ends its
// calls in time; only a RoundTripper that ignores its context gets here.
const grace = time.Second

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
	client *requester.Client
	calls  *foreign.Calls
}

// NewCaller returns a Caller that asks through client.
func NewCaller(client *requester.Client) *Caller {
	return &Caller{
		client: client,
		calls: foreign.NewCalls("the HTTP client",
			"; its transport ignores the request's context"),
	}
}

// Call asks about token, once. It returns within the client's timeout plus a second, even if
// the RoundTripper of the client hangs, panics or ends its goroutine.
//
// The request carries nothing of a caller's context: ctx should descend from
// context.Background, because net/http shows the Authorization header to an httptrace.
func (c *Caller) Call(ctx context.Context, token credentials.Token) Answer {
	if err := c.calls.Refuse(ctx); err != nil {
		return failed(classed(err))
	}
	sentAt := time.Now()
	a, err := foreign.Do(ctx, c.calls, c.client.Timeout()+grace, func() (Answer, error) {
		account, err := c.client.Requester(ctx, token)
		a := failed(err) // here: to look into a RoundTripper's error calls foreign code, too
		a.Account = account
		return a, nil
	})
	if err != nil {
		a = failed(classed(err))
	}
	a.SentAt, a.Latency = sentAt, time.Since(sentAt)
	return a
}

// classed gives the error of a cancelled call its class.
func classed(err error) error {
	if err == foreign.ErrCancelled {
		return errCancelled
	}
	return err
}

// failed returns the Answer of err, which may be nil.
func failed(err error) Answer {
	a := Answer{Err: err, Class: requester.ClassOf(err), Answered: err == nil}
	var api *requester.APIError
	if errors.As(err, &api) {
		a.Answered, a.RetryAfter = true, api.RetryAfter
	}
	return a
}

// errCancelled is no verdict on the token.
var errCancelled = &cancelledError{}

// cancelledError is the error of a call whose context ended.
type cancelledError struct{}

func (*cancelledError) Error() string { return foreign.ErrCancelled.Error() }

// Class returns requester.Cancelled.
func (*cancelledError) Class() requester.Class { return requester.Cancelled }
