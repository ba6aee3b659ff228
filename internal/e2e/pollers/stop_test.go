package pollers_test

import (
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
	// drainDelay is several times longer than the slowest balancer needs: 300 ms.
	drainDelay = 1500 * time.Millisecond
	// leastRequests is how many requests a rolling restart must see for the test to be meaningful.
	leastRequests = 300
)

func TestDrain(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		w := watch(t, name, "DRAIN_DELAY=3s")
		asking := slices.DeleteFunc(slices.Clone(w.pollers), func(p poller) bool { return p.gate })
		begin := time.Now()
		w.Signal(t, syscall.SIGTERM)
		t.Logf("out: %v", awaitAll(t, asking, false))

		require.True(t, w.Running(),
			"the service ended before every poller took it out, after %s", time.Since(begin))
		require.NoError(t, get(w.url("/account"), http.StatusOK, account))
		w.assertLive(t)

		w.stopped(t)
		awaitAll(t, w.pollers, false)
		w.assertOuts(t, 1)
	})
}

func TestRollingRestartBehindHAProxy(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		for check := range haproxyChecks {
			t.Run(check, func(t *testing.T) {
				r := newRolling(t, name, "DRAIN_DELAY="+drainDelay.String())
				h := startHAProxy(t, r.addresses...)
				l := startLoad(t, h.url(check, "/account"))
				for i := range r.services {
					r.stop(t, i)
					process.Await(t, "HAProxy to take it out", h.is(check, r.addresses[i], false))
					require.True(t, r.services[i].Running(), "the service ended too early")
					r.restart(t, i)
					process.Await(t, "HAProxy to put it back", h.is(check, r.addresses[i], true))
				}
				l.assertNothingLost(t, r)
			})
		}
	})
}

// TestRollingRestartWithoutDrainDelay checks that the load in these tests can lose requests.
func TestRollingRestartWithoutDrainDelay(t *testing.T) {
	t.Parallel()
	const check = "options-healthz"
	eachService(t, func(t *testing.T, name string) {
		r := newRolling(t, name)
		h := startHAProxy(t, r.addresses...)
		l := startLoad(t, h.url(check, "/account"))
		r.stop(t, 0)
		process.Await(t, "HAProxy to take it out", h.is(check, r.addresses[0], false))
		l.end()
		t.Logf("%d of %d requests lost", len(l.lost), l.requests)
		assert.NotEmpty(t, l.lost)
	})
}

// TestRollingRestart restarts two services behind balancers that do not tell which servers get
// requests.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	drain := "DRAIN_DELAY=" + drainDelay.String()
	balancers := []struct {
		name  string
		env   []string
		start func(t *testing.T, first, second string) (address string)
	}{
		// Open-source nginx makes no health checks, so a drain does not help it. The service
		// answers what it has accepted and refuses new connections, and nginx tries the other
		// server.
		{"nginx", nil, startNginxPassive},
		// Caddy tries the other server as well, with or without a drain.
		{"Caddy", nil, func(t *testing.T, first, second string) string {
			return runCaddy(t, caddyActiveConfig(t, first, second))
		}},
		{"Caddy_drain", []string{drain}, func(t *testing.T, first, second string) string {
			return runCaddy(t, caddyActiveConfig(t, first, second))
		}},
		{"Apache_drain", []string{drain}, func(t *testing.T, first, second string) string {
			return runApache(t, apacheConfig(t, first, second))
		}},
		{"Varnish_drain", []string{drain}, func(t *testing.T, first, second string) string {
			return runVarnish(t, varnishConfig(t, first, second).
				replace(t, "backend service_1 {", "backend port_"+port(t, first)+" {").
				replace(t, "backend service_2 {", "backend port_"+port(t, second)+" {").
				replace(t, "add_backend(service_1)", "add_backend(port_"+port(t, first)+")").
				replace(t, "add_backend(service_2)", "add_backend(port_"+port(t, second)+")").
				replace(t, "sub vcl_recv {", varnishServerHeader+"sub vcl_recv {"))
		}},
	}
	for _, balancer := range balancers {
		t.Run(balancer.name, func(t *testing.T) {
			eachService(t, func(t *testing.T, name string) {
				r := newRolling(t, name, balancer.env...)
				address := balancer.start(t, r.addresses[0], r.addresses[1])
				l := startLoad(t, "http://"+address+"/account")
				for i := range r.services {
					r.stop(t, i)
					r.restart(t, i)
					l.awaitServer(t, r.addresses[i])
				}
				l.assertNothingLost(t, r)
			})
		})
	}
}

// rolling is two instances of a service that are restarted one after the other.
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

// stop asks an instance to stop.
func (r *rolling) stop(t *testing.T, i int) {
	t.Helper()
	r.services[i].Signal(t, syscall.SIGTERM)
}

// restart waits for the end of an instance and starts a new one.
func (r *rolling) restart(t *testing.T, i int) {
	t.Helper()
	r.services[i].stopped(t)
	r.services[i] = start(t, r.name, r.addresses[i], r.platform, r.tokens, r.env...)
}

// awaitServer waits until a server answers another request.
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
