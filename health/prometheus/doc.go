// Package prometheus exports the state of credential checkers as Prometheus metrics:
//
//	import tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
//
//	prometheus.MustRegister(tolokaprom.NewCollector(checker))
//
// A scrape reads the snapshot and the counters of the checker. It takes no lock and never calls
// the platform. Only programs that import this package link the Prometheus client.
//
// # Metrics
//
// All names begin with toloka_credential_, and all metrics have the label "name", the checker's
// name, which is empty by default.
//
//	status{status}                        1 for one of pass, warn, fail
//	reason{reason}                        1 for each reason that holds, 0 for the others
//	ready                                 1 while the service should get traffic
//	info{environment,source,fingerprint}  1; see Collector.WithoutInfo
//	last_verified_timestamp_seconds       when the last good answer was asked for
//	max_stale_seconds                     the age at which that answer is too old
//	account_balance_dollars               absent while unknown
//	min_balance_dollars                   absent without health.WithMinBalance
//	circuit_breaker_state{state}          1 for one of closed, half-open, open
//	platform_requests_total{class}        verified, rejected, rate_limited, unavailable,
//	                                      malformed, misdirected, cancelled
//	platform_request_duration_seconds     a classic and a native histogram
//	source_reads_total{result}            ok, error
//	rotations_total{result}               accepted, refused
//	log_lines_dropped_total
//
// The account's name and id are in no metric. Requests at a gate are not counted, because a
// counter would be a write that all processors share; count them where the service counts its
// responses.
//
// # OpenTelemetry
//
// The OpenTelemetry SDK reads the collector through go.opentelemetry.io/contrib/bridges/prometheus:
//
//	registry := prometheus.NewRegistry()
//	registry.MustRegister(tolokaprom.NewCollector(checker))
//	metric.NewPeriodicReader(exporter, metric.WithProducer(
//		bridge.NewMetricProducer(bridge.WithGatherer(registry))))
package prometheus
