package middleware

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// ContentType is the media type of health documents (draft-inadarei-api-health-check, section 3).
const ContentType = "application/health+json"

// Endpoint answers one health path: GET, HEAD and OPTIONS (the method of HAProxy's default probe) alike, with 200 or 503
// and a health document; other methods with 405. OPTIONS gets the real answer, never one about CORS.
//
// The answer is rendered once per snapshot and served from memory: no lock, no allocation, no I/O, no wait. An Endpoint is
// safe for concurrent use. Its zero value is what [NewLive] returns.
type Endpoint struct {
	checkers []Snapshotter
	// verdict is what one snapshot means for this endpoint.
	verdict func(*health.Snapshot) health.Status
	// tellsEnvoy adds Envoy's header while a checker drains.
	tellsEnvoy bool
	details    func(*http.Request) bool
	// last is the rendering of the snapshots seen last, nil before the first request. Requests that race to replace it do
	// the same work twice, and a late one may put back an older rendering; the next request compares, and renders anew.
	last atomic.Pointer[rendering]
}

var _ http.Handler = (*Endpoint)(nil)

// NewHealth returns the endpoint for /healthz: 200 with {"status":"pass"} or {"status":"warn"} while the service should
// get traffic, 503 with {"status":"fail"} while it should not ([health.Snapshot.Readiness]). It panics if a checker is
// nil; a nil option is passed over.
func NewHealth(c Snapshotter, opts ...HealthOption) *Endpoint {
	var config healthConfig
	for _, opt := range opts {
		if !isnil.Value(opt) {
			opt.applyHealth(&config)
		}
	}
	return newHealth(c, config)
}

// NewReady returns the endpoint for /readyz. It answers exactly as [NewHealth] does: there are two names because some
// platforms ask for one and some for the other.
func NewReady(c Snapshotter, opts ...HealthOption) *Endpoint { return NewHealth(c, opts...) }

// NewStartup returns the endpoint for /startupz: 503 with {"status":"fail"} until Start of every checker has returned nil,
// and 200 with {"status":"pass"} from then on, verified or not: a startup probe that looked at the platform would restart
// the whole fleet in an outage. It panics if a checker is nil.
func NewStartup(c Snapshotter, more ...Snapshotter) *Endpoint {
	return &Endpoint{checkers: allChecked(c, more), verdict: started}
}

// NewLive returns the endpoint for /livez: 200 with {"status":"pass"} as long as the process answers. It looks at no
// checker, because a restart would mend neither the credential nor the platform.
func NewLive() *Endpoint { return &Endpoint{} }

func newHealth(c Snapshotter, config healthConfig) *Endpoint {
	return &Endpoint{
		checkers:   allChecked(c, config.more),
		verdict:    (*health.Snapshot).Readiness,
		tellsEnvoy: true,
		details:    config.details,
	}
}

func started(s *health.Snapshot) health.Status {
	if s.Started() {
		return health.StatusPass
	}
	return health.StatusFail
}

// ServeHTTP answers a probe.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		notAllowed.write(w, r)
		return
	}
	now := e.current()
	if e.details != nil && asksForDetails(r.URL.RawQuery) && e.details(r) {
		now.details.write(w, r)
		return
	}
	now.plain.write(w, r)
}

var notAllowed = newProblemAnswer(methodNotAllowed, field{keyAllow, []string{"GET, HEAD, OPTIONS"}})

// current returns the rendering of this moment's snapshots.
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

// asksForDetails reports whether the query has the key "verbose", with or without a value. It parses no more than it has
// to, and allocates nothing.
func asksForDetails(query string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if key, _, _ := strings.Cut(pair, "="); key == "verbose" {
			return true
		}
	}
	return false
}
