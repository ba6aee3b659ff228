//go:build !race

package nethttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// A hit allocates the context and the request that carries it, and nothing else. The race detector
// drops what a sync.Pool holds at random.
func TestCallers_allocations(t *testing.T) {
	p := requestertest.NewPlatform()
	h := nethttp.Callers(newCallers(t, p))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	values := []string{"ApiKey " + p.IssueToken("1").Reveal()}
	w := httptest.NewRecorder()
	serve := func() {
		r.Header["Authorization"] = values
		h.ServeHTTP(w, r)
	}
	serve()
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, serve), 2.0)
}
