//go:build !mutation

package health_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

var everyFault = flag.Bool("faults.all", false, "run all faults rather than a sample")

// tooSlow is what the log says of a call that was given up.
var tooSlow = "not within " + faultTimeout.String()

const (
	faultTimeout  = 800 * time.Millisecond // long against a healthy answer on a busy machine
	faultInterval = faultTimeout           // the shortest possible
	faultRecheck  = 200 * time.Millisecond
	faultMaxStale = 4 * time.Second
	faultOpen     = faultMaxStale / 2 // the breaker's longest open time
	// faultStartup is how long Start waits where it gets no verdict; faultHeldStartup where a rate
	// limit holds it; verdictStartup where it gets one.
	faultStartup     = 3 * time.Second
	faultHeldStartup = 3500 * time.Millisecond
	verdictStartup   = 20 * time.Second
	// faultPatience is how long a test waits for what must happen.
	faultPatience = 20 * time.Second
	// faultsAtOnce is how many cases run side by side: they mostly wait, but begin together.
	faultsAtOnce = 48
	// sampledFaults is how many faults of the matrix run without -faults.all.
	sampledFaults = 24
)

// A fault is what can go wrong between the checker and the platform.
type fault struct {
	name  string
	means faultClass
	says  string // text in the log
	arm   func(*faultWorld)

	https bool
	http2 bool
	gzip  bool          // a transport that unpacks
	own   bool          // the client's own transport
	hold  time.Duration // of a 429: how long no call is allowed, with a MaxStale of 20 s
	again bool          // net/http itself may retry on another connection
}

// faultClass is what a fault means by design.
type faultClass uint8

const (
	meansVerified faultClass = iota
	meansRejected
	meansLimited
	meansUnavailable
	meansMalformed
	meansMisdirected
)

func unavailableBy(name, says string, arm func(*faultWorld)) fault {
	return fault{name: name, means: meansUnavailable, says: says, arm: arm}
}

func malformedBy(name, says string, arm func(*faultWorld)) fault {
	return fault{name: name, means: meansMalformed, says: says, arm: arm}
}

func misdirectedBy(name, says string, arm func(*faultWorld)) fault {
	return fault{name: name, means: meansMisdirected, says: says, arm: arm}
}

func (f fault) onTLS() fault {
	f.https = true
	return f
}

func (f fault) onHTTP2(again bool) fault {
	f.http2, f.again = true, again
	return f
}

func (f fault) onOwnTransport() fault {
	f.own = true
	return f
}

func says(c conversation) func(*faultWorld) {
	return func(w *faultWorld) { w.talk(c) }
}

// matrix returns all faults, or a sample that is spread over them. elsewhere is a server that no
// redirect may lead to.
func matrix(t testing.TB, elsewhere string) []fault {
	all := slices.Concat(
		brokenConnections(), brokenNames(), brokenTLS(t), brokenHTTP2(t), brokenAnswers(t), oddAccounts(),
		refusedAnswers(), rateLimits(), otherStatuses(elsewhere),
	)
	if *everyFault {
		return all
	}
	var sample []fault
	for i := range sampledFaults {
		sample = append(sample, all[i*len(all)/sampledFaults])
	}
	return sample
}

// TestFaults has every fault of a network, a proxy or a platform, over real sockets: during Start,
// and later. It runs a sample of them; -faults.all runs the whole matrix.
func TestFaults(t *testing.T) {
	t.Parallel()
	trap := newTrap(t)
	faults := matrix(t, trap.addr())
	start := make([]*meeting, len(faults))
	later := make([]*meeting, len(faults))

	// t.Parallel would run as many cases at once as there are processors.
	var wg sync.WaitGroup
	slots := make(chan struct{}, faultsAtOnce)
	for i, f := range faults {
		for _, meet := range []func(){
			func() { start[i] = meetInTime(t, f, meetAtStart) },
			func() { later[i] = meetInTime(t, f, meetLater) },
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
		t.Run("start/"+f.name, func(t *testing.T) { start[i].checkStart(t, f) })
		t.Run("later/"+f.name, func(t *testing.T) { later[i].checkLater(t, f) })
	}
	assert.Zero(t, trap.visits.Load(), "no redirect is followed")
}

// trap is a server that no request may reach.
type trap struct {
	*faultServer
	visits atomic.Int64
}

func newTrap(t testing.TB) *trap {
	x := &trap{}
	x.faultServer = newFaultServer(t, func(net.Conn, <-chan struct{}) {}, func() { x.visits.Add(1) })
	return x
}

// meeting is what happened when a checker met a fault.
type meeting struct {
	startErr error
	verdict  string
	breaker  string
	ready    bool
	steps    []step
	calls    []time.Time
	log      string
	timedOut string
}

// until waits for something that must happen.
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
	m.verdict, m.breaker, m.ready = verdictOf(snap), snap.State().Breaker, snap.Ready()
	m.calls = w.dials.all()
	m.log = strings.Join(w.log.take(), "\n")
}

// late reports whether the machine was too busy: a call was given up although the fault is quick,
// or did not even return in time.
func (m *meeting) late(f fault) bool {
	said := m.log
	if m.startErr != nil {
		said += m.startErr.Error()
	}
	return strings.Contains(said, "did not return in time") ||
		f.says != tooSlow && strings.Contains(said, tooSlow)
}

// meetInTime repeats a meeting for which the machine was too busy, twice at most.
func meetInTime(t testing.TB, f fault, meet func(testing.TB, fault) *meeting) *meeting {
	m := meet(t, f)
	for range 2 {
		if !m.late(f) {
			break
		}
		t.Logf("%s: a call took longer than %v on a busy machine; again", f.name, faultTimeout)
		m = meet(t, f)
	}
	return m
}

// meetAtStart calls Start while the fault is there.
func meetAtStart(t testing.TB, f fault) *meeting {
	startup := faultStartup
	switch f.means {
	case meansLimited:
		startup = faultHeldStartup
	case meansVerified, meansRejected, meansMisdirected:
		startup = verdictStartup
	}
	w := newFaultWorld(t, f, health.WithMaxStale(20*time.Second), health.WithStartupTimeout(startup))
	defer w.checker.Close()
	f.arm(w)
	m := &meeting{}
	m.startErr = w.checker.Start(context.Background())
	m.take(w)
	return m
}

// meetLater starts a service that is verified, and then arms the fault.
func meetLater(t testing.TB, f fault) *meeting {
	w := newFaultWorld(t, f,
		health.WithMaxStale(faultMaxStale), health.WithStartupTimeout(verdictStartup))
	defer w.checker.Close()
	m := &meeting{}
	if m.startErr = w.checker.Start(context.Background()); m.startErr != nil {
		m.take(w)
		return m
	}
	m.until("the first verdict", func() bool { return len(w.steps.take()) > 0 })
	w.checker.Flush()
	w.log.take()
	healthy := len(w.dials.all())
	f.arm(w)
	armed := time.Now()
	becomes := func(r health.Reason) {
		m.until(r.String(), func() bool { return w.checker.Snapshot().Reason() == r })
	}
	switch f.means {
	case meansVerified:
		m.until("two calls", func() bool { return len(w.dials.all()) >= healthy+3 })
	case meansRejected:
		becomes(health.ReasonRejected)
	default:
		becomes(health.ReasonUnreachable)
	}
	switch f.means {
	case meansUnavailable, meansMalformed, meansMisdirected:
		m.until("the breaker", func() bool { return w.checker.Snapshot().State().Breaker == "open" })
	}
	// The callback and the line come a little later than the snapshot.
	m.until("the callback", func() bool {
		steps := w.steps.peek()
		return f.means == meansVerified ||
			len(steps) > 0 && steps[len(steps)-1].verdict == verdictOf(w.checker.Snapshot())
	})
	w.checker.Flush()
	m.take(w)
	m.steps = w.steps.take()
	m.calls = slices.DeleteFunc(m.calls, func(at time.Time) bool { return at.Before(armed) })
	return m
}

func (m *meeting) checkStart(t *testing.T, f fault) {
	assert.Empty(t, m.timedOut)
	assert.NotContains(t, m.log, tokenA)
	assert.Equal(t, "closed", m.breaker, "failures during Start do not open it")
	var verdict *health.Error
	switch f.means {
	case meansVerified:
		assert.NoError(t, m.startErr)
		assert.Equal(t, "pass: verified", m.verdict)
		assert.Len(t, m.calls, 1)
		assertLine(t, m.log,
			`level=INFO msg="toloka credential verified" environment=127.0.0.1:1 account.id=1`)
	case meansRejected:
		require.ErrorAs(t, m.startErr, &verdict)
		assert.Equal(t, health.ReasonRejected, verdict.Reason)
		assert.Equal(t, requester.Rejected, requester.ClassOf(m.startErr))
		assert.Contains(t, m.startErr.Error(), f.says)
		assert.Equal(t, "fail: rejected", m.verdict)
		assert.Len(t, m.calls, 2)
		assert.Empty(t, m.log, "Start returns the error")
	case meansMisdirected:
		require.ErrorAs(t, m.startErr, &verdict)
		assert.Equal(t, requester.Misdirected, requester.ClassOf(m.startErr))
		assert.Contains(t, m.startErr.Error(), f.says)
		assert.Contains(t, m.startErr.Error(), "check the base URL and any proxy")
		assert.NotContains(t, m.verdict, "rejected")
		assert.Len(t, m.calls, 1)
		assert.Empty(t, m.log, "Start returns the error")
	case meansLimited:
		m.checkUnreachable(t, f)
		most := 1 + int(faultHeldStartup/f.hold)
		assert.LessOrEqual(t, len(m.calls), most)
		assert.GreaterOrEqual(t, len(m.calls), (most+1)/2, "a busy machine may miss one")
		m.checkHold(t, f.hold)
	default:
		m.checkUnreachable(t, f)
		assert.GreaterOrEqual(t, len(m.calls), 2, "Start retries")
		if !f.again {
			assert.LessOrEqual(t, len(m.calls), 5)
		}
	}
}

// checkUnreachable checks a Start that got no verdict in time.
func (m *meeting) checkUnreachable(t *testing.T, f fault) {
	assert.NoError(t, m.startErr)
	assert.Equal(t, "fail: unreachable", m.verdict)
	assertLine(t, m.log, `level=WARN msg="toloka credential cannot be used"`,
		"status=fail reason=unreachable", f.says)
}

func (m *meeting) checkLater(t *testing.T, f fault) {
	const attention = `level=WARN msg="toloka credential works, but needs attention"`
	const unusable = `level=ERROR msg="toloka credential cannot be used"`
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
		return
	case meansRejected:
		assert.Equal(t, []string{"warn: confirming_rejection", "fail: rejected"}, verdicts)
		assert.Equal(t, "closed", m.breaker)
		assert.False(t, m.ready)
		assertLine(t, m.log, attention, "status=warn previous=pass reason=confirming_rejection", f.says)
		assertLine(t, m.log, unusable, "status=fail previous=warn reason=rejected", f.says)
		if len(m.calls) >= 2 {
			// The first connection may have been made late.
			assert.GreaterOrEqual(t, m.calls[1].Sub(m.calls[0]), faultRecheck/2)
		}
		return
	}
	assert.Equal(t, []string{"warn: stale", "fail: unreachable"}, verdicts)
	assert.False(t, m.ready)
	assertLine(t, m.log, attention, "status=warn previous=pass reason=stale", f.says)
	// Without f.says: on a busy machine the last call may have been too slow.
	assertLine(t, m.log, unusable, "status=fail previous=warn reason=unreachable")
	assert.Equal(t, 2, strings.Count(m.log, "\n")+1, "one line for each change of status: %s", m.log)
	if f.means == meansLimited {
		assert.Equal(t, "closed", m.breaker)
		m.checkHold(t, time.Second) // which is less than half of MaxStale, the most
		return
	}
	m.checkBreaker(t, f)
}

// checkBreaker checks that three failures open the breaker, which forbids calls then.
func (m *meeting) checkBreaker(t *testing.T, f fault) {
	require.GreaterOrEqual(t, len(m.calls), 3)
	if f.again || len(m.calls) <= 3 {
		return
	}
	// One call is made all the same, just before the last good answer is too old.
	lastChance := m.calls[0].Add(faultMaxStale - 2*faultInterval - faultTimeout)
	if m.calls[3].Before(lastChance) {
		assert.GreaterOrEqual(t, m.calls[3].Sub(m.calls[2]), faultOpen)
	}
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
		line = strings.ReplaceAll(line, `\"`, `"`)
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return
		}
	}
	assert.Fail(t, fmt.Sprintf("no line with %q", parts), log)
}
