package middleware

import (
	"errors"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/callers"
)

// Callers verifies the platform tokens that a service's callers send in the Authorization header:
// "ApiKey …" or "OAuth …". It is the shared part: caches, budget and circuit breakers. A
// [CallerGate] puts it in front of routes; gates with different rules share one Callers.
//
// Use it for services that act on behalf of many accounts. A token is a key to its whole account,
// not a user session: do not use it for browsers. Each active caller costs one call to the platform
// per TTL (a minute). If callers have other credentials, the [Gate] alone is enough.
//
// # How late a deleted token is noticed
//
// While the platform answers, a token that was deleted or disabled passes for at most the TTL, plus
// the second that the confirmation of a refusal waits, plus two calls: 61 s and two calls by
// default (71 s if both take all of [requester.DefaultTimeout]). While the platform does not
// answer, or calls wait for their turn (see [WithMaxInFlight]), a token that was verified passes
// for at most MaxStale after its last good answer (15 minutes by default). With [WithSharedCallers]
// each of the two calls may begin later by the time of a call: it waits for the answer of another
// replica that has the lease. Time in which the machine is suspended does not count.
// [Callers.Forget] removes a token at once.
//
// # Decisions
//
//	the request has                                       answer
//	no Authorization, two, another scheme, not a token68  401, the platform is not asked
//	a token verified less than a TTL ago                  passes; refreshed in the background
//	                                                      after 75 to 90 % of the TTL
//	a token verified less than MaxStale ago, no answer    passes as stale
//	a token verified before, refused once                 passes as stale; asked again after 1 s
//	a token refused less than 10 s ago                    401, the platform is not asked
//	an unknown token                                      waits for one shared call
//	an unknown token without a verdict of the platform    503, never 401
//	a verified token that the gate does not allow         403
//
// Calls for verified tokens do not share a limit, a circuit breaker or a hold after a 429 answer
// with calls for unknown ones, and unknown tokens cannot evict them: a flood of made-up tokens
// delays only other unknown tokens.
//
// The breaker opens when three different tokens in a row get no verdict. It then allows one call at
// a time, 5 s apart, first about the tokens that have failed the least. A verified token in use is
// also asked about in the background when half to three quarters of [WithCallerMaxStale] have
// passed, whatever the breaker or a hold says: an outage for many accounts closes nothing for the
// others.
//
// A Callers is safe for concurrent use. The end of a request's context ends the wait of that
// request only. Close it when it is no longer needed.
type Callers struct {
	requests requestCounts // of all gates; first, because cache lines are aligned
	engine   *callers.Engine
}

// NewCallers returns a Callers that asks through client. It makes no call. The error lists every
// invalid option.
func NewCallers(client *requester.Client, opts ...CallersOption) (*Callers, error) {
	config := defaultCallers
	var errs []error
	if client == nil {
		errs = append(errs,
			errors.New("the client is nil; handle the error of requester.New first"))
	}
	if err := apply(&config, opts); err != nil {
		errs = append(errs, err)
	} else if config.MaxStale < config.TTL {
		errs = append(errs, errStaleBeforeTTL)
	}
	if err := wiringError("NewCallers", errs...); err != nil {
		return nil, err
	}
	return &Callers{engine: callers.New(client, config.Config)}, nil
}

// missing returns why there is no Callers, nil if there is one.
func (c *Callers) missing() error {
	switch {
	case c == nil:
		return errors.New("the Callers is nil; handle the error of NewCallers first")
	case c.engine == nil:
		return errors.New("the Callers is not from NewCallers")
	}
	return nil
}

// Forget removes what is known about a token, so that its next use asks the platform. Use it when a
// caller reports that a token was deleted. The zero token is ignored.
func (c *Callers) Forget(t credentials.Token) { c.engine.Forget(t) }

// Close cancels the calls in flight and waits for them, at most a second. From then on every gate
// answers 503. It may be called more than once.
func (c *Callers) Close() { c.engine.Close() }
