package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// Endpoint is the handler of one health path. It answers GET, HEAD and OPTIONS (HAProxy's default
// probe) with 200 or 503 and a health document, and other methods with 405. OPTIONS gets the real
// answer, not one about CORS.
//
// The answer is rendered once per snapshot and then served from memory: no lock, no allocation, no
// I/O, no waiting. An Endpoint is safe for concurrent use. The zero value is what [NewLive]
// returns.
type Endpoint struct {
	checkers []Snapshotter
	// verdict is what one snapshot means for this endpoint.
	verdict func(*health.Snapshot) health.Status
	// tellsEnvoy adds Envoy's header while a checker drains.
	tellsEnvoy bool
	details    *detailsPolicy // nil: no details
	page       bool           // the status page
	callers    *Callers       // for the status page, may be nil
	// last is the rendering of the latest snapshots, nil before the first request. Requests that
	// race to replace it do the same work twice, and a late one may store an older rendering; the
	// next request replaces that.
	last atomic.Pointer[rendering]
}

var _ http.Handler = (*Endpoint)(nil)

// HealthOption configures [NewHealth] and [Routes].
type HealthOption func(*healthConfig) error

type healthConfig struct {
	checkers   []Snapshotter // in addition to the first
	details    func(*http.Request) bool
	paths      paths
	pathOption string // the last option given that only Routes accepts
	statusPage bool
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

// NewHealth returns the endpoint for /healthz and /readyz: 200 with {"status":"pass"} or
// {"status":"warn"} while the service should get traffic, and 503 with {"status":"fail"} while it
// should not ([health.Snapshot.Readiness]).
//
// It returns an error that lists every invalid option, or that a checker is nil. [WithPrefix] and
// [WithPath] are options of [Routes] and invalid here.
func NewHealth(c Snapshotter, opts ...HealthOption) (*Endpoint, error) {
	config, err := newHealthConfig(c, opts)
	if err := wiringError("NewHealth", err, config.noPathOption(), config.noCallersOption()); err != nil {
		return nil, err
	}
	return newHealth(c, config), nil
}

// NewStartup returns the endpoint for /startupz: 503 with {"status":"fail"} until Start of every
// checker has returned nil, and 200 with {"status":"pass"} from then on, verified or not. A startup
// probe that depended on the platform would restart the whole fleet during an outage.
//
// It returns an error if a checker is nil.
func NewStartup(c Snapshotter, more ...Snapshotter) (*Endpoint, error) {
	checkers := append([]Snapshotter{c}, more...)
	if err := checkNotNil(checkers...); err != nil {
		return nil, wiringError("NewStartup", err)
	}
	return newStartup(checkers), nil
}

// NewLive returns the endpoint for /livez: 200 with {"status":"pass"} as long as the process
// answers. It reads no checker, because a restart fixes neither the credential nor the platform.
func NewLive() *Endpoint { return &Endpoint{} }

func newHealthConfig(c Snapshotter, opts []HealthOption) (*healthConfig, error) {
	config := &healthConfig{paths: defaultPaths()}
	return config, errors.Join(checkNotNil(c), apply(config, opts))
}

// noPathOption returns an error if an option was given that only Routes accepts.
func (c *healthConfig) noPathOption() error {
	if c.pathOption == "" {
		return nil
	}
	return fmt.Errorf("%s: use it with Routes or RegisterHealth; a single endpoint has no path", c.pathOption)
}

func newHealth(c Snapshotter, config *healthConfig) *Endpoint {
	return &Endpoint{
		checkers:   append([]Snapshotter{c}, config.checkers...),
		verdict:    (*health.Snapshot).Readiness,
		tellsEnvoy: true,
		details:    newDetailsPolicy(config.details),
	}
}

func newStartup(checkers []Snapshotter) *Endpoint {
	return &Endpoint{checkers: checkers, verdict: started}
}

func started(s *health.Snapshot) health.Status {
	if s.State().Started {
		return health.StatusPass
	}
	return health.StatusFail
}

// ServeHTTP answers a probe.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.page {
		e.servePage(w, r)
		return
	}
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
func (e *Endpoint) current() *rendering {
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
func (e *Endpoint) render() *rendering {
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
func (e *Endpoint) judge(snapshots []*health.Snapshot) judgement {
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

func (e *Endpoint) response(j judgement, document any) *response {
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
