package health_test

import (
	"slices"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// look checks a snapshot of the replica. It may be called at any time.
func (r *fleetReplica) look(snap *health.Snapshot) {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.closed || snap.Reason() == health.ReasonClosed { // or of the checker before
		return
	}
	w.traceLocked("replica %d: %v, token %d", r.number, snap.State().Reasons, fleetTokenOf(snap))
	i := fleetTokenOf(snap)
	if i < 0 {
		return
	}
	r.checkSafetyLocked(snap, i)
	r.checkRefusalsLocked(snap, i)
	if snap.Open() {
		r.open, r.verified = i, snap.State().VerifiedAt.Sub(w.born)
	}
	if r.started {
		r.checkLivenessLocked(snap, i)
	}
}

// lyingLocked reports whether what the store said when it lied may still count.
func (w *fleetWorld) lyingLocked() bool {
	return w.honest > 0 && w.now() < w.honest+w.config.maxStale+w.config.reaction() || w.store.lies()
}

// checkSafetyLocked: the gate is open only if the platform accepted the token of some replica, less
// than MaxStale ago, and the answer is not shown younger than it is.
func (r *fleetReplica) checkSafetyLocked(snap *health.Snapshot, i int) {
	w := r.w
	if !snap.Open() {
		return
	}
	now, verified := w.now(), snap.State().VerifiedAt.Sub(w.born)
	calls := w.tokens[i].accepted
	switch {
	case len(calls) == 0:
		w.complainLocked("replica %d is open, and token %d was never accepted", r.number, i)
	case now-verified > w.config.maxStale:
		w.complainLocked("replica %d is open, and token %d was verified %v ago", r.number, i, now-verified)
	case w.lyingLocked():
	case calls[len(calls)-1].sentAt < verified:
		w.complainLocked("replica %d says that token %d was verified at %v, and it was accepted at %v",
			r.number, i, verified, calls[len(calls)-1].sentAt)
	}
}

// checkRefusalsLocked: a token that was verified is rejected only after as many refusals as the
// threshold says, each some time after the one before.
func (r *fleetReplica) checkRefusalsLocked(snap *health.Snapshot, i int) {
	w := r.w
	rejected := slices.Contains(snap.State().Reasons, health.ReasonRejected)
	confirming := slices.Contains(snap.State().Reasons, health.ReasonConfirmingRejection)
	if !rejected && !confirming {
		return
	}
	calls := w.tokens[i].refused
	if len(calls) == 0 {
		w.complainLocked("replica %d: %v, and token %d was never refused", r.number, snap.State().Reasons, i)
		return
	}
	if !rejected || r.open != i || w.lyingLocked() {
		return
	}
	// Refusals count from the last good answer that the replica has heard, and those before a
	// good answer that was stored do not count.
	from := r.verified
	if good := w.tokens[i].accepted; w.spotless && len(good) > 0 {
		if last := good[len(good)-1]; last.endedAt < calls[len(calls)-1].sentAt {
			from = max(from, last.sentAt)
		}
	}
	n, last := 0, time.Duration(-1)
	for _, c := range calls {
		if c.sentAt >= from && (last < 0 || c.sentAt >= last+w.config.recheck) {
			n, last = n+1, c.sentAt
		}
	}
	if n < w.config.threshold {
		w.complainLocked("replica %d rejects token %d after %d refusals since %v", r.number, i, n, from)
	}
}

// goodSinceLocked returns since when the platform accepts token i whenever r asks, and the others
// can be relied upon: no two of them have the same trouble.
func (r *fleetReplica) goodSinceLocked(i int) (time.Duration, bool) {
	w := r.w
	t := &w.tokens[i]
	if t.answer != accepts || r.trouble != accepts || w.others > 1 {
		return 0, false
	}
	since := max(t.since, r.since, t.heldUntil)
	for _, o := range w.replicas {
		since = max(since, o.since) // its trouble may have been confirmed by another's
	}
	return since, true
}

// checkLivenessLocked: a token that the platform accepts whenever it is asked is open.
func (r *fleetReplica) checkLivenessLocked(snap *health.Snapshot, i int) {
	w, c := r.w, r.w.config
	now := w.now()
	since, good := r.goodSinceLocked(i)
	switch {
	case w.calm && r.open == i && snap.Reason() != health.ReasonVerified:
		w.complainLocked("replica %d: %v, and the platform accepts every token", r.number, snap.State().Reasons)
	case w.sick != manySick && w.sick != r.number && slices.Contains(snap.State().Reasons, health.ReasonStale):
		w.complainLocked("replica %d: %v, and only replica %d had trouble", r.number, snap.State().Reasons, w.sick)
	case !good || snap.Open():
	case r.open == i && r.verified+c.maxStale-c.again() > since &&
		snap.Reason() == health.ReasonUnreachable:
		w.complainLocked("replica %d: the outage has ended at %v, and the gate closes: %v",
			r.number, since, snap.State().Err)
	case now > max(since, r.switched)+c.reaction() && !w.lyingLocked():
		w.complainLocked("replica %d is closed (%v: %v), and token %d is accepted since %v",
			r.number, snap.State().Reasons, snap.State().Err, i, since)
	}
	if refused := w.tokens[i]; refused.answer == refuses && r.trouble == accepts && w.others == 0 &&
		snap.Open() && now > max(refused.since, r.since, r.switched, w.quiet)+c.reaction() && !w.lyingLocked() &&
		w.store.working() {
		w.complainLocked("replica %d is open (%v), and token %d is refused since %v",
			r.number, snap.State().Reasons, i, refused.since)
	}
}

// checkCounts compares the calls and looks of a step with what its length allows.
func (w *fleetWorld) checkCounts() {
	looks := w.store.countLooks()
	w.mu.Lock()
	defer w.mu.Unlock()
	c, took := w.config, w.now()-w.count.since
	rounds := int(took/(c.interval*8/10)) + 1
	// A check looks at most once a second while it waits, and more often at first.
	most := (rounds + 8 + 2*w.count.forced) * (8 + int(2*c.lease()/time.Second))
	if looks > most {
		w.complainLocked("a replica looked %d times in %v, at most %d expected", looks, took, most)
	}
	for i, n := range w.count.calls {
		// A backoff and a confirmation for each change, as if there were no store.
		each := rounds*5/4 + 12 + c.threshold + w.count.forced
		most := each * c.replicas
		if w.spotless && w.others == 0 {
			most = each
		}
		if n > most {
			w.complainLocked("%d calls about token %d in %v, at most %d expected", n, i, took, most)
		}
	}
	w.count = fleetCount{since: w.now()}
}

// checkAgreement: the replicas with the same token say the same.
func (w *fleetWorld) checkAgreement() {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := map[int]string{}
	for _, r := range w.replicas {
		snap := r.checker.Snapshot()
		i := fleetTokenOf(snap)
		verdict := verdictOf(snap)
		if before, ok := said[i]; ok && before != verdict {
			w.complainLocked("replica %d says %s, another one %s", r.number, verdict, before)
		}
		said[i] = verdict
		want := "pass: verified"
		if i >= 0 && w.tokens[i].answer == refuses {
			want = "fail: rejected"
		}
		if verdict != want {
			w.complainLocked("replica %d says %s in the end, want %s", r.number, verdict, want)
		}
	}
}
