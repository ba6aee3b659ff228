package benchmarks_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/benchmarks"
	"github.com/tolokacheck/tolokacheck/internal/benchmarks/cputime"
)

var statuses = []health.Status{health.StatusPass, health.StatusWarn, health.StatusFail}

// Each benchmark is named Work/state=…/by=…, from which benchstat makes rows and columns. They run
// in parallel, so that -cpu 1 shows the cost and -cpu 2 the scaling: if nothing that is shared is
// written, ns/op halves and cpu-ns/op, the time of all processors together, stays the same.

func BenchmarkHealthz(b *testing.B) {
	for _, status := range statuses {
		compare(b, status.String(), healthRequest, subjects(b, benchmarks.Healthz, status))
	}
}

func BenchmarkGate(b *testing.B) {
	for _, state := range benchmarks.GateStates {
		compare(b, string(state), state.Request, subjects(b, benchmarks.Gates, state))
	}
}

func BenchmarkEchoHealthz(b *testing.B) {
	for _, status := range statuses {
		compare(b, status.String(), healthRequest, subjects(b, benchmarks.EchoHealthz, status))
	}
}

func BenchmarkEchoGate(b *testing.B) {
	for _, state := range benchmarks.GateStates {
		compare(b, string(state), state.Request, subjects(b, benchmarks.EchoGates, state))
	}
}

// healthRequest has the query for go-sundheit's short report. This library's handler reads the
// query, too.
func healthRequest() *http.Request {
	return httptest.NewRequest(http.MethodGet, "/healthz?type=short", nil)
}

func compare(b *testing.B, state string, request func() *http.Request, all []benchmarks.Subject) {
	for _, s := range all {
		b.Run("state="+state+"/by="+s.Name, func(b *testing.B) {
			b.ReportAllocs()
			before, ok := cputime.Of(0)
			b.RunParallel(func(pb *testing.PB) {
				w, r := newDiscard(), request()
				for pb.Next() {
					clear(w.header)
					s.Handler.ServeHTTP(w, r)
				}
			})
			if after, _ := cputime.Of(0); ok {
				b.ReportMetric(float64((after-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
			}
		})
	}
}
