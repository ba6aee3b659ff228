package health

import (
	"fmt"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/platform"
	"github.com/tolokacheck/tolokacheck/internal/sharing"
)

// Before a replica with a shared store asks the platform about a token, it looks there. It takes
// an answer that another replica got, waits for one that is on its way, or gets the lease and
// asks. Whatever the store says or does not say, a token that works is asked about by this
// replica itself before its last good answer is too old.

const (
	// shareWithin is how old a shared answer may be for a check that must not wait, such as
	// Refresh.
	shareWithin = time.Second

	// leastLook is the least time for an operation of the store, however short the interval is.
	leastLook = 10 * time.Millisecond

	// looksPerSecond is how many looks of all replicas together that wait for the same moment
	// fall into a second, and alonePerSecond how many calls to the platform while the store does
	// not answer, as far as MaxStale allows.
	looksPerSecond = 1000
	alonePerSecond = 100

	// firstWait is the pause before the first look for an answer that is on its way.
	firstWait = 100 * time.Millisecond

	// hurriedSpread bounds how long a replica that has no verdict yet, or whose check must not
	// wait, leaves the store to the others.
	hurriedSpread = 2 * time.Second

	// giveWay is how much later than it could a replica asks after its own bad answer, so that
	// another replica has a chance to do so first: the platform may be reachable from there.
	giveWay = time.Second
)

// fleet is what the machine knows of the other replicas.
type fleet struct {
	id    string                               // of this replica
	keys  func(credentials.Token) sharing.Keys // what the store calls a token
	limit time.Duration                        // of one operation of the store
	lease time.Duration

	waiting  []*record // their next step is decided by their team
	puts     []put     // answers for the store
	away     error     // why the last look failed, nil if it did not
	unsealed bool      // an entry that cannot be opened was seen

	place    float64 // of this replica among those that wait for the same last moment, in [0, 1)
	replicas int     // how many looked lately; falls slowly, because the store may lose its count

	stats *sharing.Stats
}

// newFleet returns the fleet of a checker with this pace.
func newFleet(
	id string, p pace, stats *sharing.Stats, keys func(credentials.Token) sharing.Keys,
) *fleet {
	limit := lookLimit(p)
	return &fleet{
		id: id, keys: keys, limit: limit, lease: sharing.Lease(p.timeout), replicas: 1,
		stats: stats,
	}
}

// lookLimit returns how long an operation of the store may take.
func lookLimit(p pace) time.Duration {
	return max(leastLook, min(sharing.MostLook, p.interval/20))
}

// team is what a record knows of the other replicas' answers about its token.
type team struct {
	keys             sharing.Keys
	floor            uint64   // the highest fence seen
	verdict, trouble sighting // of the last entries seen
	probes           probes
	deaf             bool // the last call of this replica gave no verdict

	wait  wait  // the check that is under way
	lease lease // of the call that is under way, or allowed

	alone   bool    // the last call was made because the store did not answer
	aloneAt instant // when to ask without the store, 0 if that is not planned
}

// probes are the calls in a row of all replicas that gave no verdict.
type probes struct {
	count     int
	last      string // the replica that made the last one
	confirmed bool   // see sharing.Answer
}

// wait is a check from its first look at the store to its end, or to the call about the token.
type wait struct {
	hurry   bool    // an answer older than shareWithin does not count
	looking bool    // a look is in flight
	lookAt  instant // when to look again for an answer that is on its way
	looks   int     // how often that was planned
	since   instant // when the wait began, plus the pauses that do not count
	ends    instant // when the lease ends at the latest that another replica holds
	granted bool    // the platform may be asked now

	// distrust is set if an entry could not be opened, or is older than the store says. Then only a
	// verdict counts that was asked for since distrusted.
	distrust   bool
	distrusted instant
}

// lease is the permission of the store to ask.
type lease struct {
	fence uint64  // 0 without a lease
	began instant // when the look began that brought it
}

// sighting is when an entry was asked about, by the look that showed it first. A store that later
// says that the entry is younger is not believed.
type sighting struct {
	fence  uint64
	sentAt instant
}

// see returns when a was asked about. The look that shows it began at the instant began.
func (s *sighting) see(a *sharing.Answer, began instant) instant {
	if sentAt := began - a.Age; s.fence != a.Fence || sentAt < s.sentAt {
		*s = sighting{a.Fence, sentAt}
	}
	return s.sentAt
}

// look is a look at the store that the loop makes.
type look struct {
	r     *record
	query shared.Query
}

// put is an answer that the loop stores.
type put struct {
	keys   sharing.Keys
	answer sharing.Answer
	lease  time.Duration // how long it was asked to last
}

// startLook begins a check of r with a look at the store.
func (m *machine) startLook(now instant, r *record, t *todo) {
	r.team.wait = wait{hurry: m.checks.forces(r) || m.checks.doubts(r), since: now}
	m.fleet.waiting = append(m.fleet.waiting, r)
	m.look(now, r, t)
}

func (m *machine) look(now instant, r *record, t *todo) {
	q := shared.Query{Due: m.dueAge(now, r), Floor: r.team.floor}
	if !m.givesWay(r) && now >= r.openUntil {
		q.Lease = m.fleet.lease
	}
	r.team.wait.looking = true
	t.look = append(t.look, look{r, q})
}

// givesWay reports whether the next look leaves the lease to others: the network of this replica
// may be the only one that is broken.
func (m *machine) givesWay(r *record) bool {
	others := m.fleet.replicas > 1 && r.team.probes.count == 0 // who get verdicts
	return others && r.team.deaf && r.team.wait.looks == 0 && r.verified && !r.team.wait.hurry
}

// dueAge returns the age from which a shared verdict on r is too old.
func (m *machine) dueAge(now instant, r *record) time.Duration {
	var due time.Duration
	switch {
	case r.team.wait.hurry:
		due = min(shareWithin, m.pace.interval)
	case m.unconfirmed(r):
		// A verdict that is younger than the refusal that is known is the confirmation.
		due = max(m.rules.recheck, now-r.askedAt-m.rules.recheck/2)
	default:
		due = m.pace.interval * 85 / 100 // under the least regular pause, with its jitter
	}
	if r.team.wait.distrust {
		// Not 0: of all replicas that noticed at the same moment, one asks.
		due = min(due, now-r.team.wait.distrusted)
	}
	return due
}

// planFleet takes the next steps of the checks that are under way.
func (m *machine) planFleet(now instant, t *todo) {
	f := m.fleet
	if f == nil {
		return
	}
	t.put, f.puts = f.puts, nil
	rest := f.waiting[:0]
	for _, r := range f.waiting {
		switch {
		case r.team.wait.granted:
			r.team.wait.granted = false
			m.call(now, r, t)
			continue
		case !r.asking:
			continue // the check has ended
		case r.team.wait.looking:
		case now >= r.team.wait.lookAt:
			m.look(now, r, t)
		default:
			t.at(r.team.wait.lookAt)
		}
		rest = append(rest, r)
	}
	clear(f.waiting[len(rest):])
	f.waiting = rest
}

// looked applies the result of a look that began at the instant began.
func (m *machine) looked(now, began instant, r *record, v sharing.View, err error) note {
	r.team.wait.looking = false
	var n note
	if err != nil {
		if m.fleet.away == nil {
			n.lost = err
		}
		m.fleet.away = err
		m.withoutStore(now, r)
		return n
	}
	n.found, m.fleet.away = m.fleet.away != nil, nil
	if v.Rejected != nil && !m.fleet.unsealed {
		m.fleet.unsealed, n.unsealed = true, v.Rejected
	}
	m.fleet.count(v.Replicas)

	trouble := v.Trouble
	if trouble != nil && trouble.Fence < r.team.floor {
		trouble = nil
	}
	fresh, taken := m.seeVerdict(now, began, r, v.Verdict)
	n.add(taken)
	n.add(m.seeTrouble(now, began, r, trouble))
	if v.Lease > 0 {
		r.team.lease = lease{v.Lease, began}
	}
	m.decide(now, r, v, trouble, fresh && trouble == nil)
	return n
}

// seeVerdict applies the verdict that a look shows, if it is news, and reports whether it is recent
// enough to end the check.
func (m *machine) seeVerdict(now, began instant, r *record, a *sharing.Answer) (bool, note) {
	if a == nil || a.Fence < r.team.floor {
		return false, note{}
	}
	// sentAt is from the look that showed the entry first. If this look disagrees, a clock was set.
	sentAt, due := r.team.verdict.see(a, began), m.dueAge(now, r)
	agrees := began-a.Age <= sentAt+m.fleet.limit
	asked := sentAt > r.team.wait.since // while this replica waited
	fresh := asked || now-sentAt < due || agrees && a.Age < due
	var n note
	if a.Fence > r.team.floor && m.newer(now, r, a, sentAt) {
		n = m.takeAnswer(now, r, a, sentAt)
	}
	r.team.floor = a.Fence
	return fresh, n
}

// seeTrouble applies what a look shows of calls without a verdict since.
func (m *machine) seeTrouble(now, began instant, r *record, a *sharing.Answer) note {
	if a == nil {
		r.team.probes = probes{}
		return note{}
	}
	var n note
	if a.Fence > r.team.floor {
		r.team.probes = probes{a.Probes, a.Replica, a.Confirmed}
		if sentAt := began - a.Age; a.Confirmed && sentAt > r.askedAt {
			n = m.takeAnswer(now, r, a, sentAt)
		}
		r.team.floor = a.Fence
	}
	r.team.trouble.see(a, began)
	return n
}

// newer reports whether a shared verdict is news: it is younger than what this replica knows by
// itself, and not too old to count. An old refusal does not: a replica that starts must ask.
func (m *machine) newer(now instant, r *record, a *sharing.Answer, sentAt instant) bool {
	most := m.pace.interval + m.fleet.lease
	if a.Class == requester.Verified {
		most = m.rules.maxStale
	}
	return (!r.asked || sentAt > r.askedAt) && now-sentAt < most
}

// takeAnswer applies an answer that another replica got.
func (m *machine) takeAnswer(now instant, r *record, a *sharing.Answer, sentAt instant) note {
	m.fleet.stats.Taken.Add(1)
	answer := a.Answer
	answer.SentAt = time.Now().Add(sentAt - now)
	if a.Trouble() {
		answer.RetryAfter = max(0, a.Pause-a.Age)
	}
	r.asked, r.askedAt = true, sentAt
	return m.learn(now, r, answer, a)
}

// decide says what follows from a look: the end of the check, a call, or another look.
func (m *machine) decide(
	now instant, r *record, v sharing.View, trouble *sharing.Answer, fresh bool,
) {
	pauseEnds := now
	if trouble != nil {
		pauseEnds = r.team.trouble.sentAt + trouble.Pause
	}
	switch {
	case v.Lease > 0:
		r.team.wait.granted = true
		r.team.alone, r.team.aloneAt = false, 0
	case m.lastMoment(now, r) && !m.covered(now, r, v, trouble) && now >= r.openUntil:
		r.team.wait.granted = true
	case fresh:
		m.endCheck(r, r.team.wait.hurry)
		if r.due <= now { // the verdict was known already
			r.due = m.before(now, r, now+m.regular(r))
		}
	case pauseEnds > now && v.Busy == 0,
		trouble != nil && r.team.trouble.sentAt > r.team.wait.since:
		m.endCheck(r, r.team.wait.hurry)
		if !trouble.Confirmed {
			r.skipped = fmt.Errorf("another replica got no verdict: %w", trouble.Err)
		}
		r.due = m.before(now, r, max(pauseEnds, now+firstWait)+m.spreadLooks(now, r))
	case (v.Rejected != nil || m.flattered(now, r, v, trouble)) && !r.team.wait.distrust:
		r.team.wait.distrust, r.team.wait.distrusted, r.team.wait.lookAt = true, now, now
	case now-r.team.wait.since < 2*m.fleet.lease:
		pause := m.spreadLooks(now, r)
		r.team.wait.since += pause // which is no time in which an answer did not come
		r.team.wait.lookAt = m.before(now, r, now+m.nextLook(now, r, v.Busy)+pause)
		r.team.wait.looks++
	case now < r.openUntil: // it heard nothing
		m.endCheck(r, false)
		r.due = m.before(now, r, min(r.openUntil, now+m.regular(r)))
	default: // those who should answer do not
		m.withoutStore(now, r)
	}
}

// nextLook returns the pause before the next look for an answer that is on its way. The pauses
// grow, but if the replica that asks is gone, a look comes soon after the end of its lease, which
// lasts for busy, and its successor's answer is looked for as often as its own was.
func (m *machine) nextLook(now instant, r *record, busy time.Duration) time.Duration {
	random := func(d time.Duration) time.Duration {
		return time.Duration(float64(d) * (1 + m.jitter()))
	}
	if m.givesWay(r) {
		return random(min(m.pace.interval, m.fleet.lease) / 2)
	}
	if now >= r.team.wait.ends && busy > m.fleet.lease/2 { // a new lease, not a store that lies
		r.team.wait.ends = now + busy
		r.team.wait.looks = min(r.team.wait.looks, 1) // not 0, see givesWay
	}
	wait := random(min(firstWait<<min(r.team.wait.looks, 10), m.fleet.lease/4))
	if left := r.team.wait.ends - now; left > 0 {
		wait = min(wait, left+random(firstWait))
	}
	return wait
}

// flattered reports whether the store grants no lease because it takes a verdict for younger than
// it is: its clock was set back, or a server whose clock is behind took over.
func (m *machine) flattered(now instant, r *record, v sharing.View, trouble *sharing.Answer) bool {
	a := v.Verdict
	return a != nil && a.Fence >= r.team.floor && trouble == nil && v.Busy == 0 &&
		a.Age < m.dueAge(now, r)
}

// lastMoment reports whether a check of r must end before the last good answer is too old.
func (m *machine) lastMoment(now instant, r *record) bool {
	return r == m.inUse && m.works() && !m.expired(now) && now >= m.lastDue(r)
}

// covered reports whether the probe of another replica stands for the call that r needs at its
// last moment: at the end of a long outage not all replicas call at once. It must be one after
// that moment, in flight, or allowed soon enough.
func (m *machine) covered(now instant, r *record, v sharing.View, trouble *sharing.Answer) bool {
	if trouble == nil || !trouble.Confirmed {
		return false
	}
	sentAt := r.team.trouble.sentAt
	ends := sentAt + trouble.Pause
	if v.Busy > 0 || sentAt >= m.lastDueOfAll(r)-m.fleet.limit { // the time of a look is uncertain
		return now < ends+m.fleet.lease
	}
	return now < ends+m.fleet.limit && ends <= m.lastChance(r)
}

// endCheck ends a check of r without a call. answered says whether it has an answer that is recent
// enough for those who wait for a check.
func (m *machine) endCheck(r *record, answered bool) {
	r.asking = false
	if answered {
		m.answers++
		r.heard = m.answers
	}
	m.forget(r)
}

// unconfirmed reports whether r was refused less often than the threshold says.
func (m *machine) unconfirmed(r *record) bool {
	return r.refusals > 0 && r.refusals < m.rules.rejectionThreshold
}

// withoutStore decides what follows from a look that failed. The more replicas there are, the
// longer they wait with their own calls. All of them have the last good answer at the same age,
// so that their calls must be spread over the time that is left, not moved to its end.
func (m *machine) withoutStore(now instant, r *record) {
	if now < r.openUntil {
		m.endCheck(r, false)
		r.due = r.openUntil
		return
	}
	window := min(time.Duration(m.fleet.replicas)*time.Second/alonePerSecond, m.rules.maxStale)
	left := window
	if r == m.inUse && m.works() && !m.expired(now) {
		left = min(left, m.lastDue(r)-now)
	}
	switch {
	case window < time.Second, !r.asked, r.team.wait.hurry, m.unconfirmed(r),
		r.team.aloneAt > 0 && now >= r.team.aloneAt, left <= 0 && !r.team.alone:
		r.team.wait.granted, r.team.alone, r.team.aloneAt = true, true, 0
		return
	case r.team.aloneAt > 0:
	case r.team.alone && r.outages == 0:
		r.team.aloneAt = now + min(spread(window, m.jitter()), left)
	case r.team.alone && left < window*9/20:
		// It has just called. If all called again in what is left, they would exceed alonePerSecond
		// by far. This share keeps 100,000 replicas at about 300 calls a second.
		r.team.aloneAt = now + spread(window, m.jitter())
	default:
		r.team.aloneAt = now + time.Duration(float64(left)*m.jitter())
	}
	m.endCheck(r, false)
	r.due = min(r.team.aloneAt, now+m.regular(r))
}

// spreadLooks returns a random pause before a look at the store, so that the replicas that wait
// for the same moment do not come together.
func (m *machine) spreadLooks(now instant, r *record) time.Duration {
	most := m.pace.interval / 2
	switch {
	case m.lastMoment(now, r): // another replica asks, and its answer is in time until the end
		most = min(most, max(0, r.verifiedAt+m.rules.maxStale-now-time.Second))
	case r.team.wait.hurry, !r.asked:
		most = min(most, hurriedSpread)
	}
	return time.Duration(float64(m.fleet.rush(most)) * m.jitter())
}

// rush returns how long the looks of all replicas for the same moment take, at most most.
func (f *fleet) rush(most time.Duration) time.Duration {
	return min(time.Duration(f.replicas)*time.Second/looksPerSecond, most)
}

// count notes how many replicas looked lately.
func (f *fleet) count(n int) { f.replicas = max(n, f.replicas*9/10, 1) }

// give plans to store an answer that this replica got under its lease, and to give way to
// another replica where the answer must be confirmed.
func (m *machine) give(now instant, r *record, a platform.Answer) {
	f, team := m.fleet, &r.team
	answer := sharing.Answer{Answer: a, Fence: team.lease.fence}
	seen := sighting{team.lease.fence, team.lease.began}
	if answer.Trouble() {
		team.trouble = seen
		// A proxy of this replica may answer in place of the platform, but not with a 429.
		confirmed := team.probes.confirmed || a.Class == requester.RateLimited ||
			team.probes.count > 0 && team.probes.last != f.id
		team.probes = probes{team.probes.count + 1, f.id, confirmed}
		answer.Probes, answer.Confirmed = team.probes.count, confirmed
		failures := max(team.probes.count, r.outages) // the store may have lost the count
		pause := min(m.pace.backoff(failures, m.jitter()), m.pace.interval/2)
		pause = max(pause, min(a.RetryAfter, m.pace.interval), r.heldUntil-now)
		// The next probe comes before the last good answer is too old, and counts for all.
		ends := now + pause
		if last := m.lastDueOfAll(r); r == m.inUse && m.works() && now < last {
			ends = min(ends, last)
		}
		answer.Pause = ends - team.lease.began
		r.due = ends + m.spreadLooks(now, r)
	} else {
		team.verdict = seen
		team.probes = probes{}
		answer.Refusals = r.refusals
		if a.Class == requester.Rejected {
			answer.RefusedFor = r.askedAt - r.refusedFrom
		}
	}
	if f.replicas > 1 && (answer.Trouble() || m.unconfirmed(r)) {
		r.due += giveWay
	}
	r.due = m.before(now, r, r.due)
	team.floor = max(team.floor, team.lease.fence)
	f.puts = append(f.puts, put{team.keys, answer, f.lease})
}
