package simulation

import "time"

// event is due at a moment. It has no pointers, so that the garbage collector skips the queue.
type event struct {
	at    time.Duration
	order uint64 // events of the same moment happen in the order in which they were added
	kind  kind
	index int32 // of the process, the operation or the script
}

// kind is what happens.
type kind uint8

const (
	wakes   kind = iota // a process plans
	arrives             // an operation reaches Redis or the platform
	returns             // its result reaches the process
	happens             // a step of the script
)

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.order < o.order
}

// queue is a heap of events in which every node has four children: it is half as deep as a
// binary one, and the children share cache lines.
type queue struct {
	events []event
	added  uint64
}

// add returns the order of the event.
func (q *queue) add(at time.Duration, k kind, index int32) uint64 {
	q.added++
	e := event{at: at, order: q.added, kind: k, index: index}
	q.events = append(q.events, e)
	i := len(q.events) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.events[parent]) {
			break
		}
		q.events[i] = q.events[parent]
		i = parent
	}
	q.events[i] = e
	return e.order
}

// next removes and returns the first event that is due until the given moment.
func (q *queue) next(until time.Duration) (event, bool) {
	if len(q.events) == 0 || q.events[0].at > until {
		return event{}, false
	}
	first := q.events[0]
	last := len(q.events) - 1
	e := q.events[last]
	q.events = q.events[:last]
	if last > 0 {
		q.sink(e)
	}
	return first, true
}

// sink puts e into the place of the root.
func (q *queue) sink(e event) {
	i := 0
	for {
		first := 4*i + 1
		if first >= len(q.events) {
			break
		}
		child := first
		for c := first + 1; c < min(first+4, len(q.events)); c++ {
			if q.events[c].before(&q.events[child]) {
				child = c
			}
		}
		if !q.events[child].before(&e) {
			break
		}
		q.events[i] = q.events[child]
		i = child
	}
	q.events[i] = e
}
