package pollers_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

const (
	// drainDelay is several times longer than what HAProxy needs: 200 ms.
	drainDelay = 1500 * time.Millisecond
	// leastRequests is how many a rolling restart has to see to mean something.
	leastRequests = 300
)

func TestAServiceThatStopsLeavesFirst(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		w := watch(t, name, "DRAIN_DELAY=3s")
		asking := slices.DeleteFunc(slices.Clone(w.pollers), func(p poller) bool { return p.gate })
		begin := time.Now()
		w.Signal(t, syscall.SIGTERM)
		t.Logf("out: %v", awaitAll(t, asking, false))

		require.True(t, w.Running(), "the service ended before it was out with every poller, which took %s", time.Since(begin))
		require.NoError(t, get(w.url("/account"), http.StatusOK, account), "requests that are on their way are still answered")
		w.assertLive(t)

		w.stop(t)
		awaitAll(t, w.pollers, false)
		w.assertOuts(t, 1)
	})
}

func TestARollingRestartBehindHAProxy(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		for check := range checks {
			t.Run("loses no request with "+check, func(t *testing.T) {
				r := newRolling(t, name, "DRAIN_DELAY="+drainDelay.String())
				h := startHAProxy(t, r.addresses...)
				l := startLoad(t, h.url(check, "/account"))
				for i := range r.services {
					r.stopped(t, i)
					process.Await(t, "HAProxy to take it out", h.is(check, r.addresses[i], false))
					require.True(t, r.services[i].Running(), "the service ended before HAProxy took it out")
					r.restart(t, i)
					process.Await(t, "HAProxy to put it back", h.is(check, r.addresses[i], true))
				}
				l.assertNothingLost(t, r)
			})
		}
	})
}

// Without this one, nobody would know that the load above can lose anything.
func TestARollingRestartWithoutADrainDelayLosesRequestsBehindHAProxy(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		r := newRolling(t, name)
		h := startHAProxy(t, r.addresses...)
		l := startLoad(t, h.url("options-healthz", "/account"))
		r.stopped(t, 0)
		process.Await(t, "HAProxy to take it out", h.is("options-healthz", r.addresses[0], false))
		l.end()
		t.Logf("%d of %d requests lost", len(l.lost), l.requests)
		assert.NotEmpty(t, l.lost)
	})
}

// nginx asks nobody, so a drain delay tells it nothing. What it needs is that a service which stops answers what it has
// accepted, and refuses the rest, which nginx then gives to the other server.
func TestARollingRestartBehindNginx(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		r := newRolling(t, name)
		n := startNginx(t, "", r.addresses...)
		l := startLoad(t, n.url("/account"))
		for i := range r.services {
			r.stopped(t, i)
			r.restart(t, i)
			l.awaitServer(t, r.addresses[i])
		}
		l.assertNothingLost(t, r)
	})
}

// rolling is two instances of a service, which are restarted one after the other.
type rolling struct {
	name      string
	env       []string
	platform  *platform
	tokens    *tokenFile
	addresses []string
	services  []*service
}

func newRolling(t *testing.T, name string, env ...string) *rolling {
	t.Helper()
	r := &rolling{name: name, env: env, platform: newPlatform(t)}
	r.tokens = newTokenFile(t, r.platform.IssueToken(""))
	for range 2 {
		address := process.Reserve(t)
		r.addresses = append(r.addresses, address)
		r.services = append(r.services, start(t, name, address, r.platform, r.tokens, env...))
	}
	return r
}

// stopped tells an instance to stop.
func (r *rolling) stopped(t *testing.T, i int) {
	t.Helper()
	r.services[i].Signal(t, syscall.SIGTERM)
}

// restart waits for the end of an instance and starts it anew.
func (r *rolling) restart(t *testing.T, i int) {
	t.Helper()
	r.services[i].stop(t)
	r.services[i] = start(t, r.name, r.addresses[i], r.platform, r.tokens, r.env...)
}

func (h *haproxy) is(check, server string, in bool) func() error {
	return func() error {
		is, err := h.in(check, server)
		if err == nil && is != in {
			err = errors.New("not so yet")
		}
		return err
	}
}

// awaitServer waits until a server has answered a request that was made from now on.
func (l *load) awaitServer(t *testing.T, server string) {
	t.Helper()
	answered := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.servers[server]
	}
	before := answered()
	process.Await(t, server+" to answer a request", func() error {
		if n := answered(); n == before {
			return fmt.Errorf("it has answered %d so far", n)
		}
		return nil
	})
}

func (l *load) assertNothingLost(t *testing.T, r *rolling) {
	t.Helper()
	l.end()
	t.Logf("%d requests, by server: %v", l.requests, l.servers)
	assert.Empty(t, l.lost)
	assert.Greater(t, l.requests, leastRequests)
	assert.Less(t, l.requests, mostRequests, "the load ended before the restart")
	for _, address := range r.addresses {
		assert.NotZero(t, l.servers[address], "requests that %s answered", address)
	}
	assert.Len(t, l.servers, len(r.addresses))
}
