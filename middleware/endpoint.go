package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// endpoint is the handler of one health path. It answers GET, HEAD and OPTIONS (HAProxy's default
// probe) with 200 or 503 and a health document, and other methods with 405. OPTIONS gets the real
// answer, not one about CORS.
//
// The answer is rendered once per snapshot and then served from memory: no lock, no allocation, no
// I/O, no waiting. The zero value reads no checker and always passes: it is the endpoint of /livez,
// because a restart fixes neither the credential nor the platform.
type endpoint struct {
	checkers []Snapshotter
	// verdict is what one snapshot means for this endpoint.
	verdict func(*health.Snapshot) health.Status
	// tellsEnvoy adds Envoy's header while a checker drains.
	tellsEnvoy bool
	details    *detailsPolicy // nil: no details
	// last is the rendering of the latest snapshots, nil before the first request. Requests that
	// race to replace it do the same work twice, and a late one may store an older rendering; the
	// next request replaces that.
	last atomic.Pointer[rendering]
}

var _ http.Handler = (*endpoint)(nil)

// HealthOption configures [Routes].
type HealthOption func(*healthConfig) error

type healthConfig struct {
	checkers   []Snapshotter // in addition to the first
	details    func(*http.Request) bool
	paths      paths
	statusPage func([]Snapshotter, *healthConfig) http.Handler // nil: none
	callers    *Callers
}

// WithCheckers makes the endpoints answer for several checkers, with the worst of their verdicts.
// In the details, each checker has its name ([health.WithName]) as componentId.
func WithCheckers(more ...Snapshotter) HealthOption {
	return func(c *healthConfig) error {
		if err := checkNotNil(more...); err != nil {
			return fmt.Errorf("WithCheckers: %w", err)
		}
		c.checkers = append(c.checkers, more...)
		return nil
	}
}

func newHealthConfig(c Snapshotter, opts []HealthOption) (*healthConfig, error) {
	config := &healthConfig{paths: defaultPaths()}
	return config, errors.Join(checkNotNil(c), apply(config, opts))
}

// newHealth returns the endpoint for /healthz and /readyz, which follows the readiness.
func newHealth(c Snapshotter, config *healthConfig) *endpoint {
	return &endpoint{
		checkers:   append([]Snapshotter{c}, config.checkers...),
		verdict:    (*health.Snapshot).Readiness,
		tellsEnvoy: true,
		details:    newDetailsPolicy(config.details),
	}
}

// newStartup returns the endpoint for /startupz. It does not depend on the platform: a startup
// probe that did would restart the whole fleet during an outage.
func newStartup(checkers []Snapshotter) *endpoint {
	return &endpoint{checkers: checkers, verdict: started}
}

func started(s *health.Snapshot) health.Status {
	if s.State().Started {
		return health.StatusPass
	}
	return health.StatusFail
}

// ServeHTTP answers a probe.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		methodNotAllowed.write(w, r)
		return
	}
	now := e.current()
	if e.details != nil && asksForDetails(r.URL.RawQuery) && e.details.allows(r) {
		now.details.write(w, r)
		return
	}
	now.plain.write(w, r)
}

var methodNotAllowed = newProblem(http.StatusMethodNotAllowed,
	"A health endpoint answers GET, HEAD and OPTIONS.",
	field{keyAllow, []string{"GET, HEAD, OPTIONS"}})

// current returns the rendering of the current snapshots.
func (e *endpoint) current() *rendering {
	last := e.last.Load()
	if last == nil {
		return e.render()
	}
	for i, c := range e.checkers {
		if c.Snapshot() != last.of[i] {
			return e.render()
		}
	}
	return last
}

// rendering is what an endpoint answers while the snapshots of its checkers stay the same.
type rendering struct {
	of      []*health.Snapshot // in the order of the checkers, compared by identity, may be nil
	plain   *response
	details *response // nil without a details policy
}

// judgement is what several snapshots mean together.
type judgement struct {
	status health.Status
	// worst is the first snapshot with that status, nil without checkers.
	worst *health.Snapshot
	// retryAfter is the longest wait among the snapshots that fail: the answer cannot improve
	// earlier.
	retryAfter time.Duration
	draining   bool
}

// render renders the current snapshots and stores the result.
func (e *endpoint) render() *rendering {
	now := &rendering{of: make([]*health.Snapshot, len(e.checkers))}
	snapshots := make([]*health.Snapshot, len(e.checkers))
	for i, c := range e.checkers {
		now.of[i] = c.Snapshot()
		snapshots[i] = now.of[i]
		if snapshots[i] == nil {
			snapshots[i] = unknown
		}
	}
	j := e.judge(snapshots)
	now.plain = e.response(j, plainDocument{j.status})
	if e.details != nil {
		now.details = e.response(j, newDetailsDocument(j, snapshots))
	}
	e.last.Store(now)
	return now
}

// judge returns the worst verdict; without checkers it is pass.
func (e *endpoint) judge(snapshots []*health.Snapshot) judgement {
	j := judgement{status: health.StatusPass}
	for _, s := range snapshots {
		verdict := e.verdict(s)
		if j.worst == nil || verdict < j.status { // statuses are ordered from fail to pass
			j.status, j.worst = verdict, s
		}
		if verdict == health.StatusFail {
			j.retryAfter = max(j.retryAfter, s.State().RetryAfter)
		}
		j.draining = j.draining || s.State().Draining
	}
	return j
}

func (e *endpoint) response(j judgement, document any) *response {
	body := marshal(document)
	if j.status != health.StatusFail {
		return newResponse(http.StatusOK, healthMediaType, body)
	}
	header := []field{{keyRetryAfter, retryAfter(j.retryAfter)}}
	if e.tellsEnvoy && j.draining {
		header = append(header, field{keyEnvoyImmediateFail, []string{"true"}})
	}
	return newResponse(http.StatusServiceUnavailable, healthMediaType, body, header...)
}
