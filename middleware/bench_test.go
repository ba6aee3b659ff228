package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// discard is a ResponseWriter that costs next to nothing.
type discard struct{ header http.Header }

func newDiscard() *discard { return &discard{http.Header{}} }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// serve measures a handler.
func serve(b *testing.B, h http.Handler) {
	w, r := newDiscard(), httptest.NewRequest(http.MethodGet, "/healthz", nil)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

// serveParallel measures a handler on all processors, for -cpu 1,2.
func serveParallel(b *testing.B, h http.Handler) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w, r := newDiscard(), httptest.NewRequest(http.MethodGet, "/healthz", nil)
		for pb.Next() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
	})
}

// nothing is the handler behind the gate.
var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// bare returns a hand-written handler with one constant answer: the same status, header and body as
// h, with the header values prepared.
func bare(h http.Handler) http.Handler {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	status, header, body := rec.Code, rec.Header(), rec.Body.Bytes()
	mediaType, length := header["Content-Type"], header["Content-Length"]
	noStore, noSniff := header["Cache-Control"], header["X-Content-Type-Options"]
	retryAfter := header["Retry-After"]
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Content-Type"] = mediaType
		h["Content-Length"] = length
		h["Cache-Control"] = noStore
		h["X-Content-Type-Options"] = noSniff
		if retryAfter != nil {
			h["Retry-After"] = retryAfter
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

// fixed is a checker whose snapshot stays the same.
type fixed struct{ snapshot *health.Snapshot }

func (f fixed) Snapshot() *health.Snapshot { return f.snapshot }

func verdict(reason health.Reason) *fixed {
	return &fixed{health.NewSnapshot(health.State{
		Reasons: []health.Reason{reason}, RetryAfter: 7 * time.Second, Started: true,
	})}
}

func BenchmarkGate(b *testing.B) {
	open := newGate(verdict(health.ReasonVerified))
	closed := newGate(verdict(health.ReasonRejected)).Wrap(nothing)
	account := newGate(verdict(health.ReasonVerified), middleware.WithAccountInContext())
	b.Run("open", func(b *testing.B) {
		b.Run("bare", func(b *testing.B) { serve(b, nothing) })
		b.Run("gate", func(b *testing.B) { serve(b, open.Wrap(nothing)) })
		b.Run("gate-parallel", func(b *testing.B) { serveParallel(b, open.Wrap(nothing)) })
		b.Run("gate-with-account", func(b *testing.B) { serve(b, account.Wrap(nothing)) })
	})
	b.Run("closed", func(b *testing.B) {
		b.Run("bare", func(b *testing.B) { serve(b, bare(closed)) })
		b.Run("gate", func(b *testing.B) { serve(b, closed) })
		b.Run("gate-parallel", func(b *testing.B) { serveParallel(b, closed) })
	})
}

func BenchmarkHealth(b *testing.B) {
	for _, reason := range []health.Reason{health.ReasonVerified, health.ReasonStale, health.ReasonRejected} {
		h := newHealth(verdict(reason))
		b.Run(reason.Status().String(), func(b *testing.B) {
			b.Run("bare", func(b *testing.B) { serve(b, bare(h)) })
			b.Run("health", func(b *testing.B) { serve(b, h) })
			b.Run("health-parallel", func(b *testing.B) { serveParallel(b, h) })
		})
	}
	b.Run("several checkers", func(b *testing.B) {
		serve(b, newHealth(verdict(health.ReasonVerified),
			middleware.WithCheckers(verdict(health.ReasonStale), verdict(health.ReasonVerified))))
	})
	b.Run("live", func(b *testing.B) { serve(b, newLive()) })
	b.Run("startup", func(b *testing.B) { serve(b, newStartup(verdict(health.ReasonVerified))) })
	b.Run("rendered for every request", func(b *testing.B) { serve(b, newHealth(changing{})) })
}

// changing has a new snapshot every time, to measure the first request after a change.
type changing struct{}

func (changing) Snapshot() *health.Snapshot { return health.NewSnapshot(health.State{}) }
