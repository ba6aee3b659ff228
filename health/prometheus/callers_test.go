package prometheus_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// fakeCallers have fixed counts.
type fakeCallers middleware.CallersStats

func (f fakeCallers) Stats() middleware.CallersStats { return middleware.CallersStats(f) }

// fullCallers have a different value in each count.
func fullCallers() fakeCallers {
	var s middleware.CallersStats
	s.Requests.Verified, s.Requests.Stale, s.Requests.NoToken = 1001, 1002, 1003
	s.Requests.Refused, s.Requests.NotAllowed, s.Requests.Unavailable = 1004, 1005, 1006
	s.Calls = map[requester.Class]uint64{
		requester.Verified: 21, requester.Rejected: 22, requester.RateLimited: 23,
		requester.Unavailable: 24, requester.Malformed: 25, requester.Misdirected: 26,
		requester.Cancelled: 27, requester.NotAsked: 28,
	}
	s.Skipped.Budget, s.Skipped.InFlight, s.Skipped.Breaker, s.Skipped.RateLimit = 31, 32, 33, 34
	s.Verified = middleware.CallersTokens{Entries: 41, Evictions: 42, InFlight: 43, Breaker: "half-open"}
	s.Unproven = middleware.CallersTokens{Entries: 51, Evictions: 52, InFlight: 53, Breaker: "open"}
	s.Shared = shared.Stats{
		Taken: 61, Given: 62, Leases: 63, Errors: 64, Opened: 65, Rejected: 66, Mode: "active", Replicas: 67,
	}
	return fakeCallers(s)
}

func TestCallersCollector_exposition(t *testing.T) {
	client, err := requester.New(requester.Production)
	require.NoError(t, err)
	unused, err := middleware.NewCallers(client)
	require.NoError(t, err)
	defer unused.Close()
	for name, callers := range map[string]tolokaprom.Callers{
		"callers": fullCallers(), "callers_unused": unused,
	} {
		t.Run(name, func(t *testing.T) {
			registry := prom.NewPedanticRegistry()
			require.NoError(t, registry.Register(tolokaprom.NewCallersCollector(callers)))
			got := exposition(t, registry)
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got)
			problems, err := testutil.GatherAndLint(registry)
			require.NoError(t, err)
			assert.Empty(t, problems)
		})
	}
}

func TestCallersCollector_nil(t *testing.T) {
	var none *middleware.Callers
	for name, callers := range map[string]tolokaprom.Callers{"nil": nil, "nil pointer": none} {
		t.Run(name, func(t *testing.T) {
			const want = "NewCallersCollector: the Callers is nil; handle the error of middleware.NewCallers"
			c := tolokaprom.NewCallersCollector(callers)
			assert.ErrorContains(t, prom.NewRegistry().Register(c), want)
			metrics := make(chan prom.Metric, 1)
			c.Collect(metrics)
			assert.ErrorContains(t, (<-metrics).Write(&dto.Metric{}), want)
		})
	}
}

// Several Callers, and checkers, share a registry.
func TestCallersCollector_several(t *testing.T) {
	registry := prom.NewPedanticRegistry()
	require.NoError(t, registry.Register(tolokaprom.NewCollector(full(t))))
	for _, name := range []string{"sandbox", "production"} {
		byName := prom.WrapRegistererWith(prom.Labels{"name": name}, registry)
		require.NoError(t, byName.Register(tolokaprom.NewCallersCollector(fullCallers())))
	}
	assert.Contains(t, exposition(t, registry), `toloka_callers_entries{name="sandbox",tokens="verified"} 41`)
}

// TestCallersCollector_realCallers scrapes while requests come and while the Callers is closed.
func TestCallersCollector_realCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := requestertest.NewPlatform()
		client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()))
		require.NoError(t, err)
		callers, err := middleware.NewCallers(client)
		require.NoError(t, err)
		defer callers.Close()
		gate, err := middleware.NewCallerGate(callers)
		require.NoError(t, err)
		token := p.IssueToken("canary-account").Reveal()
		use := func() {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "ApiKey "+token)
			_, _ = gate.Admit(r)
		}
		registry := prom.NewPedanticRegistry()
		require.NoError(t, registry.Register(tolokaprom.NewCallersCollector(callers)))

		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 50 {
					use()
					_, err := registry.Gather()
					assert.NoError(t, err)
				}
			})
		}
		all.Wait()
		assert.Equal(t, 1, p.Count(), "a scrape called the platform")
		all.Go(use)
		all.Go(callers.Close)
		all.Go(func() {
			_, err := registry.Gather()
			assert.NoError(t, err)
		})
		all.Wait()
		use()
		text := exposition(t, registry)
		assert.Contains(t, text, "toloka_callers_platform_requests_total{class=\"verified\"} 1\n")
		assert.NotContains(t, text, "canary-account")
		assert.NotContains(t, text, token[:8])
		assert.Equal(t, 202.0, sum(t, registry, "toloka_callers_requests_total"))
	})
}

// sum returns the sum of a counter over its labels.
func sum(t *testing.T, g prom.Gatherer, name string) (total float64) {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total
}
