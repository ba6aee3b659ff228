package prometheus

import (
	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// sharedMetrics describe the use of a store that replicas share.
type sharedMetrics struct {
	answers, leases, errors, entries, state, replicas *prom.Desc
}

func newSharedMetrics(desc func(name, help string, labels ...string) *prom.Desc) sharedMetrics {
	return sharedMetrics{
		answers: desc("shared_answers_total",
			"Answers of the platform that were taken from other replicas, or given to them.",
			"direction"),
		leases: desc("shared_leases_total",
			"Leases that were granted: how often it was this replica's turn to call the platform."),
		errors: desc("shared_store_errors_total",
			"Operations of the shared store that failed or took too long."),
		entries: desc("shared_entries_total",
			"Entries of the shared store that were opened, or rejected because no holder of the "+
				"token "+
				"sealed them.", "result"),
		state: desc("shared_store_state",
			"Whether the shared store has this state: 1 for exactly one of active and away.",
			"state"),
		replicas: desc("shared_replicas",
			"About how many replicas share answers about the same token."),
	}
}

// emit sends the metrics. Without a store there are none.
func (m sharedMetrics) emit(
	s shared.Stats,
	counter func(*prom.Desc, uint64, ...string), gauge func(*prom.Desc, float64, ...string),
) {
	if s.Mode == "" {
		return
	}
	counter(m.answers, s.Taken, "taken")
	counter(m.answers, s.Given, "given")
	counter(m.leases, s.Leases)
	counter(m.errors, s.Errors)
	counter(m.entries, s.Opened, "opened")
	counter(m.entries, s.Rejected, "rejected")
	for _, state := range []string{"active", "away"} {
		gauge(m.state, number(s.Mode == state), state)
	}
	gauge(m.replicas, float64(s.Replicas))
}
