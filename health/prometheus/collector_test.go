package prometheus_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/govalues/decimal"
	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the files in testdata")

// fake is a checker with a fixed state.
type fake struct {
	snapshot *health.Snapshot
	stats    health.Stats
}

func (f *fake) Snapshot() *health.Snapshot { return f.snapshot }
func (f *fake) Stats() health.Stats        { return f.stats }

func newFake(s health.State) *fake { return &fake{snapshot: health.NewSnapshot(s)} }

// full is a checker of which everything is known.
func full(t testing.TB) *fake {
	t.Helper()
	token, err := credentials.ParseToken("AbCdEfGhIjKlMnOpQrStUvWxYz0123456789")
	require.NoError(t, err)
	account, err := requester.ParseAccount([]byte(
		`{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,"public_name":{"EN":"Jack"}}`))
	require.NoError(t, err)
	return &fake{
		snapshot: health.NewSnapshot(health.State{
			Name:        "main",
			Environment: "sandbox",
			Reasons:     []health.Reason{health.ReasonStale, health.ReasonLowBalance},
			Started:     true,
			Token:       token,
			TokenSource: `file:"/run/secrets/toloka"`,
			Account:     account,
			VerifiedAt:  time.UnixMilli(1_767_225_600_250),
			Breaker:     "half-open",
			MaxStale:    15 * time.Minute,
			MinBalance:  decimal.NullDecimal{Decimal: decimal.MustParse("150.5"), Valid: true},
		}),
		stats: health.Stats{
			Calls: map[requester.Class]uint64{
				requester.Verified: 7, requester.RateLimited: 2, requester.Unavailable: 1,
			},
			Durations: health.Durations{
				Buckets: map[int]uint64{-80: 1, -40: 2, -16: 4, -15: 1, 20: 1, 80: 1},
				Sum:     12_500 * time.Millisecond,
			},
			SourceReads: 9, SourceReadErrors: 3, Rotations: 2, RefusedRotations: 1, DroppedLogLines: 4,
			Shared: shared.Stats{
				Taken: 40, Given: 5, Leases: 6, Errors: 2, Opened: 41, Rejected: 1, Mode: "away", Replicas: 12,
			},
		},
	}
}

func TestCollector_exposition(t *testing.T) {
	tests := map[string]*tolokaprom.Collector{
		"full":    tolokaprom.NewCollector(full(t)),
		"zero":    tolokaprom.NewCollector(&fake{}),
		"two":     tolokaprom.NewCollector(full(t), newFake(health.State{Name: "other"})),
		"no_info": tolokaprom.NewCollector(full(t)).WithoutInfo(),
	}
	for name, collector := range tests {
		t.Run(name, func(t *testing.T) {
			registry := prom.NewPedanticRegistry()
			require.NoError(t, registry.Register(collector))
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
			problems, err = promlint.New(bytes.NewReader(want)).Lint()
			require.NoError(t, err)
			assert.Empty(t, problems)
		})
	}
}

func exposition(t *testing.T, g prom.Gatherer) string {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	var text strings.Builder
	for _, family := range families {
		_, err := expfmt.MetricFamilyToText(&text, family)
		require.NoError(t, err)
	}
	return text.String()
}

// TestCollector_stateSets: series that come and go would leave stale values behind.
func TestCollector_stateSets(t *testing.T) {
	for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
		collector := tolokaprom.NewCollector(newFake(health.State{Reasons: []health.Reason{reason}}))
		assert.Equal(t, map[string]float64{reason.String(): 1}, ones(t, collector, "reason"))
		assert.Equal(t, map[string]float64{reason.Status().String(): 1}, ones(t, collector, "status"))
		assert.Equal(t, 14, testutil.CollectAndCount(collector, "toloka_credential_reason"))
		assert.Equal(t, 3, testutil.CollectAndCount(collector, "toloka_credential_status"))
		assert.Equal(t, 3, testutil.CollectAndCount(collector, "toloka_credential_circuit_breaker_state"))
	}
}

// ones returns the states of a state set that are not 0.
func ones(t *testing.T, c prom.Collector, set string) map[string]float64 {
	t.Helper()
	registry := prom.NewRegistry()
	require.NoError(t, registry.Register(c))
	families, err := registry.Gather()
	require.NoError(t, err)
	states := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "toloka_credential_"+set {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if value := m.GetGauge().GetValue(); label.GetName() == set && value != 0 {
					states[label.GetValue()] = value
				}
			}
		}
	}
	return states
}

func TestCollector_histogram(t *testing.T) {
	registry := prom.NewRegistry()
	require.NoError(t, registry.Register(tolokaprom.NewCollector(full(t))))
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() != "toloka_credential_platform_request_duration_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		assert.Equal(t, uint64(10), h.GetSampleCount())
		assert.InDelta(t, 12.5, h.GetSampleSum(), 1e-9)
		assert.Equal(t, int32(3), h.GetSchema())
		assert.Equal(t, uint64(1), h.GetZeroCount())
		assert.InDelta(t, 1.0/1024, h.GetZeroThreshold(), 0)
		var native int64
		var current int64
		for _, delta := range h.GetPositiveDelta() {
			current += delta
			native += current
		}
		assert.Equal(t, int64(9), native)
		assert.Len(t, h.GetBucket(), 11)
		return
	}
	t.Fatal("no histogram")
}

func TestCollector_invalid(t *testing.T) {
	var none *health.Checker
	tests := map[string]struct {
		checkers []tolokaprom.Checker
		want     string
	}{
		"no checker":     {nil, "there is no checker"},
		"nil":            {[]tolokaprom.Checker{nil}, "a checker is nil"},
		"nil pointer":    {[]tolokaprom.Checker{none}, "a checker is nil"},
		"two names":      {[]tolokaprom.Checker{full(t), full(t)}, `two checkers have the name "main"`},
		"two without":    {[]tolokaprom.Checker{&fake{}, &fake{}}, `two checkers have the name ""`},
		"nil after good": {[]tolokaprom.Checker{full(t), nil}, "a checker is nil"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := tolokaprom.NewCollector(tt.checkers...)
			assert.ErrorContains(t, prom.NewRegistry().Register(c), tt.want)
			metrics := make(chan prom.Metric, 1)
			c.Collect(metrics)
			assert.ErrorContains(t, (<-metrics).Write(&dto.Metric{}), tt.want)
		})
	}
}

func TestCollector_labelsThatAreNoUTF8(t *testing.T) {
	c := tolokaprom.NewCollector(newFake(health.State{Name: "a\xff", TokenSource: "\xfe"}))
	registry := prom.NewRegistry()
	require.NoError(t, registry.Register(c))
	_, err := registry.Gather()
	require.NoError(t, err)
}

// TestCollector_realChecker scrapes while the checker works and while it is closed.
func TestCollector_realChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const token = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
		var calls atomic.Int32
		client, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				calls.Add(1)
				return nil, errors.New("no network")
			}),
		}))
		require.NoError(t, err)
		checker, err := health.New(credentials.Static(token), health.WithClient(client))
		require.NoError(t, err)
		defer checker.Close()
		registry := prom.NewPedanticRegistry()
		require.NoError(t, registry.Register(tolokaprom.NewCollector(checker)))
		require.NoError(t, checker.Start(t.Context()))

		made := calls.Load()
		for range 100 {
			_, err := registry.Gather()
			require.NoError(t, err)
		}
		assert.Equal(t, made, calls.Load(), "a scrape called the platform")
		text := exposition(t, registry)
		assert.Contains(t, text, fmt.Sprintf(
			"toloka_credential_platform_requests_total{class=\"unavailable\",name=\"\"} %d\n", made))
		assert.NotContains(t, text, token)

		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 50 {
					_, err := registry.Gather()
					assert.NoError(t, err)
				}
			})
		}
		wg.Go(func() { _ = checker.Refresh(t.Context()) })
		wg.Go(func() { checker.Close() })
		wg.Wait()
		assert.Contains(t, ones(t, tolokaprom.NewCollector(checker), "reason"), "closed")
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
