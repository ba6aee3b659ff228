package faults_test

import (
	"net/http"
	"net/http/httputil"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestSlowNetwork(t *testing.T) {
	t.Parallel()
	const calls = 5
	type attributes = map[string]int
	toxics := map[string]toxic{
		"slow_responses":   {"latency", downstream, attributes{"latency": 150, "jitter": 50}},
		"slow_requests":    {"latency", upstream, attributes{"latency": 150, "jitter": 50}},
		"small_pieces":     {"slicer", downstream, attributes{"average_size": 64, "size_variation": 32}},
		"single_bytes":     {"slicer", upstream, attributes{"average_size": 1}},
		"narrow_bandwidth": {"bandwidth", downstream, attributes{"rate": 50}},
		"slow_close":       {"slow_close", downstream, attributes{"delay": 5000}},
	}
	for name, toxic := range toxics {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.proxy.add(t, toxic)
			require.NoError(t, w.checker.Start(t.Context()))
			for range calls {
				require.NoError(t, w.checker.Refresh(t.Context()))
			}
			assert.Equal(t, "pass: verified", w.verdict())
			assert.Equal(t, "closed", w.checker.Snapshot().State().Breaker)
			assert.Equal(t, 1+calls, w.platform.Count())
			assert.Equal(t, []string{"pass: verified"}, w.awaitTold(t, 1))
			assert.Len(t, w.log.lines(t), 1)
		})
	}
}

func TestFlappingNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.WithInterval(timeout),
		health.WithMaxStale(time.Minute), health.WithBreakerOpen(200*time.Millisecond))
	require.NoError(t, w.checker.Start(t.Context()))
	want := []string{"pass: verified"}
	for _, f := range faults {
		if f.slow {
			continue
		}
		f.begin(t, w.proxy)
		want = append(want, "warn: stale")
		w.awaitTold(t, len(want))
		f.end(t, w.proxy)
		want = append(want, "pass: verified")
		w.awaitTold(t, len(want))
	}
	assert.Equal(t, want, w.told())
}

func TestTruncatedRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.WithBreakerOpen(500*time.Millisecond))
	require.NoError(t, w.checker.Start(t.Context()))
	w.platform.DeleteToken(w.token)
	cut := toxic{"limit_data", downstream, map[string]int{"bytes": w.lengthOfAnswer(t) - 10}}
	w.proxy.add(t, cut)

	for w.checker.Snapshot().State().Breaker == "closed" {
		err := w.checker.Refresh(t.Context())
		require.Equal(t, requester.Unavailable, requester.ClassOf(err), err)
		require.Equal(t, "warn: stale", w.verdict(), "an outage is not a refusal")
	}

	w.proxy.remove(t, cut)
	w.awaitTold(t, 4)
	want := []string{"pass: verified", "warn: stale", "warn: confirming_rejection", "fail: rejected"}
	assert.Equal(t, want, w.told())
}

// lengthOfAnswer returns the length in bytes of the platform's response to the token.
func (w *world) lengthOfAnswer(t *testing.T) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.url+"/api/v1/requester", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "ApiKey "+w.token.Reveal())
	// Keep-alive as in the checker: without it, the response has another header.
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	answer, err := httputil.DumpResponse(resp, true)
	require.NoError(t, err)
	return len(answer)
}

func TestFaultsWithTLS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		toxic toxic
		says  string
	}{
		{"handshake_hangs", toxic{"timeout", downstream, map[string]int{"timeout": 0}},
			"not within 1s"},
		{"handshake_truncated", toxic{"limit_data", downstream, map[string]int{"bytes": 100}},
			"closed before the answer was complete"},
		{"handshake_reset", toxic{"reset_peer", downstream, map[string]int{"timeout": 0}},
			"the connection was reset"},
		{"response_truncated", toxic{"limit_data", downstream, map[string]int{"bytes": 3000}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newTLSWorld(t, startupOptions...)
			w.proxy.add(t, tt.toxic)
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, "fail: unreachable", w.verdict())
			assert.Equal(t, requester.Unavailable, requester.ClassOf(w.checker.Snapshot().State().Err))
			assert.ErrorContains(t, w.checker.Snapshot().State().Err, tt.says)
			w.proxy.remove(t, tt.toxic)
			w.await(t, "pass: verified", "closed")
		})
	}
}
