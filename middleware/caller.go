package middleware

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/callers"
)

// Caller is the verified sender of a request.
type Caller struct {
	// Account is the account of the caller's token.
	Account *requester.Account
	// VerifiedAt is when the platform was last asked with a good answer.
	VerifiedAt time.Time
	// Stale is set if the caller passed on an old verdict: the platform does not answer, or has
	// refused the token once and the refusal is not confirmed yet.
	Stale bool
}

// CallerFrom returns the caller as the nearest [CallerGate] has verified it. It returns false if
// there is no such gate; it never returns the service's own account.
func CallerFrom(ctx context.Context) (Caller, bool) {
	node, ok := ctx.Value(callerKey{}).(*callerContext)
	if !ok {
		return Caller{}, false
	}
	return node.caller(), true
}

// callerKey finds the nearest callerContext. Its size is zero, so that a lookup allocates nothing.
type callerKey struct{}

// callerContext carries a caller in one allocation; context.WithValue needs two.
type callerContext struct {
	context.Context
	record *callers.Record
	stale  bool
}

func (c *callerContext) caller() Caller {
	return Caller{Account: c.record.Account, VerifiedAt: c.record.VerifiedAt, Stale: c.stale}
}

func (c *callerContext) Value(key any) any {
	if _, ok := key.(callerKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// String keeps printed contexts short.
func (c *callerContext) String() string { return fmt.Sprint(c.Context) + ".WithTolokaCaller" }

func withCaller(r *http.Request, v callers.Verdict) *http.Request {
	return r.WithContext(&callerContext{
		Context: r.Context(), record: v.Record, stale: v.Outcome == callers.Stale,
	})
}
