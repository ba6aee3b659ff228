package middleware

import (
	"net/http"
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// Gate lets requests through while the credential is good (pass or warn), and turns them away while it is not (fail). It
// follows the status, not the readiness: a draining service still answers what reaches it.
//
// A Gate is made by [NewGate] and safe for concurrent use. It reads one snapshot per request; it writes nothing that requests share, keeps no
// counters and never waits.
type Gate struct {
	checker Snapshotter
	key     any // the checker as AccountOf compares it
	config  gateConfig
	// last is the rejection of the snapshot seen last. Two requests that race to replace it do the same work twice, and
	// a late one may put back an older rejection; the next request compares, and renders anew.
	last atomic.Pointer[Rejection]
}

// NewGate returns a gate over a checker. It panics if the checker is nil; a nil option is passed over.
func NewGate(c Snapshotter, opts ...GateOption) *Gate {
	g := &Gate{checker: checked(c), key: comparableChecker(c)}
	for _, opt := range opts {
		if !isnil.Value(opt) {
			opt.applyGate(&g.config)
		}
	}
	return g
}

// Wrap returns a handler that calls next with the same ResponseWriter, never a wrapper around it, while the gate is open,
// and otherwise answers in its stead. The request is the same one too, but for [WithAccountInContext].
//
// CORS middleware belongs outside the gate: a preflight request that meets a closed gate gets 503 like any other. So do the
// health endpoints: a liveness probe that meets a closed gate has the service restarted, which mends nothing.
//
// It panics if next is nil, as net/http does.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	if f, ok := next.(http.HandlerFunc); next == nil || ok && f == nil {
		panic("middleware: Gate.Wrap: nil handler")
	}
	return &gated{gate: g, next: next}
}

// Admit decides about one request. If the request may pass, the rejection is nil and the request is what the next handler
// should get: r itself, or with [WithAccountInContext] a copy that carries the account. Otherwise the rejection says what
// to answer. It is for adapters of frameworks whose handlers are not [http.Handler]s, and leaves
// [WithRejectionHandler] to them.
func (g *Gate) Admit(r *http.Request) (*http.Request, *Rejection) {
	if g.config.skip != nil && g.config.skip(r) {
		return r, nil
	}
	s, rej := g.look()
	if rej != nil {
		return r, rej
	}
	if g.config.account {
		return withAccount(r, g.key, s), nil
	}
	return r, nil
}

// Rejection is Admit without a request: nil while the gate is open, otherwise what to answer. It asks no skipper and has no
// account to give.
func (g *Gate) Rejection() *Rejection {
	_, rej := g.look()
	return rej
}

func (g *Gate) look() (*health.Snapshot, *Rejection) {
	s := g.checker.Snapshot()
	if s == nil || !s.Open() {
		return s, g.rejection(s)
	}
	return s, nil
}

func (g *Gate) rejection(s *health.Snapshot) *Rejection {
	if rej := g.last.Load(); rej != nil && rej.snapshot == s {
		return rej
	}
	rej := newRejection(s)
	g.last.Store(rej)
	return rej
}

// gated is a handler behind a gate.
type gated struct {
	gate *Gate
	next http.Handler
}

func (h *gated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, rej := h.gate.Admit(r)
	switch {
	case rej == nil:
		h.next.ServeHTTP(w, r)
	case h.gate.config.reject != nil:
		rej.SetHeader(w.Header())
		h.gate.config.reject(w, r, rej.Err())
	default:
		rej.ServeHTTP(w, r)
	}
}
