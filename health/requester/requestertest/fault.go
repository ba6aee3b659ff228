package requestertest

import (
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Fault changes the platform's answer. It wraps the handler that would otherwise answer, as a
// middleware does. Tests can write their own, for example to look at the requests. A nil Fault
// changes nothing.
type Fault func(next http.Handler) http.Handler

// SetFaults replaces the faults of all requests that arrive from now on. Several faults combine,
// the first outermost: SetFaults(Delay(time.Second), Status(503)). A [Sequence] starts from the
// beginning. Without arguments it removes them.
func (p *Platform) SetFaults(faults ...Fault) {
	h := join(faults)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r).tokenFaults.ServeHTTP(w, r)
	}))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = h
}

// SetTokenFaults replaces the faults of the requests that carry the token, valid or not. The
// faults of [Platform.SetFaults] wrap them.
func (p *Platform) SetTokenFaults(t credentials.Token, faults ...Fault) {
	h := join(faults)(http.HandlerFunc(serveAnswer))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byToken[keyOf(t)] = h
}

// ClearFaults removes all faults, for all tokens. Accounts, tokens and the log stay.
func (p *Platform) ClearFaults() {
	p.SetFaults()
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.byToken)
}

func join(faults []Fault) Fault {
	return func(next http.Handler) http.Handler {
		for _, f := range slices.Backward(faults) {
			if f != nil {
				next = f(next)
			}
		}
		return next
	}
}

// Sequence applies the first fault to the first request, and so on. A nil Fault is a healthy
// answer. After the last one the platform is healthy: Sequence(f, f, f) lasts for three requests.
func Sequence(faults ...Fault) Fault {
	return func(next http.Handler) http.Handler {
		steps := make([]http.Handler, len(faults))
		for i, f := range faults {
			steps[i] = join([]Fault{f})(next)
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
