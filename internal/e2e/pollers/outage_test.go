package pollers_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

const (
	maxStale = 6 * time.Second
	// earliest is how long after the last request to the platform the service may be out. The age
	// of a response counts from when the service sent the request, which is a little earlier.
	earliest = maxStale - time.Second
)

func TestOutage(t *testing.T) {
	t.Parallel()
	outages := []struct {
		name  string
		begin func(p *platform)
		end   func(t *testing.T, p *platform)
	}{
		{
			name:  "answers_503",
			begin: func(p *platform) { p.SetFaults(requestertest.Status(http.StatusServiceUnavailable)) },
			end:   func(_ *testing.T, p *platform) { p.ClearFaults() },
		},
		{
			name:  "refuses_connections",
			begin: func(p *platform) { p.refuse() },
			end:   func(t *testing.T, p *platform) { p.listen(t) },
		},
	}
	for _, outage := range outages {
		t.Run(outage.name, func(t *testing.T) {
			t.Parallel()
			eachService(t, func(t *testing.T, name string) {
				w := watch(t, name, "MAX_STALE="+maxStale.String())

				calls := w.platform.calls.All()
				good := calls[len(calls)-1] // the last valid response, or later
				outage.begin(w.platform)
				process.Await(t, "a warning", func() error { return get(w.url("/healthz"), http.StatusOK, warn) })
				w.assertAlert(t)
				w.assertStaysIn(t, good.Add(earliest))

				w.await(t, false)
				t.Logf("all out %s after the last valid response", time.Since(good))
				w.assertLive(t)

				outage.end(t, w.platform)
				t.Logf("in again: %v", w.await(t, true))
				w.assertOuts(t, 1)
			})
		})
	}
}

// assertStaysIn checks that no poller takes the service out before the deadline.
func (w *watched) assertStaysIn(t *testing.T, deadline time.Time) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for now := range again.C {
		for _, p := range w.pollers {
			in, err := p.in()
			require.NoError(t, err, p.name)
			if time.Now().After(deadline) {
				return
			}
			require.True(t, in, "%s took the service out %s too early", p.name, deadline.Sub(now))
		}
		w.assertOuts(t, 0)
	}
}

// assertAlert checks that Prometheus can distinguish warn from pass and from fail.
func (w *watched) assertAlert(t *testing.T) {
	t.Helper()
	ready, err := w.blackbox.probe("http_2xx", w.url("/readyz"))
	require.NoError(t, err)
	assert.True(t, ready, "module http_2xx")
	pass, err := w.blackbox.probe("http_pass", w.url("/readyz"))
	require.NoError(t, err)
	assert.False(t, pass, "module http_pass")
}
