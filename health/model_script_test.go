package health_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/govalues/decimal"
	"pgregory.net/rapid"

	"github.com/tolokacheck/tolokacheck/health"
)

// A script is everything that happens to a checker from outside, drawn before the bubble in which it is replayed.
type script struct {
	options modelOptions
	first   modelAnswers // how the platform answers before the first step
	source  modelHolding
	steps   []modelStep
}

// modelPart bounds how many parts a script has, and how many steps a part.
const modelPart = 24

// modelTokens is how many tokens there are in a script.
const modelTokens = 3

func modelTokenValue(i int) string {
	return fmt.Sprintf("%022d.model.%040d", i, i)
}

// modelOptions are the options of a checker, and what its provider can do.
type modelOptions struct {
	threshold             int
	allowAccountChange    bool
	expectAccount         bool // account 1
	watchBalance          bool // below 50 USD
	lowBalanceFails       bool
	readyWhileUnreachable bool
	requireVerified       bool
	interval, maxStale    time.Duration
	several, pollable     bool // what the provider is
}

const (
	modelPoll         = 5 * time.Second
	modelTimeout      = 5 * time.Second // the client's and the source's
	modelRecheck      = time.Second
	modelStartTimeout = 10 * time.Second
	modelBreakerOpen  = 30 * time.Second
	modelBreakerTrips = 3
)

func (o modelOptions) list() []health.Option {
	opts := []health.Option{
		health.WithJitter(0.5), health.WithInterval(o.interval), health.WithMaxStale(o.maxStale),
		health.WithRejectionThreshold(o.threshold),
	}
	add := func(on bool, opt health.Option) {
		if on {
			opts = append(opts, opt)
		}
	}
	add(o.allowAccountChange, health.AllowAccountChange())
	add(o.expectAccount, health.ExpectAccount(modelAccountID(1)))
	add(o.watchBalance, health.WithMinBalance(decimal.MustNew(50, 0)))
	add(o.lowBalanceFails, health.FailOnLowBalance())
	add(o.readyWhileUnreachable, health.ReadyWhileUnreachable())
	add(o.requireVerified, health.RequireVerified())
	return opts
}

func modelAccountID(n int8) string { return fmt.Sprintf("account-%d", n) }

// modelKind is an answer, or what comes in place of one.
type modelKind uint8

const (
	saysVerified      modelKind = iota
	saysPoor                    // verified, with a balance that is too low
	saysNoBalance               // verified, without a balance that can be read
	saysRefused                 // 401 with the platform's error object
	saysDenied                  // 403 with the platform's error object
	saysNothing401              // 401 with an empty body
	saysLimited                 // 429 with Retry-After in seconds
	saysLimitedDate             // 429 with Retry-After as a date
	saysLimitedQuota            // 429 with payload.interval of a minute
	saysLimitedYear             // 429 with Retry-After of a year
	saysLimitedSilent           // 429 without a hint
	saysDown                    // 503
	saysDownHint                // 503 with Retry-After of 20 s
	saysNoNetwork               // no answer
	saysHang                    // no answer before the timeout
	saysHTML                    // 200 with a page
	saysNoID                    // 200 with an account without an id
	saysGone                    // 404
	saysElsewhere               // 302
	saysFirewall                // 403 with a page
	modelKinds
)

var modelKindNames = [...]string{
	"verified", "verified, poor", "verified, no balance", "401", "403", "401 empty", "429 seconds", "429 date", "429 MIN", "429 year", "429 silent",
	"503", "503 hint", "no network", "hang", "200 HTML", "200 no id", "404", "302", "403 HTML",
}

// modelClass is the first column of the design's table.
type modelClass uint8

const (
	isVerified modelClass = iota
	isRejected
	isLimited
	isFailure // unavailable, malformed, misdirected: one effect, once Start is done
)

func (k modelKind) class() modelClass {
	switch {
	case k <= saysNoBalance:
		return isVerified
	case k <= saysNothing401:
		return isRejected
	case k <= saysLimitedSilent:
		return isLimited
	default:
		return isFailure
	}
}

func (k modelKind) misdirected() bool { return k >= saysGone }

// hold is how long nothing is asked after a 429, before it is clamped.
func (k modelKind) hold() time.Duration {
	switch k {
	case saysLimited:
		return 7 * time.Second
	case saysLimitedDate:
		return 40 * time.Second
	case saysLimitedQuota:
		return time.Minute
	case saysLimitedYear:
		return 365 * 24 * time.Hour
	default:
		return 0
	}
}

// modelAnswer is what the platform says about one token.
type modelAnswer struct {
	kind    modelKind
	account int8
	after   time.Duration
}

type modelAnswers [modelTokens]modelAnswer

func (a modelAnswer) String() string {
	s := modelKindNames[a.kind]
	if a.kind.class() == isVerified {
		s += fmt.Sprintf(" as %d", a.account)
	}
	if a.after > 0 {
		s += fmt.Sprintf(" after %v", a.after)
	}
	return s
}

// modelHolding is what the source has.
type modelHolding struct {
	tokens []int // most preferred first
	err    modelSourceError
}

type modelSourceError uint8

const (
	sourceWell modelSourceError = iota
	sourceMissing
	sourceInvalid
	sourceBroken
	sourcePartial // tokens and an error
)

func (h modelHolding) String() string {
	return fmt.Sprintf("%v %s", h.tokens, [...]string{"", "not found", "invalid", "broken", "with an error"}[h.err])
}

type modelAction uint8

const (
	doSleep modelAction = iota
	doAnswer
	doAnswerAll
	doSource
	doHang        // the source hangs, and ignores its context
	doHangPolite  // the source hangs until its context ends
	doRelease     // the source works again
	doRefresh     // and wait for it
	doRefuse      // every token is refused from now on, and somebody refreshes
	doRefreshMany // three at once, one of which leaves
	doRefreshLeft // with a context that has ended
	doRefreshOff  // in the background
	doLoan        // an outgoing request was answered with 401
	doDrain
	doStart
	doClose
)

var modelActionNames = [...]string{
	"sleep", "answer", "answer all", "source", "source hangs", "source hangs politely", "source is released", "refresh", "all are refused, refresh",
	"three refreshes", "a refresh that has been left", "a refresh in the background", "401 on an outgoing request", "drain", "start", "close",
}

type modelStep struct {
	action modelAction
	sleep  time.Duration
	token  int
	answer modelAnswer
	source modelHolding
}

func (s modelStep) String() string {
	name := modelActionNames[s.action]
	switch s.action {
	case doSleep:
		return fmt.Sprintf("%s %v", name, s.sleep)
	case doAnswer:
		return fmt.Sprintf("%s token %d: %v", name, s.token, s.answer)
	case doAnswerAll:
		return fmt.Sprintf("%s: %v", name, s.answer)
	case doSource:
		return fmt.Sprintf("%s holds %v", name, s.source)
	default:
		return name
	}
}

func (s script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "options %+v\nplatform %v\nsource %v\n", s.options, s.first, s.source)
	for i, step := range s.steps {
		fmt.Fprintf(&b, "%3d %v\n", i, step)
	}
	return b.String()
}

func drawScript(t *rapid.T) script {
	s := script{options: drawOptions(t)}
	for i := range s.first {
		s.first[i] = drawAnswer(t)
		if rapid.IntRange(0, 2).Draw(t, "good at first") > 0 {
			s.first[i] = modelAnswer{kind: saysVerified, account: 1}
		}
	}
	s.source = drawHolding(t, s.options.several)
	if rapid.IntRange(0, 3).Draw(t, "loaded at first") > 0 {
		s.source = modelHolding{tokens: []int{0}}
	}
	if rapid.IntRange(0, 3).Draw(t, "skip the start") > 0 {
		s.steps = append(s.steps, modelStep{sleep: modelStartTimeout + time.Second})
	}
	several := s.options.several
	step := rapid.Custom(func(t *rapid.T) modelStep { return drawStep(t, several) })
	// A slice of slices gets long, and still shrinks to a step or two.
	for _, part := range rapid.SliceOfN(rapid.SliceOfN(step, 1, modelPart), 1, modelPart).Draw(t, "steps") {
		s.steps = append(s.steps, part...)
	}
	return s
}

func drawOptions(t *rapid.T) modelOptions {
	flag := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 3 }
	o := modelOptions{
		threshold:             rapid.SampledFrom([]int{2, 1, 3}).Draw(t, "threshold"),
		allowAccountChange:    flag("AllowAccountChange"),
		expectAccount:         flag("ExpectAccount"),
		watchBalance:          flag("WithMinBalance"),
		readyWhileUnreachable: flag("ReadyWhileUnreachable"),
		requireVerified:       flag("RequireVerified"),
		interval:              rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Second, 3 * time.Second}).Draw(t, "interval"),
		several:               rapid.Bool().Draw(t, "several tokens"),
		pollable:              rapid.Bool().Draw(t, "pollable"),
	}
	o.lowBalanceFails = o.watchBalance && flag("FailOnLowBalance")
	o.maxStale = 2*o.interval + modelTimeout
	if rapid.Bool().Draw(t, "long MaxStale") {
		o.maxStale *= 4
	}
	return o
}

func drawAnswer(t *rapid.T) modelAnswer {
	a := modelAnswer{kind: modelKind(rapid.IntRange(0, int(modelKinds)-1).Draw(t, "kind")), account: 1}
	// Half of the answers are good, or nothing would ever be reached.
	if rapid.Bool().Draw(t, "good") {
		a.kind = rapid.SampledFrom([]modelKind{saysVerified, saysVerified, saysVerified, saysPoor, saysNoBalance}).Draw(t, "good kind")
		if rapid.IntRange(0, 5).Draw(t, "other account") == 5 {
			a.account = 2
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "slow") == 4 {
		a.after = rapid.SampledFrom([]time.Duration{137 * time.Millisecond, 2011 * time.Millisecond, 4907 * time.Millisecond}).Draw(t, "after")
	}
	return a
}

func drawHolding(t *rapid.T, several bool) modelHolding {
	h := modelHolding{err: rapid.SampledFrom([]modelSourceError{
		sourceWell, sourceWell, sourceWell, sourceWell, sourceWell, sourceWell, sourceWell, sourceWell, sourceWell, sourceWell, sourceMissing, sourceInvalid, sourceBroken,
	}).Draw(t, "source error")}
	if h.err != sourceWell {
		return h
	}
	if !several {
		h.tokens = []int{rapid.IntRange(0, modelTokens-1).Draw(t, "held")}
		return h
	}
	h.tokens = rapid.SliceOfNDistinct(rapid.IntRange(0, modelTokens-1), 1, 3, rapid.ID[int]).Draw(t, "held")
	if rapid.IntRange(0, 5).Draw(t, "partly") == 5 {
		h.err = sourcePartial
	}
	return h
}

// modelActions has each action as often as it is to come.
var modelActions = func() []modelAction {
	var all []modelAction
	for action, weight := range map[modelAction]int{
		doSleep: 60, doAnswer: 60, doAnswerAll: 20, doSource: 40, doHang: 3, doHangPolite: 3, doRelease: 10, doRefresh: 40,
		doRefuse: 14, doRefreshMany: 8, doRefreshLeft: 4, doRefreshOff: 8, doLoan: 8, doDrain: 1, doStart: 6, doClose: 1,
	} {
		for range weight {
			all = append(all, action)
		}
	}
	// A map has no order, and a seed must always draw the same.
	for i := range all {
		for j := i; j > 0 && all[j] < all[j-1]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return all
}()

func drawStep(t *rapid.T, several bool) modelStep {
	s := modelStep{action: rapid.SampledFrom(modelActions).Draw(t, "action")}
	switch s.action {
	case doSleep:
		s.sleep = rapid.SampledFrom([]time.Duration{
			time.Second, 73 * time.Millisecond, 211 * time.Millisecond, 1013 * time.Millisecond, 1499 * time.Millisecond, 2 * time.Second, 5 * time.Second, 7 * time.Second,
			11 * time.Second, 31 * time.Second, time.Minute, 3 * time.Minute, 20 * time.Minute,
		}).Draw(t, "sleep")
	case doAnswer:
		s.token, s.answer = rapid.IntRange(0, modelTokens-1).Draw(t, "token"), drawAnswer(t)
	case doAnswerAll:
		s.answer = drawAnswer(t)
	case doSource:
		s.source = drawHolding(t, several)
	}
	return s
}
