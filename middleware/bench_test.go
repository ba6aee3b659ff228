package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// discard is a ResponseWriter that costs as little as one can, so that a benchmark shows the handler.
type discard struct{ header http.Header }

func newDiscard() *discard { return &discard{http.Header{}} }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// serve calls the handler b.N times.
func serve(b *testing.B, h http.Handler) {
	w, r := newDiscard(), httptest.NewRequest(http.MethodGet, "/healthz", nil)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

// serveParallel does the same on every processor, for -cpu 1,2.
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

// bare returns what one would write by hand for one constant answer: the same status, header and bytes as h gives, the
// header values made in advance.
func bare(h http.Handler) http.Handler {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	status, header, body := rec.Code, rec.Header(), rec.Body.Bytes()
	mediaType, length := header["Content-Type"], header["Content-Length"]
	noStore, noSniff, retryAfter := header["Cache-Control"], header["X-Content-Type-Options"], header["Retry-After"]
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

// fixed is a checker whose verdict stays the same.
type fixed struct{ snapshot *health.Snapshot }

func (f fixed) Snapshot() *health.Snapshot { return f.snapshot }

func verdict(reason health.Reason) *fixed {
	return &fixed{health.NewSnapshot(health.State{Reasons: health.ReasonsOf(reason), RetryAfter: 7 * time.Second, Started: true})}
}

func BenchmarkGate(b *testing.B) {
	open := middleware.NewGate(verdict(health.ReasonVerified))
	closed := middleware.NewGate(verdict(health.ReasonRejected)).Wrap(nothing)
	account := middleware.NewGate(verdict(health.ReasonVerified), middleware.WithAccountInContext())
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
		h := middleware.NewHealth(verdict(reason))
		b.Run(reason.Status().String(), func(b *testing.B) {
			b.Run("bare", func(b *testing.B) { serve(b, bare(h)) })
			b.Run("health", func(b *testing.B) { serve(b, h) })
			b.Run("health-parallel", func(b *testing.B) { serveParallel(b, h) })
		})
	}
	b.Run("several checkers", func(b *testing.B) {
		serve(b, middleware.NewHealth(verdict(health.ReasonVerified),
			middleware.WithCheckers(verdict(health.ReasonStale), verdict(health.ReasonVerified))))
	})
	b.Run("live", func(b *testing.B) { serve(b, middleware.NewLive()) })
	b.Run("startup", func(b *testing.B) { serve(b, middleware.NewStartup(verdict(health.ReasonVerified))) })
	b.Run("rendered anew for every request", func(b *testing.B) { serve(b, middleware.NewHealth(restless{})) })
}

// restless has a new snapshot every time: what the first request after a change costs.
type restless struct{}

func (restless) Snapshot() *health.Snapshot { return health.NewSnapshot(health.State{}) }
