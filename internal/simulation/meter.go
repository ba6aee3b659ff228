package simulation

import (
	"slices"
	"time"
)

// meter measures one phase.
type meter struct {
	began     time.Duration
	calls     []time.Duration // when the platform was called, in order
	perSecond []int           // operations of Redis in each second since began
	changes   int
	closed    int
	wrongly   int // closed while the platform answered and accepted the token

	// knows is what the phase is about to be known, nil for nothing.
	knows   func(State) bool
	total   int           // of the replicas
	knowing int           // of them
	half    time.Duration // when half of them knew first, 0 if they did not
	all     time.Duration // since when all of them know, 0 if they do not
}

// change is a change of a replica's state.
type change struct {
	before, after State
	first         bool // there was no state before
	served        bool // the replica has left its first state before
	cutOff        bool // it cannot reach the platform
	accepted      bool // the platform answers and accepts the token
}

// newMeter starts to measure the fleet.
func newMeter(w *world, knows func(State) bool) *meter {
	if knows == nil {
		knows = func(State) bool { return false }
	}
	m := &meter{began: w.now, knows: knows, total: w.config.Replicas}
	for i := range w.processes {
		if p := &w.processes[i]; p.replica != nil {
			m.joined(p.state)
		}
	}
	m.note(w.now)
	return m
}

func (m *meter) call(now time.Duration) { m.calls = append(m.calls, now) }

func (m *meter) redis(now time.Duration) {
	second := int((now - m.began) / time.Second)
	for second >= len(m.perSecond) {
		m.perSecond = append(m.perSecond, 0)
	}
	m.perSecond[second]++
}

func (m *meter) joined(s State) {
	if m.knows(s) {
		m.knowing++
	}
}

func (m *meter) left(s State) {
	if m.knows(s) {
		m.knowing--
	}
}

func (m *meter) changed(now time.Duration, c change) {
	if !c.first {
		m.left(c.before)
	}
	m.joined(c.after)
	m.note(now)
	if !c.served {
		return
	}
	if !c.cutOff {
		m.changes++
	}
	if c.before.Open && !c.after.Open {
		m.closed++
		if c.accepted {
			m.wrongly++
		}
	}
}

// note keeps when half and all of the replicas know.
func (m *meter) note(now time.Duration) {
	if m.half == 0 && 2*m.knowing >= m.total {
		m.half = now
	}
	switch {
	case m.knowing < m.total:
		m.all = 0
	case m.all == 0:
		m.all = now
	}
}

// most returns how many calls there were within any period of that length from a moment on.
func (m *meter) most(period, from time.Duration) int {
	first, _ := slices.BinarySearch(m.calls, from)
	most := 0
	for i := first; i < len(m.calls); i++ {
		for m.calls[i]-m.calls[first] >= period {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
