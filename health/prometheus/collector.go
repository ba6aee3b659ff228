package prometheus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// Checker is what a [Collector] needs of a checker. [*health.Checker] implements it.
type Checker interface {
	Snapshot() *health.Snapshot
	Stats() health.Stats
}

var _ Checker = (*health.Checker)(nil)

// Collector collects the metrics of one or several checkers. It is safe for concurrent use, also
// after the checkers were closed.
type Collector struct {
	checkers []Checker
	names    []string // of the checkers, in their order
	noInfo   bool
	err      error // makes Register fail
}

var _ prom.Collector = (*Collector)(nil)

// NewCollector returns a collector for the checkers. Each of several checkers needs a name of its
// own ([health.WithName]), which becomes the label "name". Registering the collector fails if it
// has no checker, a nil checker, or two checkers of the same name. A registry takes one collector:
// give it all checkers.
func NewCollector(checkers ...Checker) *Collector {
	c := &Collector{checkers: slices.Clone(checkers)}
	if len(checkers) == 0 {
		c.err = errors.New("toloka: NewCollector: there is no checker")
	}
	for _, checker := range checkers {
		if isnil.Value(checker) {
			c.err = errors.New(
				"toloka: NewCollector: a checker is nil; handle the error of health.New first")
			break
		}
		name := snapshotOf(checker).State().Name
		if slices.Contains(c.names, name) {
			c.err = fmt.Errorf(
				"toloka: NewCollector: two checkers have the name %q; use health.WithName", name)
			break
		}
		c.names = append(c.names, name)
	}
	return c
}

// WithoutInfo returns a copy of the collector that leaves out toloka_credential_info, for those
// who must not see where the token is stored or its fingerprint.
func (c *Collector) WithoutInfo() *Collector {
	without := *c
	without.noInfo = true
	return &without
}

// Describe sends the descriptions of the metrics. It implements [prom.Collector].
func (c *Collector) Describe(ch chan<- *prom.Desc) {
	if c.err != nil {
		ch <- prom.NewInvalidDesc(c.err)
		return
	}
	for _, d := range descriptions {
		if d != descInfo || !c.noInfo {
			ch <- d
		}
	}
}

// Collect sends the metrics. It reads snapshots and counters: it takes no lock of a checker and
// calls neither the platform nor the token's source. It implements [prom.Collector].
func (c *Collector) Collect(ch chan<- prom.Metric) {
	if c.err != nil {
		ch <- prom.NewInvalidMetric(prom.NewInvalidDesc(c.err), c.err)
		return
	}
	for i, checker := range c.checkers {
		s := sample{ch: ch, name: c.names[i]}
		s.snapshot(snapshotOf(checker), !c.noInfo)
		s.stats(checker.Stats())
	}
}

// snapshotOf never returns nil: a fake may.
func snapshotOf(c Checker) *health.Snapshot {
	if s := c.Snapshot(); s != nil {
		return s
	}
	return &health.Snapshot{}
}

var descriptions []*prom.Desc

// desc describes a metric that has the label "name" and more.
func desc(name, help string, labels ...string) *prom.Desc {
	d := prom.NewDesc("toloka_credential_"+name, help, append([]string{"name"}, labels...), nil)
	descriptions = append(descriptions, d)
	return d
}

var (
	descStatus = desc("status",
		"Whether the credential has this status: 1 for exactly one of pass, warn and fail.",
		"status")
	descReason = desc("reason",
		"Whether this reason holds: 1 for one or more.", "reason")
	descReady = desc("ready",
		"Whether the service should get traffic.")
	descInfo = desc("info",
		"Where the token comes from, always 1.", "environment", "source", "fingerprint")
	descVerified = desc("last_verified_timestamp_seconds",
		"When the request of the last good answer was sent, 0 before there was one.")
	descMaxStale = desc("max_stale_seconds",
		"The age at which the last good answer is too old.")
	descBalance = desc("account_balance_dollars",
		"The account's balance as of the last good answer; absent while it is unknown.")
	descMinBalance = desc("min_balance_dollars",
		"The balance under which the account gets a reason; absent without a minimum.")
	descBreaker = desc("circuit_breaker_state",
		"Whether the circuit breaker has this state: 1 for exactly one.", "state")
	descRequests = desc("platform_requests_total",
		"Requests to the platform, by what the answer means.", "class")
	descDurations = desc("platform_request_duration_seconds",
		"Time until the platform answered.")
	descReads = desc("source_reads_total",
		"Reads of the token's source.", "result")
	descRotations = desc("rotations_total",
		"New tokens that replaced a verified one, or were refused.", "result")
	descDropped = desc("log_lines_dropped_total",
		"Log lines that were lost because the log handler was too slow or panicked.")

	checkerShared = newSharedMetrics(desc)
)

// sample sends the metrics of one checker.
type sample struct {
	ch   chan<- prom.Metric
	name string
}

func (s sample) send(d *prom.Desc, t prom.ValueType, value float64, labels ...string) {
	s.ch <- prom.MustNewConstMetric(d, t, value, s.labels(labels)...)
}

func (s sample) gauge(d *prom.Desc, value float64, labels ...string) {
	s.send(d, prom.GaugeValue, value, labels...)
}

func (s sample) counter(d *prom.Desc, value uint64, labels ...string) {
	s.send(d, prom.CounterValue, float64(value), labels...)
}

// labels returns valid label values: a fake's name or source may be no UTF-8.
func (s sample) labels(more []string) []string {
	all := append([]string{s.name}, more...)
	for i := range all {
		all[i] = strings.ToValidUTF8(all[i], "\uFFFD")
	}
	return all
}

func (s sample) snapshot(snap *health.Snapshot, info bool) {
	state := snap.State()
	for status := health.StatusFail; status <= health.StatusPass; status++ {
		s.gauge(descStatus, number(snap.Status() == status), status.String())
	}
	for r := health.ReasonClosed; r <= health.ReasonVerified; r++ {
		s.gauge(descReason, number(slices.Contains(state.Reasons, r)), r.String())
	}
	s.gauge(descReady, number(snap.Ready()))
	if info {
		s.gauge(descInfo, 1, state.Environment, state.TokenSource, snap.TokenFingerprint())
	}
	s.gauge(descVerified, seconds(state.VerifiedAt))
	s.gauge(descMaxStale, state.MaxStale.Seconds())
	if account := state.Account; account != nil {
		if balance, ok := account.Balance(); ok {
			dollars, _ := balance.Float64()
			s.gauge(descBalance, dollars)
		}
	}
	if least := state.MinBalance; least.Valid {
		dollars, _ := least.Decimal.Float64()
		s.gauge(descMinBalance, dollars)
	}
	for _, breaker := range breakerStates {
		current := state.Breaker
		if current == "" { // no token was asked about
			current = "closed"
		}
		s.gauge(descBreaker, number(current == breaker), breaker)
	}
}

func (s sample) stats(stats health.Stats) {
	for class := requester.Verified; class <= requester.Cancelled; class++ {
		if class != requester.NotAsked { // no request
			s.counter(descRequests, stats.Calls[class], labelOf(class))
		}
	}
	s.ch <- newHistogram(descDurations, stats.Durations, s.labels(nil)...)
	s.counter(descReads, stats.SourceReads, "ok")
	s.counter(descReads, stats.SourceReadErrors, "error")
	s.counter(descRotations, stats.Rotations, "accepted")
	s.counter(descRotations, stats.RefusedRotations, "refused")
	s.counter(descDropped, stats.DroppedLogLines)
	checkerShared.emit(stats.Shared, s.counter, s.gauge)
}

var breakerStates = []string{"closed", "half-open", "open"}

func number(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

// seconds returns a Unix time, and 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
