package simulation

import (
	"fmt"
	"time"
)

// Scenario is what happens to one fleet.
type Scenario struct {
	// Name of the scenario, a word or a few.
	Name   string
	cold   bool          // it begins before the first replica is started
	skew   time.Duration // of the clocks, if not as usual
	phases []phase
}

// phase is a row of the table: something happens, and then time passes.
type phase struct {
	name   string
	length time.Duration
	// late is set where it begins right after a call to the platform, so that the replicas notice
	// as late as possible.
	late  bool
	begin func(*world)
	// knows reports whether a replica knows what has begun.
	knows func(State) bool
	// within is how soon every replica must know, 0 for no limit.
	within time.Duration
	// back is set where Redis answers again. The calls that were on their way at that moment
	// belong to the time without it.
	back   bool
	limits limits
}

// limits are what a phase allows.
type limits struct {
	away    bool // Redis does not answer: the replicas call on their own
	changes bool // the platform or the token changed, and so may the states of the replicas
	closes  bool // gates may close
	two     bool // two tokens are live, each with its own calls
}

// What the phases allow in number.
const (
	callsUp    = 1   // within any second and for each token while Redis answers
	callsAway  = 300 // within any second while it does not
	openWithin = 71 * time.Second
	toldWithin = 70 * time.Second
	onTheWay   = time.Second // after Redis has come back
)

// Row is what was measured in a phase.
type Row struct {
	Phase  string
	Length time.Duration
	// Calls is how often the platform was called; InSecond and InTen are how often within any
	// second and any ten seconds. Where Redis has come back, these two begin a second later.
	Calls, InSecond, InTen int
	// Redis is the number of operations a second on average, RedisMax the most in a second.
	Redis, RedisMax float64
	// Half and All are how long it took until that many replicas knew, -1 if they never did, and
	// 0 where there was nothing to know. All of a refusal counts from the deletion of the token;
	// Told counts from the first answer that said so.
	Half, All, Told time.Duration
	// Changes is how many times a replica that can reach the platform changed its status or its
	// primary reason after its start. Closed is how many times one closed its gate, Wrongly how
	// many of these while the platform answered and accepted the token.
	Changes, Closed, Wrongly int
	// Failures are the targets that were missed.
	Failures []string
}

func verified(s State) bool   { return s.Open && s.Reason == "verified" }
func unverified(s State) bool { return !verified(s) }
func rejected(s State) bool   { return !s.Open && s.Reason == "rejected" }

// answers returns a step after which the platform answers so.
func answers(status int, retryAfter time.Duration) func(*world) {
	return func(w *world) { w.platform.status, w.platform.retryAfter = status, retryAfter }
}

// redisIs returns a step after which Redis is so.
func redisIs(s redisState) func(*world) {
	return func(w *world) { w.redis.state = s }
}

// Scenarios returns all of them, in the order of the table.
func Scenarios() []Scenario {
	changes := limits{changes: true}
	closes := limits{changes: true, closes: true}
	away := limits{away: true}
	return []Scenario{
		{Name: "cold start", cold: true, phases: []phase{
			{name: "cold start of all within 1 s", length: time.Minute, begin: startAll,
				knows: verified, within: 5 * time.Second},
			{name: "steady", length: 10 * time.Minute},
		}},
		{Name: "refused token", phases: []phase{
			{name: "the token is deleted", length: 5 * time.Minute, late: true, begin: deleteToken,
				knows: rejected, within: toldWithin, limits: closes},
		}},
		{Name: "short outage", phases: []phase{
			{name: "outage of 5 min (503)", length: 5 * time.Minute, late: true,
				begin: answers(503, 0),
				knows: unverified, limits: changes},
			{name: "its end", length: 4 * time.Minute, late: true, begin: answers(200, 0),
				knows:  verified,
				limits: changes},
		}},
		{Name: "long outage", phases: []phase{
			{name: "outage of 20 min (503)", length: 20 * time.Minute, late: true,
				begin: answers(503, 0),
				knows: unverified, limits: closes},
			{name: "its end", length: 4 * time.Minute, late: true, begin: answers(200, 0),
				knows:  verified,
				within: openWithin, limits: changes},
		}},
		{Name: "rate limit", phases: []phase{
			{name: "429 for 5 min, Retry-After 120", length: 5 * time.Minute, late: true,
				begin: answers(429, 2*time.Minute), knows: unverified, limits: changes},
			{name: "its end", length: 4 * time.Minute, late: true, begin: answers(200, 0),
				knows:  verified,
				limits: changes},
		}},
		{Name: "Redis restarted", phases: []phase{
			{name: "Redis restarted empty", length: 5 * time.Minute,
				begin: func(w *world) { w.redis.empty() }},
		}},
		{Name: "Redis away", phases: []phase{
			{name: "Redis away for 10 min", length: 10 * time.Minute, begin: redisIs(redisDown),
				limits: away},
			{name: "and 10 min more", length: 10 * time.Minute, limits: away},
			{name: "Redis back", length: 5 * time.Minute, begin: redisIs(redisUp), back: true},
		}},
		{Name: "Redis and platform away", phases: []phase{
			{name: "Redis away, and an outage of 5 min", length: 5 * time.Minute,
				begin:  func(w *world) { w.redis.state, w.platform.status = redisDown, 503 },
				limits: limits{away: true, changes: true}},
			{name: "its end, Redis still away", length: 15 * time.Minute, begin: answers(200, 0),
				knows: verified, limits: limits{away: true, changes: true}},
		}},
		{Name: "Redis slow", phases: []phase{
			{name: "Redis slow (0.2 to 2 s) for 5 min", length: 5 * time.Minute,
				begin: redisIs(redisSlow), limits: away},
			{name: "Redis hangs for 5 min", length: 5 * time.Minute,
				begin: redisIs(redisSilent), limits: away},
			{name: "Redis back, empty", length: 5 * time.Minute, back: true, begin: func(w *world) {
				w.redis.empty()
				w.redis.state = redisUp
			}},
		}},
		{Name: "deployment", phases: []phase{
			{name: "rolling deployment in 10 min, new token half way", length: 13 * time.Minute,
				begin: deploy(10 * time.Minute), limits: limits{two: true}},
		}},
		{Name: "no network", phases: []phase{
			{name: "1 % cannot reach the platform", length: 10 * time.Minute, begin: cutOff},
		}},
		{Name: "clocks", skew: 3 * time.Hour, phases: []phase{
			{name: "clocks off by up to 3 h", length: 5 * time.Minute},
		}},
	}
}

// spread is how long the start of a fleet takes that is not started at once, and settle how long
// it has until the first phase.
const (
	spread = time.Minute
	settle = 3 * time.Minute
)

// Run runs the scenario, and returns a row for every phase.
func (s Scenario) Run(c Config) []Row {
	w := newWorld(c)
	if s.skew > 0 {
		w.skew = s.skew
	}
	w.meter = newMeter(w, nil)
	if !s.cold {
		w.startWithin(spread)
		w.run(settle)
	}
	var rows []Row
	for _, p := range s.phases {
		if p.late {
			w.runToCall()
		}
		w.meter = newMeter(w, p.knows)
		if p.begin != nil {
			p.begin(w)
		}
		w.meter.note(w.now)
		w.run(w.now + p.length)
		rows = append(rows, p.row(w))
	}
	return rows
}

// startWithin starts all replicas within a period.
func (w *world) startWithin(period time.Duration) {
	for range w.config.Replicas {
		w.at(w.now+between(w.random, 0, period), func() { w.start(0) })
	}
}

func startAll(w *world) { w.startWithin(time.Second) }

// runToCall runs until the next call to the platform is done.
func (w *world) runToCall() {
	calls := len(w.meter.calls)
	for end := w.now + 2*time.Minute; w.now < end && len(w.meter.calls) == calls; {
		w.run(w.now + 100*time.Millisecond)
	}
	w.run(w.now + 500*time.Millisecond)
}

func deleteToken(w *world) {
	w.platform.deleted[0] = true
	w.platform.refusedAt = 0
}

// deploy replaces one replica after the other. The second half gets a new token.
func deploy(period time.Duration) func(*world) {
	return func(w *world) {
		n := len(w.processes)
		for i := range n {
			w.at(w.now+period*time.Duration(i)/time.Duration(n), func() {
				w.end(int32(i))
				w.start(2 * i / n)
			})
		}
	}
}

// cutOff takes the way to the platform from 1 % of the replicas. A few of these lose it at the
// moment they are about to use it: by chance it would hardly ever be one of these.
func cutOff(w *world) {
	n := len(w.processes) / 100
	unlucky := min(n, 4)
	for _, i := range w.random.Perm(len(w.processes))[:n-unlucky] {
		w.processes[i].cutOff = true
	}
	for i := range unlucky {
		w.at(w.now+time.Duration(i)*2*time.Minute, func() { w.unlucky++ })
	}
}

// row evaluates a phase that has ended.
func (p *phase) row(w *world) Row {
	m := w.meter
	from := m.began
	if p.back {
		from += onTheWay
	}
	r := Row{
		Phase: p.name, Length: p.length, Calls: len(m.calls),
		InSecond: m.most(time.Second, from), InTen: m.most(10*time.Second, from),
		Changes: m.changes, Closed: m.closed, Wrongly: m.wrongly,
	}
	for _, n := range m.perSecond {
		r.Redis += float64(n) / p.length.Seconds()
		r.RedisMax = max(r.RedisMax, float64(n))
	}
	if p.knows != nil {
		r.Half, r.All = since(m.half, m.began), since(m.all, m.began)
		if refused := w.platform.refusedAt; refused > 0 {
			r.Told = since(m.all, refused)
		}
	}
	r.Failures = p.failures(r)
	return r
}

// since returns the time from one moment to another, -1 if that did not come.
func since(moment, began time.Duration) time.Duration {
	if moment == 0 {
		return -1
	}
	return moment - began
}

func (p *phase) failures(r Row) []string {
	var f []string
	fail := func(format string, args ...any) {
		f = append(f, p.name+": "+fmt.Sprintf(format, args...))
	}
	calls := callsUp
	switch {
	case p.limits.away:
		calls = callsAway
	case p.limits.two:
		calls = 2 * callsUp
	}
	if r.InSecond > calls {
		fail("%d calls to the platform in a second, want at most %d", r.InSecond, calls)
	}
	if !p.limits.changes && r.Changes > 0 {
		fail("%d replicas changed their state, want none", r.Changes)
	}
	if !p.limits.closes && r.Closed > 0 {
		fail("%d replicas closed their gate, want none", r.Closed)
	}
	if r.Wrongly > 0 {
		fail("%d replicas closed their gate for a token that was accepted", r.Wrongly)
	}
	took := r.All
	if r.Told != 0 {
		took = r.Told
	}
	switch {
	case p.knows == nil:
	case r.All < 0:
		fail("not every replica knew at its end")
	case p.within > 0 && took > p.within:
		fail("every replica knew after %s, want %s", took, p.within)
	}
	return f
}
