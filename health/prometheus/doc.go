// Package prometheus exports the state of credential checkers and of callers as Prometheus metrics:
//
//	import tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
//
//	prometheus.MustRegister(tolokaprom.NewCollector(checker))
//	prometheus.MustRegister(tolokaprom.NewCallersCollector(callers)) // if there are any
//
// A scrape reads snapshots and counters. It takes no lock that requests wait for, and never calls
// the platform. Only programs that import this package link the Prometheus client.
//
// # Metrics of checkers
//
// The names begin with toloka_credential_, and the metrics have the label "name", the checker's
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
// Requests at a gate are not counted, because a counter would cost more than the gate; count them
// where the service counts its responses.
//
// # Metrics of callers
//
// The names begin with toloka_callers_. The label "tokens" is verified for tokens that the platform
// has verified, and unproven for all others.
//
//	requests_total{outcome}                  verified, stale, no_token, refused, not_allowed,
//	                                         unavailable: each request once
//	platform_requests_total{class}           as for checkers
//	platform_requests_skipped_total{reason}  budget, in_flight, circuit_breaker, rate_limit
//	platform_requests_in_flight{tokens}
//	entries{tokens}                          tokens in memory
//	evictions_total{tokens}                  tokens removed because the memory for them was full
//	circuit_breaker_state{tokens,state}      1 for one of closed, half-open, open
//
// # Metrics of a shared store
//
// With health.WithShared and middleware.WithSharedCallers there are also, under both beginnings:
//
//	shared_answers_total{direction}  taken from other replicas, given to them
//	shared_leases_total              turns of this replica to call the platform
//	shared_entries_total{result}     opened, rejected: not what a holder of the token stored
//	shared_store_errors_total        operations that failed or took too long
//	shared_store_state{state}        1 for one of active, away
//	shared_replicas                  about how many replicas share
//
// No metric has the id or name of an account, or a label whose values callers choose.
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
