package benchmarks_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/benchmarks"
)

// The subjects must do the same work: these tests detect a response that is faster because it is
// shorter.

func TestHealthz(t *testing.T) {
	codes := map[health.Status]int{health.StatusPass: 200, health.StatusWarn: 200, health.StatusFail: 503}
	peerBodies := map[health.Status]map[string]string{
		health.StatusPass: {
			"alexliesenfeld": `{"status":"up"}`,
			"hellofresh":     `"status":"OK"`,
			"go-sundheit":    `"toloka": "PASS"`,
		},
		health.StatusFail: {
			"alexliesenfeld": `{"status":"down"}`,
			"hellofresh":     `"status":"Unavailable"`,
			"go-sundheit":    `"toloka": "FAIL"`,
		},
	}
	for _, status := range statuses {
		all := subjects(t, benchmarks.Healthz, status)
		for _, s := range all {
			t.Run(s.Name+"/"+status.String(), func(t *testing.T) {
				rec := ask(s, healthRequest())
				assert.Equal(t, codes[status], rec.Code)
				if peer, ok := peerBodies[status][s.Name]; ok {
					assert.Contains(t, rec.Body.String(), peer)
					return
				}
				assert.Equal(t, `{"status":"`+status.String()+`"}`, rec.Body.String())
				assert.Equal(t, ask(all[0], healthRequest()).Header(), rec.Header())
			})
		}
	}
}

func TestEchoHealthz(t *testing.T) {
	for _, status := range statuses {
		t.Run(status.String(), func(t *testing.T) {
			all := subjects(t, benchmarks.EchoHealthz, status)
			assertSame(t, ask(all[0], healthRequest()), ask(all[1], healthRequest()))
		})
	}
}

func TestGates(t *testing.T) {
	for _, state := range benchmarks.GateStates {
		t.Run(string(state), func(t *testing.T) {
			all := subjects(t, benchmarks.Gates, state)
			assertSame(t, ask(all[0], state.Request()), ask(all[1], state.Request()))
		})
	}
	t.Run("kubernetes", func(t *testing.T) {
		for state, code := range map[benchmarks.GateState]int{
			benchmarks.Open: 200, benchmarks.OpenWithAccount: 200, benchmarks.Closed: 401,
		} {
			kubernetes := subjects(t, benchmarks.Gates, state)[2]
			assert.Equal(t, code, ask(kubernetes, state.Request()).Code, state)
		}
	})
}

// TestEchoGates compares headers: the response to an error is that of the service's own error
// handler.
func TestEchoGates(t *testing.T) {
	for _, state := range benchmarks.GateStates {
		all := subjects(t, benchmarks.EchoGates, state)
		for _, s := range all {
			t.Run(s.Name+"/"+string(state), func(t *testing.T) {
				rec := ask(s, state.Request())
				if state == benchmarks.Closed && s.Name != "keyauth" {
					assert.Equal(t, ask(all[2], state.Request()).Header(), rec.Header())
					return
				}
				assert.Empty(t, rec.Header())
			})
		}
	}
}

func TestAllocations(t *testing.T) {
	// The library's own tests have a fake checker; this is a real one.
	zero := func(t *testing.T, h http.Handler, r *http.Request) {
		w := newDiscard()
		assert.Zero(t, testing.AllocsPerRun(1000, func() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}))
	}
	for _, status := range statuses {
		t.Run("healthz/"+status.String(), func(t *testing.T) {
			zero(t, subjects(t, benchmarks.Healthz, status)[1].Handler, healthRequest())
		})
	}
	for _, state := range []benchmarks.GateState{benchmarks.Open, benchmarks.Closed} {
		t.Run("gate/"+string(state), func(t *testing.T) {
			zero(t, subjects(t, benchmarks.Gates, state)[1].Handler, state.Request())
		})
	}
}

func ask(s benchmarks.Subject, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	s.Handler.ServeHTTP(rec, r)
	return rec
}

func assertSame(t *testing.T, want, got *httptest.ResponseRecorder) {
	t.Helper()
	assert.Equal(t, want.Code, got.Code)
	assert.Equal(t, want.Header(), got.Header())
	assert.Equal(t, want.Body.String(), got.Body.String())
}
