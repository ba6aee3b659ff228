package middleware

import (
	"errors"
	"net/http"

	"github.com/tolokacheck/tolokacheck/health"
)

// Rejection is a gate's answer to a request that it does not let through: 503 with a constant problem details body and
// Retry-After, and nothing of the reason. It is rendered once per snapshot, never changes, and is shared by all requests
// that are turned away under that snapshot.
type Rejection struct {
	snapshot   *health.Snapshot // what the gate compares by identity; may be nil
	err        *health.Error
	retryAfter []string
	answer     *answer
}

var _ http.Handler = (*Rejection)(nil)

func newRejection(s *health.Snapshot) *Rejection {
	rej := &Rejection{snapshot: s}
	if s == nil {
		s = unjudged
	}
	errors.As(s.Check(), &rej.err)
	if rej.err == nil { // a zero Snapshot, as only a fake can give
		rej.err = &health.Error{Reason: health.ReasonStarting}
	}
	rej.retryAfter = retryAfter(s.RetryAfter())
	rej.answer = newProblemAnswer(unavailable, field{keyRetryAfter, rej.retryAfter})
	return rej
}

// Err says why the gate is closed, for the service's own log or error handler. It is not for the public.
func (r *Rejection) Err() *health.Error { return r.err }

// SetHeader sets Retry-After and Cache-Control in h: what belongs to a rejection whoever writes its body.
func (r *Rejection) SetHeader(h http.Header) {
	h[keyRetryAfter] = r.retryAfter
	h[keyCacheControl] = noStore
}

// ServeHTTP writes the whole answer, to HEAD without the body. It allocates nothing.
func (r *Rejection) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.answer.write(w, req) }
