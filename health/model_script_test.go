package health_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/govalues/decimal"
	"pgregory.net/rapid"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
)

// modelTokens is how many tokens there are in a script.
const modelTokens = 4

var modelTokenValues, modelFingerprints = func() (values []credentials.Token, shown []string) {
	for i := range modelTokens {
		t, err := credentials.ParseToken(modelTokenValue(i))
		if err != nil {
			panic(err)
		}
		values, shown = append(values, t), append(shown, t.Fingerprint())
	}
	return values, shown
}()

// modelScript is everything that happens to a checker from outside. It is drawn before the bubble
// in which it is replayed.
type modelScript struct {
	config  modelConfig
	answers [modelTokens]modelAnswer
	holding []int
	steps   []modelStep
}

// modelConfig has the options of a checker, and what its provider can do.
type modelConfig struct {
	interval, timeout, maxStale, breakerOpen time.Duration
	pollInterval, sourceTimeout              time.Duration
	recheck, startupTimeout                  time.Duration
	threshold, breakerFailures               int
	jitter                                   []float64
	expectAccount                            bool // account 1
	expectCompany                            bool // of the accounts 1 and 3
	allowAccountChange                       bool
	watchBalance, lowBalanceFails            bool
	readyWhileUnreachable, requireVerified   bool

	several, pollable bool // what the provider is
	stuck             bool // calls that hang beyond their contexts hang to the end of the script
	plain             bool // every option has its default
}

func (c modelConfig) options() []health.Option {
	opts := []health.Option{health.WithJitter(c.jitter...)}
	add := func(on bool, opt health.Option) {
		if on {
			opts = append(opts, opt)
		}
	}
	set := !c.plain
	add(set, health.WithInterval(c.interval))
	add(set, health.WithMaxStale(c.maxStale))
	add(set && c.breakerOpen != c.defaultBreakerOpen(), health.WithBreakerOpen(c.breakerOpen))
	add(set, health.WithPollInterval(c.pollInterval))
	add(set, health.WithSourceTimeout(c.sourceTimeout))
	add(set, health.WithRejectionRecheck(c.recheck))
	add(set, health.WithStartupTimeout(c.startupTimeout))
	add(set, health.WithRejectionThreshold(c.threshold))
	add(set, health.WithBreakerFailures(c.breakerFailures))
	add(c.expectAccount, health.ExpectAccount(modelAccountID(1)))
	add(c.expectCompany, health.ExpectCompany(modelCompanyID(1)))
	add(c.allowAccountChange, health.AllowAccountChange())
	add(c.watchBalance, health.WithMinBalance(decimal.MustNew(50, 0)))
	add(c.lowBalanceFails, health.FailOnLowBalance())
	add(c.readyWhileUnreachable, health.ReadyWhileUnreachable())
	add(c.requireVerified, health.RequireVerified())
	return opts
}

func (c modelConfig) defaultBreakerOpen() time.Duration { return min(30*time.Second, c.maxStale/4) }

// reaction is how long after the platform is back the token in use is verified at the latest.
func (c modelConfig) reaction() time.Duration {
	return max(c.interval, c.breakerOpen)*11/10 + c.timeout + time.Second
}

// defaultConfig has what New uses if no option is given.
func defaultConfig() modelConfig {
	return modelConfig{
		interval: time.Minute, timeout: 5 * time.Second, maxStale: 15 * time.Minute,
		breakerOpen: 30 * time.Second, pollInterval: 5 * time.Second, sourceTimeout: 5 * time.Second,
		recheck: time.Second, startupTimeout: 10 * time.Second, threshold: 2, breakerFailures: 3,
		jitter: []float64{0.5}, plain: true,
	}
}

type modelAction uint8

const (
	doNothing modelAction = iota
	doAnswer
	doAnswerAll
	doOutage
	doEndOutage
	doSource
	doSourceMode
	doLog
	doCallback
	doRefresh       // and wait
	doRefreshBehind // in the background
	doRefreshMany   // five at once, with contexts that end soon
	doRefreshLeft   // with a context that has ended
	doOutgoing      // an outgoing request is answered with 401
	doOutgoingMany  // 400 of them in a second
	doSuspend
	doDrain
	doStart
	doClose
	modelActions
)

var modelActionNames = [modelActions]string{
	"nothing", "answer", "all answer", "outage", "the outage ends", "the source holds", "the source",
	"the log", "the callback", "refresh", "refresh in the background", "five refreshes",
	"a refresh that was left", "an outgoing 401", "400 outgoing 401s", "suspend", "drain", "start",
	"close",
}

// theOneInUse is the token of a step that is about the token in use at that moment, or about token
// 0 if there is none.
const theOneInUse = -1

// modelStep is an action, and how long the script waits after it.
type modelStep struct {
	action  modelAction
	token   int
	answer  modelAnswer
	holding []int
	mode    modelMode
	manner  modelManner
	suspend time.Duration
	then    time.Duration
}

func (s modelStep) String() string {
	detail := ""
	switch s.action {
	case doAnswer:
		detail = fmt.Sprintf(" of token %d: %v", s.token, s.answer)
		if s.token == theOneInUse {
			detail = fmt.Sprintf(" of the token in use: %v", s.answer)
		}
	case doAnswerAll, doOutage:
		detail = fmt.Sprintf(": %v", s.answer)
	case doSource:
		detail = fmt.Sprintf(" %v", s.holding)
	case doSourceMode:
		detail = fmt.Sprintf(": %s", modelModeNames[s.mode])
	case doLog, doCallback:
		detail = " " + modelMannerNames[s.manner]
	case doSuspend:
		detail = fmt.Sprintf(" %v", s.suspend)
	}
	return fmt.Sprintf("%s%s; wait %v", modelActionNames[s.action], detail, s.then)
}

func (s modelScript) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "config %+v\nplatform %v\nsource %v\n", s.config, s.answers, s.holding)
	for i, step := range s.steps {
		fmt.Fprintf(&b, "%3d %v\n", i, step)
	}
	return b.String()
}

// modelPart bounds how many parts a script has, and how many steps a part.
const modelPart = 12

func drawScript(t *rapid.T) modelScript {
	s := modelScript{config: drawConfig(t)}
	d := drawer{t, s.config}
	for i := range s.answers {
		s.answers[i] = modelAnswer{account: 1}
		if d.chance(3, "odd at first") {
			s.answers[i] = d.answer()
		}
	}
	s.holding = []int{0}
	if s.config.several && !d.chance(2, "one at first") {
		s.holding = d.holding()
	}
	// A slice of slices gets long, and still shrinks to a step or two.
	part := rapid.Custom(func(t *rapid.T) []modelStep { return drawer{t, s.config}.part() })
	for _, part := range rapid.SliceOfN(part, 1, modelPart).Draw(t, "steps") {
		s.steps = append(s.steps, part...)
	}
	return s
}

func drawConfig(t *rapid.T) modelConfig {
	c := defaultConfig()
	flag := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 3 }
	c.several = rapid.Bool().Draw(t, "several tokens")
	c.pollable = rapid.Bool().Draw(t, "pollable")
	c.jitter = rapid.SampledFrom([][]float64{
		{0.5}, {0}, {0.999}, {0.31}, {0.999, 0, 0, 0.999, 0.5, 0.999, 0},
	}).Draw(t, "jitter")
	c.stuck = flag("stuck")
	if rapid.Bool().Draw(t, "options") {
		drawDurations(t, &c)
		c.threshold = rapid.IntRange(1, 3).Draw(t, "threshold")
		c.breakerFailures = rapid.IntRange(1, 4).Draw(t, "breaker failures")
	}
	switch rapid.IntRange(0, 5).Draw(t, "accounts") {
	case 3:
		c.expectAccount = true
	case 4:
		c.expectCompany = true
		c.allowAccountChange = rapid.Bool().Draw(t, "AllowAccountChange")
	case 5:
		c.allowAccountChange = true
	}
	c.watchBalance = flag("WithMinBalance")
	c.lowBalanceFails = c.watchBalance && flag("FailOnLowBalance")
	c.readyWhileUnreachable = flag("ReadyWhileUnreachable")
	c.requireVerified = flag("RequireVerified")
	return c
}

// drawDurations draws settings that New accepts, small and large.
func drawDurations(t *rapid.T, c *modelConfig) {
	c.plain = false
	of := func(name string, all ...time.Duration) time.Duration {
		return max(rapid.SampledFrom(all).Draw(t, name), 10*time.Millisecond)
	}
	i := of("interval", time.Minute, 10*time.Second, 3*time.Second, 300*time.Millisecond,
		10*time.Millisecond, 30*time.Minute)
	c.interval = i
	c.timeout = of("timeout", min(i, 5*time.Second), min(i, time.Minute), i/7)
	least := 2*i + c.timeout
	c.maxStale = of("MaxStale", 15*i, least, least*13/10, 4*least)
	c.breakerOpen = of("BreakerOpen", c.defaultBreakerOpen(), c.maxStale/2, i/10)
	c.breakerOpen = max(min(c.breakerOpen, c.maxStale/2), c.defaultBreakerOpen()/4)
	if c.breakerOpen < 10*time.Millisecond {
		c.breakerOpen = c.defaultBreakerOpen()
	}
	c.pollInterval = of("PollInterval", i/12, i/3, 2*i)
	c.sourceTimeout = of("SourceTimeout", min(i, 5*time.Second), 3*i, i/20)
	c.recheck = of("RejectionRecheck", min(i, time.Second), i, i/30)
	c.startupTimeout = of("StartupTimeout", 10*time.Second, 10*time.Millisecond, c.timeout, 3*i)
}

// drawer draws parts of a script.
type drawer struct {
	t *rapid.T
	c modelConfig
}

// slowest is the longest answer in percent of the timeout.
const slowest = 98

// chance is true in one of n cases.
func (d drawer) chance(n int, name string) bool { return rapid.IntRange(1, n).Draw(d.t, name) == n }

func (d drawer) answer() modelAnswer {
	a := modelAnswer{account: 1}
	switch rapid.IntRange(0, 5).Draw(d.t, "sort") {
	case 0, 1:
	case 2:
		a.kind = rapid.SampledFrom([]modelKind{refuses, refuses403, refusesEmpty}).Draw(d.t, "refusal")
	case 3:
		a.kind = modelKind(rapid.IntRange(int(limits), int(limitsYear)).Draw(d.t, "429"))
	default:
		a.kind = modelKind(rapid.IntRange(0, int(modelKinds)-1).Draw(d.t, "kind"))
	}
	// An account that is poor is never verified under FailOnLowBalance, and so does not show which
	// account is pinned.
	if a.kind <= acceptsNoBalance && !d.c.lowBalanceFails && d.chance(4, "other account") {
		a.account = rapid.IntRange(1, 3).Draw(d.t, "account")
	}
	if d.chance(4, "slow") {
		a.after = d.c.timeout * rapid.SampledFrom([]time.Duration{3, 41, slowest}).Draw(d.t, "after") / 100
	}
	return a
}

// bad is an answer without a verdict.
func (d drawer) bad() modelAnswer {
	return modelAnswer{kind: modelKind(rapid.IntRange(int(limits), int(modelKinds)-1).Draw(d.t, "bad"))}
}

// holding is what the source has: duplicates, too.
func (d drawer) holding() []int {
	token := rapid.IntRange(0, modelTokens-1)
	if !d.c.several {
		return []int{token.Draw(d.t, "held")}
	}
	return rapid.SliceOfN(token, 1, modelTokens+1).Draw(d.t, "held")
}

var modelWeights = []struct {
	action modelAction
	weight int
}{
	{doNothing, 10}, {doAnswer, 22}, {doAnswerAll, 4}, {doOutage, 8}, {doEndOutage, 14},
	{doSource, 12}, {doSourceMode, 14}, {doLog, 5}, {doCallback, 5}, {doRefresh, 8},
	{doRefreshBehind, 3}, {doRefreshMany, 3}, {doRefreshLeft, 1}, {doOutgoing, 5},
	{doOutgoingMany, 1}, {doSuspend, 3}, {doDrain, 1}, {doStart, 4}, {doClose, 1},
}

var modelActionsWeighted = func() []modelAction {
	var all []modelAction
	for _, w := range modelWeights {
		for range w.weight {
			all = append(all, w.action)
		}
	}
	return all
}()

// part draws the steps of a part of a script.
func (d drawer) part() []modelStep {
	if d.chance(6, "failover") {
		return d.failover()
	}
	step := rapid.Custom(func(t *rapid.T) modelStep { return drawer{t, d.c}.step() })
	return rapid.SliceOfN(step, 1, modelPart).Draw(d.t, "part")
}

// failover draws steps in which the token in use fails, recovers, and fails again. Independent
// steps rarely do that.
func (d drawer) failover() []modelStep {
	good := modelAnswer{account: 1}
	steps := []modelStep{
		{action: doSource, holding: d.holding()},
		{action: doAnswerAll, answer: good},
		{action: doAnswer, token: theOneInUse, answer: d.answer()},
		{action: doAnswerAll, answer: good},
		{action: doAnswer, token: theOneInUse, answer: d.answer()},
		{action: rapid.SampledFrom([]modelAction{doNothing, doOutgoing}).Draw(d.t, "then")},
	}
	for i := range steps {
		steps[i].then = d.wait()
	}
	steps[2].then = d.c.interval * 13 / 10 // the engine notices
	if steps[5].action == doOutgoing {
		steps[3].then = d.c.interval * 4 / 10 // it recovers, and the others are not due
		steps[4].then = 0                     // the outgoing request has the engine notice
	}
	return steps
}

func (d drawer) step() modelStep {
	t, c := d.t, d.c
	s := modelStep{action: rapid.SampledFrom(modelActionsWeighted).Draw(t, "action")}
	switch s.action {
	case doAnswer:
		s.token, s.answer = rapid.IntRange(theOneInUse, modelTokens-1).Draw(t, "token"), d.answer()
		if d.chance(3, "in use") {
			s.token = theOneInUse
		}
	case doAnswerAll:
		s.answer = d.answer()
	case doOutage:
		s.answer = d.bad()
	case doSource:
		s.holding = d.holding()
	case doSourceMode:
		if !d.chance(2, "works") {
			s.mode = modelMode(rapid.IntRange(0, int(modelModes)-1).Draw(t, "mode"))
		}
	case doLog, doCallback:
		s.manner = modelManner(rapid.IntRange(0, int(modelManners)-1).Draw(t, "manner"))
	case doSuspend:
		s.suspend = rapid.SampledFrom([]time.Duration{
			2 * c.maxStale, c.interval * 3 / 2, c.maxStale * 9 / 10, 3 * time.Second, 2 * time.Hour,
		}).Draw(t, "suspend")
		// The engine takes less than a second for noise, and counts it with the next suspension.
		s.suspend = max(s.suspend, time.Second)
	}
	s.then = d.wait()
	return s
}

func (d drawer) wait() time.Duration {
	c := d.c
	unit := rapid.SampledFrom([]time.Duration{
		0, time.Millisecond, c.recheck, c.timeout, c.interval, 3 * c.interval, c.reaction() * 5 / 2, c.maxStale,
		c.breakerOpen,
	}).Draw(d.t, "wait")
	return unit * rapid.SampledFrom([]time.Duration{101, 37, 130}).Draw(d.t, "times") / 100
}
