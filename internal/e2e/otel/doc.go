// Package otel shows that the OpenTelemetry SDK reads the metrics of health/prometheus through the
// Prometheus bridge. It is in this module so that the library does not depend on OpenTelemetry.
package otel
