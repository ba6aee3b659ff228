package middleware

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/requestcopy"
)

// Gate lets requests through while the credential is valid (pass or warn) and rejects them while
// it is not (fail). It follows the status, not the readiness: a draining service still answers
// the requests that reach it.
//
// Create a Gate with [NewGate]. It is safe for concurrent use. It reads one snapshot per request
// and writes no memory that requests share; it never waits.
type Gate struct {
	checker Snapshotter
	key     any // the checker as AccountOf compares it
	config  gateConfig
	// last is the rejection of the latest snapshot. Requests that race to replace it do the same
	// work twice, and a late one may store an older rejection; the next request replaces that.
	last atomic.Pointer[Rejection]
}

// GateOption configures a [Gate].
type GateOption func(*gateConfig) error

type gateConfig struct {
	skip    func(*http.Request) bool
	reject  rejectionHandler
	account bool
}

// WithSkipper lets the requests for which skip returns true through without a check. They have no
// account in their context. By default no request is skipped; a nil skip is an error.
//
// skip is called for every request, concurrently.
func WithSkipper(skip func(*http.Request) bool) GateOption {
	return func(c *gateConfig) error {
		if skip == nil {
			return errors.New("WithSkipper: the function is nil")
		}
		c.skip = skip
		return nil
	}
}

// WithRejectionHandler replaces the response to rejected requests. The handler writes status and
// body, or calls the rejection's ServeHTTP for the default: 503 with a constant problem details
// body (RFC 9457). Retry-After and Cache-Control: no-store are set before it is called; it may
// change them. The rejection's error says why the gate is closed. It is for logs, not for clients.
//
// A nil handler is an error. The handler is called concurrently.
func WithRejectionHandler(
	handler func(w http.ResponseWriter, r *http.Request, rejection *Rejection),
) GateOption {
	return func(c *gateConfig) error {
		if handler == nil {
			return errors.New("WithRejectionHandler: the function is nil")
		}
		c.reject = handler
		return nil
	}
}

// WithAccountInContext adds the verified account to the context of the requests that are let
// through, for [AccountFrom] and [AccountOf]. It is off by default, because a new context costs
// two allocations per request; checker.Snapshot().Account() costs none.
func WithAccountInContext() GateOption {
	return func(c *gateConfig) error {
		c.account = true
		return nil
	}
}

// NewGate returns a gate that follows a checker. It returns an error that lists every invalid
// option, or that the checker is nil.
func NewGate(c Snapshotter, opts ...GateOption) (*Gate, error) {
	g := &Gate{checker: c}
	if err := wiringError("NewGate", checkNotNil(c), apply(&g.config, opts)); err != nil {
		return nil, err
	}
	g.key = comparableChecker(c)
	return g, nil
}

// Wrap returns a handler that calls next while the gate is open and rejects requests while it is
// closed. next gets the same ResponseWriter and the same request.
//
// With [WithAccountInContext] the request is a copy. When next returns or panics, the pattern and
// path values that a ServeMux behind the gate has set on the copy are set on the original, for
// metrics and access logs further out; and the parsed form, so that net/http's server removes the
// temporary files of uploads.
//
// Put CORS middleware outside the gate: a closed gate answers a preflight request with 503. Keep
// the health endpoints outside too: a liveness probe that gets 503 restarts the service, which
// does not help.
//
// Wrap panics if next is nil, as [http.ServeMux.Handle] does.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	if f, ok := next.(http.HandlerFunc); next == nil || ok && f == nil {
		panic("middleware: Gate.Wrap: nil handler")
	}
	return &gated{gate: g, next: next}
}

// Admit decides about one request. It is for adapters to frameworks whose handlers are not
// [http.Handler]s.
//
// If the request may pass, the rejection is nil and the returned request is for the next handler:
// r itself, or with [WithAccountInContext] a copy with the account in its context. Otherwise
// the rejection contains the response. Admit does not call the [WithRejectionHandler] function.
func (g *Gate) Admit(r *http.Request) (*http.Request, *Rejection) {
	if g.config.skip != nil && g.config.skip(r) {
		return r, nil
	}
	s := g.checker.Snapshot()
	if s == nil || !s.Open() {
		return r, g.rejection(s)
	}
	if g.config.account {
		return withAccount(r, g.key, s), nil
	}
	return r, nil
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
	inner, rej := h.gate.Admit(r)
	switch {
	case rej == nil && inner == r:
		h.next.ServeHTTP(w, r)
	case rej == nil:
		h.serveCopy(w, r, inner)
	default:
		rej.serve(w, r, h.gate.config.reject)
	}
}

func (h *gated) serveCopy(w http.ResponseWriter, outer, inner *http.Request) {
	defer requestcopy.HandBack(outer, inner)
	h.next.ServeHTTP(w, inner)
}

func newRejection(s *health.Snapshot) *Rejection {
	rej := &Rejection{snapshot: s}
	if s == nil {
		s = unknown
	}
	rej.err = s.Check()
	rej.response = newProblem(http.StatusServiceUnavailable,
		"The service cannot handle this request at the moment. Try again later.",
		field{keyRetryAfter, retryAfter(s.State().RetryAfter)})
	return rej
}
