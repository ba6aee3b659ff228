package requestertest

import (
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Fault changes what the platform answers: it wraps the handler that would answer
// otherwise, as a middleware does. The ready ones are functions of this package; a test may
// write its own. A nil Fault changes nothing.
type Fault func(next http.Handler) http.Handler

// SetFaults replaces the faults for all requests that arrive from now on. Several work
// together, the first outermost: SetFaults(Delay(time.Second), Header("Retry-After", "7"),
// Status(503)). Counting faults ([Times], [Sequence]) start anew.
func (p *Platform) SetFaults(faults ...Fault) {
	h := Join(faults...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r).tokenFaults.ServeHTTP(w, r)
	}))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = h
}

// SetTokenFaults replaces the faults for the requests that carry the token, which need not
// be a valid one. Those of [Platform.SetFaults] are outside of them.
func (p *Platform) SetTokenFaults(t credentials.Token, faults ...Fault) {
	h := Join(faults...)(http.HandlerFunc(serveAnswer))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byToken[keyOf(t)] = h
}

// ClearFaults makes the platform healthy again, for all tokens. Accounts, tokens and the
// log stay.
func (p *Platform) ClearFaults() {
	p.SetFaults()
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.byToken)
}

// Join makes one fault of several, the first outermost.
func Join(faults ...Fault) Fault {
	return func(next http.Handler) http.Handler {
		for _, f := range slices.Backward(faults) {
			if f != nil {
				next = f(next)
			}
		}
		return next
	}
}

// Sequence gives each request a fault of its own: the first request the first, and so on; a
// nil Fault is a healthy answer. When all are used up the platform is healthy again.
func Sequence(faults ...Fault) Fault {
	return func(next http.Handler) http.Handler {
		steps := make([]http.Handler, len(faults))
		for i, f := range faults {
			steps[i] = Join(f)(next)
		}
		var used atomic.Int64
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if i := used.Add(1) - 1; i < int64(len(steps)) {
				steps[i].ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Times lets the fault happen to n requests; then the platform is healthy again.
func Times(n int, fault Fault) Fault {
	return Sequence(slices.Repeat([]Fault{fault}, max(0, n))...)
}
