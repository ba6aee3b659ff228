package pollers_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// poller is something in front of a service that decides whether the service is in.
type poller struct {
	name string
	in   func() (bool, error)
	// gate: it has only the gate to go by, which does not close while a service drains. The others ask for readiness.
	gate bool
	// outs is how often the poller has taken the service out; nil where it keeps no count.
	outs func(t *testing.T) int
}

// watched is a service with every kind of poller in front of it.
type watched struct {
	*service
	platform *platform
	tokens   *tokenFile
	blackbox *blackbox
	pollers  []poller
	outs     map[string]int // by poller, what was counted before the test began
}

// watch starts a platform, a service with a good token, and the pollers, and waits until the service is in with all of them.
func watch(t *testing.T, name string, env ...string) *watched {
	t.Helper()
	w := &watched{platform: newPlatform(t), outs: map[string]int{}}
	w.tokens = newTokenFile(t, w.platform.IssueToken(""))
	w.service = start(t, name, process.Reserve(t), w.platform, w.tokens, env...)

	h := startHAProxy(t, w.address)
	for check := range checks {
		w.pollers = append(w.pollers, h.poller(check, w.address))
	}
	n := startNginx(t, process.Reserve(t), w.address)
	w.blackbox = startBlackbox(t)
	w.pollers = append(w.pollers, n.passive(), n.authRequest(),
		w.blackbox.poller(w.url("/healthz")), w.blackbox.poller(w.url("/readyz")))

	w.await(t, true)
	for _, p := range w.pollers {
		if p.outs != nil {
			w.outs[p.name] = p.outs(t)
		}
	}
	return w
}

// await waits until the service is in, or out, with every poller, and returns how long each has taken.
func (w *watched) await(t *testing.T, in bool) map[string]time.Duration {
	t.Helper()
	return awaitAll(t, w.pollers, in)
}

func awaitAll(t *testing.T, pollers []poller, in bool) map[string]time.Duration {
	t.Helper()
	what := map[bool]string{true: "every poller to put the service in", false: "every poller to take the service out"}[in]
	begin := time.Now()
	took := map[string]time.Duration{}
	process.Await(t, what, func() error {
		var missing []error
		for _, p := range pollers {
			is, err := p.in()
			require.NoError(t, err, p.name)
			if _, before := took[p.name]; before {
				require.Equal(t, in, is, "%s has changed its mind", p.name)
			} else if is == in {
				took[p.name] = time.Since(begin)
			} else {
				missing = append(missing, errors.New("not so "+p.name))
			}
		}
		return errors.Join(missing...)
	})
	return took
}

// assertOuts checks how often the service was taken out altogether: no poller has seen it flap.
func (w *watched) assertOuts(t *testing.T, n int) {
	t.Helper()
	for _, p := range w.pollers {
		if p.outs != nil {
			assert.Equal(t, n, p.outs(t)-w.outs[p.name], "how often %s took the service out", p.name)
		}
	}
}

// assertLive checks that nobody is told to kill the service.
func (w *watched) assertLive(t *testing.T) {
	t.Helper()
	live, err := w.blackbox.probe("http_2xx", w.url("/livez"))
	require.NoError(t, err)
	assert.True(t, live, "/livez")
}
