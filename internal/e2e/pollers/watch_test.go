package pollers_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// poller decides whether a service gets requests.
type poller struct {
	name string
	// in reports whether the service gets requests.
	in func() (bool, error)
	// gate is true if the poller observes only requests, and so does not notice a drain: the gate
	// stays open. The other pollers ask for readiness.
	gate bool
	// outs is how often the poller has taken the service out. Nil: the poller does not count.
	outs func(t *testing.T) int
}

// watched is a service with every poller in front of it.
type watched struct {
	*service
	platform *platform
	tokens   *tokenFile
	blackbox *blackbox
	pollers  []poller
	outs     map[string]int // by poller, the count before the test
}

// watch starts a platform, a service with a valid token, and the pollers, and waits until the
// service gets requests from all of them.
func watch(t *testing.T, name string, env ...string) *watched {
	t.Helper()
	w := &watched{platform: newPlatform(t), outs: map[string]int{}}
	w.tokens = newTokenFile(t, w.platform.IssueToken(""))
	w.service = start(t, name, process.Reserve(t), w.platform, w.tokens, env...)

	backup := startBackup(t)
	w.blackbox = startBlackbox(t)
	w.pollers = append(startHAProxy(t, w.address).pollers(w.address),
		nginxPassive(t, w.address, backup),
		nginxAuthRequest(t, w.address),
		caddyActive(t, w.address, backup),
		caddyPassive(t, w.address, backup),
		apache(t, w.address, backup),
		varnish(t, w.address, backup),
		w.blackbox.poller(w.url("/healthz")),
		w.blackbox.poller(w.url("/readyz")),
	)
	for _, rule := range rules {
		w.pollers = append(w.pollers, rule.poller(w.url("/readyz")))
	}

	w.await(t, true)
	for _, p := range w.pollers {
		if p.outs != nil {
			w.outs[p.name] = p.outs(t)
		}
	}
	return w
}

// await waits until every poller has the service in, or out, and returns how long each took.
func (w *watched) await(t *testing.T, in bool) map[string]time.Duration {
	t.Helper()
	return awaitAll(t, w.pollers, in)
}

func awaitAll(t *testing.T, pollers []poller, in bool) map[string]time.Duration {
	t.Helper()
	what := "every poller to take the service out"
	if in {
		what = "every poller to put the service in"
	}
	begin := time.Now()
	took := map[string]time.Duration{}
	process.Await(t, what, func() error {
		var missing []error
		for _, p := range pollers {
			is, err := p.in()
			require.NoError(t, err, p.name)
			if _, before := took[p.name]; before {
				require.Equal(t, in, is, "%s changed its decision", p.name)
			} else if is == in {
				took[p.name] = time.Since(begin)
			} else {
				missing = append(missing, errors.New("not yet: "+p.name))
			}
		}
		return errors.Join(missing...)
	})
	return took
}

// assertOuts checks how often each poller has taken the service out: it must not flap.
func (w *watched) assertOuts(t *testing.T, n int) {
	t.Helper()
	for _, p := range w.pollers {
		if p.outs != nil {
			assert.Equal(t, n, p.outs(t)-w.outs[p.name], "how often %s took the service out", p.name)
		}
	}
}

// assertLive checks that the liveness probe succeeds.
func (w *watched) assertLive(t *testing.T) {
	t.Helper()
	live, err := w.blackbox.probe("http_2xx", w.url("/livez"))
	require.NoError(t, err)
	assert.True(t, live, "/livez")
}
