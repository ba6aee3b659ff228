package nethttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// discard is a ResponseWriter that costs next to nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// statuses has one reason of each status.
var statuses = []health.Reason{health.ReasonVerified, health.ReasonStale, health.ReasonRejected}

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

func serveBench(b *testing.B, h http.Handler) {
	w, r := &discard{http.Header{}}, httptest.NewRequest(http.MethodGet, "/healthz", nil)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

func BenchmarkGate(b *testing.B) {
	open := nethttp.Gate(because(health.ReasonVerified))(nothing)
	closed := nethttp.Gate(because(health.ReasonRejected))(nothing)
	b.Run("open/bare", func(b *testing.B) { serveBench(b, nothing) })
	b.Run("open/gate", func(b *testing.B) { serveBench(b, open) })
	b.Run("closed/bare", func(b *testing.B) { serveBench(b, bare(closed)) })
	b.Run("closed/gate", func(b *testing.B) { serveBench(b, closed) })
}

// BenchmarkHealth goes through a ServeMux, as a load balancer's request does.
func BenchmarkHealth(b *testing.B) {
	for _, reason := range statuses {
		mux, bareMux := http.NewServeMux(), http.NewServeMux()
		nethttp.RegisterHealth(mux, because(reason))
		bareMux.Handle("GET /healthz", bare(mux))
		b.Run(reason.Status().String()+"/bare", func(b *testing.B) { serveBench(b, bareMux) })
		b.Run(reason.Status().String()+"/health", func(b *testing.B) { serveBench(b, mux) })
	}
}

// TestAllocations compares with the allocations of ServeMux itself.
func TestAllocations(t *testing.T) {
	for _, reason := range statuses {
		mux, bareMux := http.NewServeMux(), http.NewServeMux()
		nethttp.RegisterHealth(mux, because(reason))
		mux.Handle("/tasks", nethttp.Gate(because(reason))(nothing))
		bareMux.Handle("GET /healthz", nothing)
		bareMux.Handle("OPTIONS /healthz", nothing)
		bareMux.Handle("/tasks", nothing)
		for _, path := range []string{"/healthz", "/tasks"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
				t.Run(reason.String()+"/"+method+" "+path, func(t *testing.T) {
					assert.Equal(t, allocs(bareMux, method, path), allocs(mux, method, path))
				})
			}
		}
	}
}

func allocs(h http.Handler, method, path string) float64 {
	w, r := &discard{http.Header{}}, httptest.NewRequest(method, path, nil)
	return testing.AllocsPerRun(100, func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	})
}
