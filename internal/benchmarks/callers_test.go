package benchmarks_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/benchmarks"
	"github.com/tolokacheck/tolokacheck/internal/benchmarks/cputime"
)

// liveTokens is how many callers the benchmarks have.
const liveTokens = 10_000

// statusOf returns the status.
func statusOf(s benchmarks.Subject, r *http.Request) int {
	rec := httptest.NewRecorder()
	s.Handler.ServeHTTP(rec, r)
	return rec.Code
}

func TestNewCallers(t *testing.T) {
	subjects, tokens, err := benchmarks.NewCallers(10)
	require.NoError(t, err)
	for _, s := range subjects {
		t.Cleanup(s.Close)
		for range 2 {
			for _, token := range tokens {
				r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
				r.Header.Set("Authorization", token)
				assert.Less(t, statusOf(s, r), 300, s.Name)
			}
		}
	}
}

// BenchmarkCallers chooses its processors itself: -cpu has no effect.
func BenchmarkCallers(b *testing.B) {
	subjects, tokens, err := benchmarks.NewCallers(liveTokens)
	require.NoError(b, err)
	for _, s := range subjects {
		b.Cleanup(s.Close)
		r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		for _, token := range tokens {
			r.Header["Authorization"] = []string{token}
			require.Less(b, statusOf(s, r), 300)
		}
	}
	for _, goroutines := range []int{1, 2, 8} {
		for _, s := range subjects {
			b.Run(fmt.Sprintf("goroutines=%d/by=%s", goroutines, s.Name), func(b *testing.B) {
				b.ReportAllocs()
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(min(goroutines, runtime.NumCPU())))
				b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
				before, ok := cputime.Of(0)
				b.RunParallel(func(pb *testing.PB) {
					w, r := newDiscard(), httptest.NewRequest(http.MethodGet, "/healthz", nil)
					var sent []byte
					header := make([]string, 1)
					for i := rand.IntN(len(tokens)); pb.Next(); i++ {
						clear(w.header)
						// A server has just read the header: it is in the processor's cache.
						sent = append(sent[:0], tokens[i%len(tokens)]...)
						header[0] = unsafe.String(unsafe.SliceData(sent), len(sent))
						r.Header["Authorization"] = header
						s.Handler.ServeHTTP(w, r)
					}
				})
				if after, _ := cputime.Of(0); ok {
					b.ReportMetric(float64((after-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
				}
			})
		}
	}
}
