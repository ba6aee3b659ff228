// Package monitoring runs examples/monitoring with a real Prometheus while the fake platform
// breaks. Every alert fires and ends, and every expression of the dashboard has data.
//
// The test writes a copy of the alerts with short durations. promtool tests the original.
package monitoring
