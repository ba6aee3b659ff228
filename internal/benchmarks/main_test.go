package benchmarks_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/internal/benchmarks"
)

func TestMain(m *testing.M) {
	// The peers start goroutines when they are imported.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// discard is a ResponseWriter that costs next to nothing, so that the handler is measured.
type discard struct{ header http.Header }

func newDiscard() *discard { return &discard{http.Header{}} }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// subjects returns what make returns. The subjects are closed when the test ends.
func subjects[T any](tb testing.TB, make func(T) ([]benchmarks.Subject, error), of T) []benchmarks.Subject {
	tb.Helper()
	all, err := make(of)
	if err != nil {
		tb.Fatal(err)
	}
	for _, s := range all {
		tb.Cleanup(s.Close)
	}
	return all
}
