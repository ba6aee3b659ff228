package otel_test

import (
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
)

// The bridge makes a producer of a Prometheus registry. A service gives the reader to its
// MeterProvider, with an exporter in a PeriodicReader instead of the ManualReader.
func Example() {
	checker, err := health.New(credentials.Default(), health.WithName("payments"))
	if err != nil {
		log.Fatal(err)
	}
	defer checker.Close()

	registry := prometheus.NewRegistry()
	registry.MustRegister(tolokaprom.NewCollector(checker))
	reader := metric.NewManualReader(metric.WithProducer(
		bridge.NewMetricProducer(bridge.WithGatherer(registry))))
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	defer func() { _ = provider.Shutdown(context.Background()) }()

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		log.Fatal(err)
	}
	var lines []string
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			lines = append(lines, fmt.Sprintf("%s %T", m.Name, m.Data))
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	// Output:
	// toloka_credential_circuit_breaker_state metricdata.Gauge[float64]
	// toloka_credential_info metricdata.Gauge[float64]
	// toloka_credential_last_verified_timestamp_seconds metricdata.Gauge[float64]
	// toloka_credential_log_lines_dropped_total metricdata.Sum[float64]
	// toloka_credential_max_stale_seconds metricdata.Gauge[float64]
	// toloka_credential_platform_request_duration_seconds metricdata.ExponentialHistogram[float64]
	// toloka_credential_platform_requests_total metricdata.Sum[float64]
	// toloka_credential_ready metricdata.Gauge[float64]
	// toloka_credential_reason metricdata.Gauge[float64]
	// toloka_credential_rotations_total metricdata.Sum[float64]
	// toloka_credential_source_reads_total metricdata.Sum[float64]
	// toloka_credential_status metricdata.Gauge[float64]
}
