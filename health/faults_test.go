//go:build !mutation

package health_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
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

const (
	faultInterval = 200 * time.Millisecond
	faultTimeout  = 600 * time.Millisecond // long against what a healthy answer takes on a busy machine
	faultStartup  = 10 * time.Second       // long enough for three calls that time out, three times over
	faultMaxStale = 6 * time.Second        // likewise, with room for a busy machine
	// faultHeldStartup is how long Start goes on where it is held back by a rate limit, and would go on to the end.
	faultHeldStartup = 3500 * time.Millisecond
	// faultPatience is how long a test waits for what has to come.
	faultPatience = 20 * time.Second
	// faultsAtOnce is how many cases run beside each other: they mostly wait.
	faultsAtOnce = 32
)

// Every fault that a network, a proxy or a platform has, over real sockets, met at the start and met by a service that runs.
func TestFaults(t *testing.T) {
	trap := newTrap(t)
	faults := allFaults(t, trap.addr())
	before := make([]*meeting, len(faults))
	after := make([]*meeting, len(faults))

	// t.Parallel runs as many cases at once as there are processors, and these do nothing but wait.
	var wg sync.WaitGroup
	slots := make(chan struct{}, faultsAtOnce)
	for i, f := range faults {
		for _, meet := range []func(){
			func() { before[i] = meetAtTheStart(t, f) },
			func() { after[i] = meetLater(t, f) },
		} {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				meet()
			})
		}
	}
	wg.Wait()

	for i, f := range faults {
		t.Run("at the start: "+f.name, func(t *testing.T) { before[i].checkStart(t, f) })
		t.Run("later: "+f.name, func(t *testing.T) { after[i].checkLater(t, f) })
	}
	t.Run("no redirect leads anywhere", func(t *testing.T) {
		assert.Zero(t, trap.visits.Load())
	})
}

// trap is a server that nobody may come to.
type trap struct {
	*faultServer
	visits atomic.Int64
}

func newTrap(t testing.TB) *trap {
	x := &trap{}
	x.faultServer = newFaultServer(t, func(net.Conn, <-chan struct{}) {}, func() { x.visits.Add(1) })
	return x
}

// faultWorld is a platform that works until its fault is armed, and a checker of it.
type faultWorld struct {
	fault     fault
	server    *faultServer
	names     *nameServer
	authority *authority
	tls       *tls.Config
	target    atomic.Pointer[string]
	dials     dialLog
	log       *logBuffer
	steps     *stepLog
	checker   *health.Checker
}

// dialLog has the time of every connection that was asked for: one for each call, as none is kept.
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

// stepLog has every change of the verdict that OnChange was told of.
type stepLog struct {
	dials *dialLog
	mu    sync.Mutex
	steps []step
}

type step struct {
	verdict string
	breaker string
	calls   int // until then
}

func (l *stepLog) add(old, snap *health.Snapshot) {
	if verdictOf(old) == verdictOf(snap) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, step{verdictOf(snap), snap.Breaker(), len(l.dials.all())})
}

func (l *stepLog) take() []step {
	l.mu.Lock()
	defer l.mu.Unlock()
	steps := l.steps
	l.steps = nil
	return steps
}

func newFaultWorld(t testing.TB, f fault, opts ...health.Option) *faultWorld {
	w := &faultWorld{fault: f, log: &logBuffer{}}
	w.steps = &stepLog{dials: &w.dials}
	base := "http://127.0.0.1:1"
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: !f.gzip, DialContext: w.dial}
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
		w.tls = w.authority.server(t, "platform.test", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		transport.TLSClientConfig = &tls.Config{RootCAs: w.authority.pool()}
		transport.ForceAttemptHTTP2 = f.http2
		w.talk(answers(200, jsonType, goodAccount))
	}
	client, err := requester.New(requester.Production, append(options, requester.WithBaseURL(base))...)
	require.NoError(t, err)
	all := append([]health.Option{
		health.WithClient(client), health.WithJitter(0.5), health.WithInterval(faultInterval), health.WithRejectionRecheck(100 * time.Millisecond),
		health.WithBreakerOpen(time.Minute), health.OnChange(w.steps.add),
		health.WithLogger(slog.New(slog.NewTextHandler(w.log, nil))),
	}, opts...)
	w.checker, err = health.New(credentials.Static(tokenA), all...)
	require.NoError(t, err)
	return w
}

// dial counts the calls, and leads all of them to where the platform is at the moment.
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

// talk changes what the platform says; talkRaw what it says in place of a handshake.
func (w *faultWorld) talk(c conversation) {
	if w.tls != nil {
		c = overTLS(w.tls, c)
	}
	w.server.will(c)
}

func (w *faultWorld) talkRaw(c conversation) { w.server.will(c) }

// closedPort is an address on which nobody listens.
func closedPort() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:1"
	}
	defer listener.Close()
	return listener.Addr().String()
}

// meeting is what came of meeting a fault.
type meeting struct {
	startErr error
	verdict  string
	breaker  string
	ready    bool
	balance  bool
	steps    []step
	calls    []time.Time
	log      string
	timedOut string
}

// until waits for something that has to come.
func (m *meeting) until(what string, holds func() bool) {
	for deadline := time.Now().Add(faultPatience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.timedOut = what
			return
		}
	}
}

func (m *meeting) take(w *faultWorld) {
	snap := w.checker.Snapshot()
	m.verdict, m.breaker, m.ready = verdictOf(snap), snap.Breaker(), snap.Ready()
	if account, err := snap.Account(); err == nil {
		_, m.balance = account.Balance()
	}
	m.calls = w.dials.all()
	m.log = strings.Join(w.log.take(), "\n")
}

// meetAtTheStart calls Start while the fault is there.
func meetAtTheStart(t testing.TB, f fault) *meeting {
	startup := faultStartup
	if f.means == meansLimited {
		startup = faultHeldStartup
	}
	w := newFaultWorld(t, f, health.WithMaxStale(20*time.Second), health.WithStartupTimeout(startup))
	defer w.checker.Close()
	f.arm(w)
	m := &meeting{}
	m.startErr = w.checker.Start(context.Background())
	m.take(w)
	return m
}

// meetLater has the fault come while a verified service runs.
func meetLater(t testing.TB, f fault) *meeting {
	w := newFaultWorld(t, f, health.WithMaxStale(faultMaxStale))
	defer w.checker.Close()
	m := &meeting{}
	if m.startErr = w.checker.Start(context.Background()); m.startErr != nil {
		m.take(w)
		return m
	}
	m.until("the first verdict", func() bool { return len(w.steps.take()) > 0 })
	w.log.take()
	healthy := len(w.dials.all())
	f.arm(w)
	armed := time.Now()
	switch f.means {
	case meansVerified:
		m.until("two calls", func() bool { return len(w.dials.all()) >= healthy+3 })
	case meansRejected:
		m.until("rejected", func() bool { return w.checker.Snapshot().Reason() == health.ReasonRejected })
	default:
		m.until("unreachable", func() bool { return w.checker.Snapshot().Reason() == health.ReasonUnreachable })
	}
	// The line is written after the snapshot is published, and the callback comes a little later still.
	m.until("the callback", func() bool {
		steps := w.steps.peek()
		return f.means == meansVerified || len(steps) > 0 && steps[len(steps)-1].verdict == verdictOf(w.checker.Snapshot())
	})
	m.until("the log", func() bool { return f.means == meansVerified || w.log.has("status=fail") })
	m.take(w)
	m.steps = w.steps.take()
	m.calls = slices.DeleteFunc(m.calls, func(at time.Time) bool { return at.Before(armed) })
	return m
}

func (l *stepLog) peek() []step {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.steps)
}

func (b *logBuffer) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.buf.String(), text)
}

func (m *meeting) checkStart(t *testing.T, f fault) {
	assert.Empty(t, m.timedOut)
	assert.NotContains(t, m.log, tokenA)
	var verdict *health.Error
	switch f.means {
	case meansVerified:
		assert.NoError(t, m.startErr)
		assert.Equal(t, "pass: verified", m.verdict)
		assert.Len(t, m.calls, 1)
		assertLine(t, m.log, `level=INFO msg="toloka credential verified" environment=127.0.0.1:1 account.id=1`)
	case meansRejected:
		require.ErrorAs(t, m.startErr, &verdict)
		assert.Equal(t, health.ReasonRejected, verdict.Reason)
		assert.Equal(t, requester.Rejected, requester.ClassOf(m.startErr))
		assert.Equal(t, "fail: rejected", m.verdict)
		assert.Len(t, m.calls, 2)
		assertLine(t, m.log, `level=ERROR msg="toloka credential cannot be used"`, "status=fail reason=rejected", f.says)
	case meansMisdirected:
		require.ErrorAs(t, m.startErr, &verdict)
		assert.Equal(t, requester.Misdirected, requester.ClassOf(m.startErr))
		assert.Contains(t, m.startErr.Error(), f.says)
		assert.Contains(t, m.startErr.Error(), "check the base URL and any proxy")
		assert.NotContains(t, m.verdict, "rejected")
		assert.Len(t, m.calls, 1)
	case meansLimited:
		assert.NoError(t, m.startErr)
		assert.Equal(t, "fail: unreachable", m.verdict)
		most := 1 + int(faultHeldStartup/f.hold)
		assert.LessOrEqual(t, len(m.calls), most)
		assert.GreaterOrEqual(t, len(m.calls), (most+1)/2, "a busy machine may make one come too late for another")
		m.checkHold(t, f.hold)
		assertLine(t, m.log, `level=WARN msg="toloka credential cannot be used"`, "status=fail reason=unreachable", f.says)
	default:
		assert.NoError(t, m.startErr)
		assert.Equal(t, "fail: unreachable", m.verdict)
		m.checkThree(t, f)
		assertLine(t, m.log, `level=WARN msg="toloka credential cannot be used"`, "status=fail reason=unreachable", f.says)
	}
	if f.means != meansUnavailable && f.means != meansMalformed {
		assert.Equal(t, "closed", m.breaker)
	}
}

func (m *meeting) checkLater(t *testing.T, f fault) {
	require.NoError(t, m.startErr)
	assert.Empty(t, m.timedOut)
	assert.NotContains(t, m.log, tokenA)
	var verdicts []string
	for _, s := range m.steps {
		verdicts = append(verdicts, s.verdict)
	}
	switch f.means {
	case meansVerified:
		assert.Equal(t, "pass: verified", m.verdict)
		assert.Empty(t, m.steps)
		assert.Empty(t, m.log)
		assert.Equal(t, "closed", m.breaker)
	case meansRejected:
		assert.Equal(t, []string{"warn: confirming_rejection", "fail: rejected"}, verdicts)
		assert.Equal(t, "closed", m.breaker)
		assert.False(t, m.ready)
		assertLine(t, m.log, `level=WARN msg="toloka credential works, but needs attention"`, "status=warn previous=pass reason=confirming_rejection", f.says)
		assertLine(t, m.log, `level=ERROR msg="toloka credential cannot be used"`, "status=fail previous=warn reason=rejected", f.says)
		if len(m.calls) >= 2 {
			assert.GreaterOrEqual(t, m.calls[1].Sub(m.calls[0]), 100*time.Millisecond, "the confirmation has some distance to what it confirms")
		}
	default:
		assert.Equal(t, []string{"warn: stale", "fail: unreachable"}, verdicts)
		assert.False(t, m.ready)
		assertLine(t, m.log, `level=WARN msg="toloka credential works, but needs attention"`, "status=warn previous=pass reason=stale", f.says)
		assertLine(t, m.log, `level=ERROR msg="toloka credential cannot be used"`, "status=fail previous=warn reason=unreachable", f.says)
		assert.Equal(t, 2, strings.Count(m.log, "\n")+1, "one line for each change of status: %s", m.log)
		if f.means == meansLimited {
			assert.Equal(t, "closed", m.breaker)
			m.checkHold(t, time.Second) // which is less than half of MaxStale, the most
			return
		}
		m.checkThree(t, f)
	}
}

// checkThree: three failures open the breaker, and then nothing is asked.
func (m *meeting) checkThree(t *testing.T, f fault) {
	assert.Equal(t, "open", m.breaker)
	if f.again {
		assert.GreaterOrEqual(t, len(m.calls), 3)
		return
	}
	assert.Len(t, m.calls, 3)
}

func (m *meeting) checkHold(t *testing.T, hold time.Duration) {
	for i := 1; i < len(m.calls); i++ {
		assert.GreaterOrEqual(t, m.calls[i].Sub(m.calls[i-1]), hold, "asked again too early")
	}
}

// assertLine asserts that one line of the log has all parts.
func assertLine(t *testing.T, log string, parts ...string) {
	t.Helper()
	for line := range strings.SplitSeq(log, "\n") {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(strings.ReplaceAll(line, `\"`, `"`), part) }) {
			return
		}
	}
	assert.Fail(t, fmt.Sprintf("no line with %q", parts), log)
}
