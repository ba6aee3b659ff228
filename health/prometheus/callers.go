package prometheus

import (
	"errors"
	"strings"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// Callers is what [NewCallersCollector] needs of callers. [*middleware.Callers] implements it.
type Callers interface {
	Stats() middleware.CallersStats
}

var _ Callers = (*middleware.Callers)(nil)

// NewCallersCollector returns a collector for the tokens that requests bring. Registering it fails
// if c is nil. It is safe for concurrent use, also after c was closed.
//
// The metrics have no label that tells two Callers apart. Add one if a process has several:
//
//	byName := prometheus.WrapRegistererWith(prometheus.Labels{"name": "sandbox"}, registry)
//	byName.MustRegister(tolokaprom.NewCallersCollector(sandbox))
func NewCallersCollector(c Callers) prom.Collector { return callersCollector{c} }

type callersCollector struct{ callers Callers }

var errNilCallers = errors.New(
	"toloka: NewCallersCollector: the Callers is nil; " +
		"handle the error of middleware.NewCallers first")

// Describe implements [prom.Collector].
func (c callersCollector) Describe(ch chan<- *prom.Desc) {
	if isnil.Value(c.callers) {
		ch <- prom.NewInvalidDesc(errNilCallers)
		return
	}
	for _, d := range callersDescriptions {
		ch <- d
	}
}

// Collect implements [prom.Collector]. It makes no call to the platform.
func (c callersCollector) Collect(ch chan<- prom.Metric) {
	if isnil.Value(c.callers) {
		ch <- prom.NewInvalidMetric(prom.NewInvalidDesc(errNilCallers), errNilCallers)
		return
	}
	stats := c.callers.Stats()
	counter := func(d *prom.Desc, n uint64, labels ...string) {
		ch <- prom.MustNewConstMetric(d, prom.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prom.Desc, value float64, labels ...string) {
		ch <- prom.MustNewConstMetric(d, prom.GaugeValue, value, labels...)
	}
	counter(descCallersRequests, stats.Requests.Verified, "verified")
	counter(descCallersRequests, stats.Requests.Stale, "stale")
	counter(descCallersRequests, stats.Requests.NoToken, "no_token")
	counter(descCallersRequests, stats.Requests.Refused, "refused")
	counter(descCallersRequests, stats.Requests.NotAllowed, "not_allowed")
	counter(descCallersRequests, stats.Requests.Unavailable, "unavailable")
	for class := requester.Verified; class <= requester.Cancelled; class++ {
		if class != requester.NotAsked { // no request
			counter(descCallersCalls, stats.Calls[class], labelOf(class))
		}
	}
	counter(descCallersSkipped, stats.Skipped.Budget, "budget")
	counter(descCallersSkipped, stats.Skipped.InFlight, "in_flight")
	counter(descCallersSkipped, stats.Skipped.Breaker, "circuit_breaker")
	counter(descCallersSkipped, stats.Skipped.RateLimit, "rate_limit")
	for _, kind := range []struct {
		label string
		middleware.CallersTokens
	}{{"verified", stats.Verified}, {"unproven", stats.Unproven}} {
		gauge(descCallersInFlight, float64(kind.InFlight), kind.label)
		gauge(descCallersEntries, float64(kind.Entries), kind.label)
		counter(descCallersEvictions, kind.Evictions, kind.label)
		for _, state := range breakerStates {
			gauge(descCallersBreaker, number(kind.Breaker == state), kind.label, state)
		}
	}
	callersShared.emit(stats.Shared, counter, gauge)
}

// labelOf returns a class as the value of a label.
func labelOf(c requester.Class) string { return strings.ReplaceAll(c.String(), " ", "_") }

var callersDescriptions []*prom.Desc

func callersDesc(name, help string, labels ...string) *prom.Desc {
	d := prom.NewDesc("toloka_callers_"+name, help, labels, nil)
	callersDescriptions = append(callersDescriptions, d)
	return d
}

var (
	descCallersRequests = callersDesc("requests_total",
		"Requests at the gates, each once: verified and stale passed, the others were rejected.",
		"outcome")
	descCallersCalls = callersDesc("platform_requests_total",
		"Requests to the platform about callers' tokens, by what the answer means.", "class")
	descCallersSkipped = callersDesc("platform_requests_skipped_total",
		"Requests to the platform that were needed and not made, by what forbade them.", "reason")
	descCallersInFlight = callersDesc("platform_requests_in_flight",
		"Requests to the platform in flight, about tokens of this kind.", "tokens")
	descCallersEntries = callersDesc("entries",
		"Tokens of this kind in memory.", "tokens")
	descCallersEvictions = callersDesc("evictions_total",
		"Tokens of this kind that were removed because the memory for them was full.", "tokens")
	descCallersBreaker = callersDesc("circuit_breaker_state",
		"Whether the circuit breaker for tokens of this kind has this state: 1 for exactly one.",
		"tokens", "state")
	callersShared = newSharedMetrics(callersDesc)
)
