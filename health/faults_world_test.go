//go:build !mutation

package health_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// faultWorld is a platform that works until its fault is armed, and a checker of it.
type faultWorld struct {
	t         testing.TB
	server    *faultServer
	names     *nameServer
	authority *authority
	tls       *tls.Config
	target    atomic.Pointer[string]
	dials     dialLog
	log       *logBuffer
	steps     stepLog
	checker   *health.Checker
}

// dialLog has the time of every connection: one for each call, as none is kept alive.
type dialLog struct {
	mu    sync.Mutex
	times []time.Time
}

func (l *dialLog) add() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times = append(l.times, time.Now())
}

func (l *dialLog) all() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.times)
}

// stepLog has every change of the verdict that OnChange reported.
type stepLog struct {
	mu    sync.Mutex
	steps []step
}

type step struct{ verdict string }

func (l *stepLog) add(old, snap *health.Snapshot) {
	if verdictOf(old) == verdictOf(snap) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, step{verdictOf(snap)})
}

func (l *stepLog) take() []step {
	l.mu.Lock()
	defer l.mu.Unlock()
	steps := l.steps
	l.steps = nil
	return steps
}

func newFaultWorld(t testing.TB, f fault, opts ...health.Option) *faultWorld {
	t.Helper()
	w := &faultWorld{t: t, log: &logBuffer{}}
	base := "http://127.0.0.1:1"
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: !f.gzip, DialContext: w.dial,
	}
	options := []requester.Option{requester.WithTimeout(faultTimeout)}
	if f.own {
		w.server = newFaultServer(t, answers(200, jsonType, goodAccount), w.dials.add)
		base = "http://" + w.server.addr()
	} else {
		w.server = newFaultServer(t, answers(200, jsonType, goodAccount), nil)
		options = append(options, requester.WithHTTPClient(&http.Client{Transport: transport}))
	}
	if f.https || f.http2 {
		base = "https://platform.test"
		w.names, w.authority = newNameServer(t), newAuthority(t)
		now := time.Now()
		w.tls = w.authority.server(t, "platform.test", now.Add(-time.Hour), now.Add(time.Hour))
		transport.TLSClientConfig = &tls.Config{RootCAs: w.authority.pool()}
		transport.ForceAttemptHTTP2 = f.http2
		w.talk(answers(200, jsonType, goodAccount))
	}
	client, err := requester.New(requester.Production, append(options, requester.WithBaseURL(base))...)
	require.NoError(t, err)
	all := append([]health.Option{
		health.WithClient(client), health.WithJitter(0.5), health.WithInterval(faultInterval),
		health.WithRejectionRecheck(faultRecheck), health.WithBreakerOpen(faultOpen),
		health.OnChange(w.steps.add), health.WithLogger(w.log.logger()),
	}, opts...)
	w.checker, err = health.New(credentials.Static(tokenA), all...)
	require.NoError(t, err)
	return w
}

// dial counts the calls, and connects all of them to where the platform is at the moment.
func (w *faultWorld) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.dials.add()
	var dialer net.Dialer
	target := w.server.addr()
	if w.names != nil {
		dialer.Resolver = w.names.resolver()
		_, port, _ := net.SplitHostPort(target)
		target = net.JoinHostPort("platform.test", port)
	}
	if other := w.target.Load(); other != nil {
		target = *other
	}
	return dialer.DialContext(ctx, network, target)
}

func (w *faultWorld) dialTo(addr string) { w.target.Store(&addr) }

// talk changes what the platform answers, after the handshake if there is one.
func (w *faultWorld) talk(c conversation) {
	if w.tls != nil {
		c = overTLS(w.tls, c)
	}
	w.server.will(c)
}

// talkRaw changes what it answers in place of a handshake.
func (w *faultWorld) talkRaw(c conversation) { w.server.will(c) }

// refuse makes every connection be refused. The port belongs to a client's connection, so that no
// other test can listen on it meanwhile.
func (w *faultWorld) refuse() {
	conn, err := net.Dial("tcp", w.server.addr())
	if !assert.NoError(w.t, err) {
		return
	}
	w.t.Cleanup(func() { conn.Close() })
	w.dialTo(conn.LocalAddr().String())
}

func (l *stepLog) peek() []step {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.steps)
}
