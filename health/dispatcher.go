package health

import (
	"fmt"
	"log/slog"
	"sync"
)

// maxChanges is how many changes wait for a slow callback before those in the middle are joined.
const maxChanges = 16

// dispatcher calls back about changes: in order, one at a time, in a goroutine that lives only while there is something
// to deliver. Adding never blocks.
type dispatcher struct {
	callback func(old, new *Snapshot)
	logger   *slog.Logger

	mu      sync.Mutex
	last    *Snapshot // the new of the change that was added last
	queue   []change
	running bool
}

type change struct{ old, new *Snapshot }

// add queues the change from the snapshot that was added last to this one. When the queue is full the last change in it is
// extended instead, so that the old of every call is the new of the call before.
func (d *dispatcher) add(new *Snapshot) {
	if d.callback == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.queue); n == maxChanges {
		d.queue[n-1].new = new
	} else {
		d.queue = append(d.queue, change{d.last, new})
	}
	d.last = new
	if !d.running {
		d.running = true
		go d.run()
	}
}

func (d *dispatcher) run() {
	finished := false
	defer func() {
		if !finished { // the callback has ended the goroutine, as t.FailNow does
			go d.run()
		}
	}()
	for {
		d.mu.Lock()
		if len(d.queue) == 0 {
			d.running, finished = false, true
			d.mu.Unlock()
			return
		}
		next := d.queue[0]
		d.queue = d.queue[1:]
		d.mu.Unlock()
		d.deliver(next)
	}
}

func (d *dispatcher) deliver(c change) {
	defer func() {
		if p := recover(); p != nil {
			// By type only: the value may hold a token that the callback was lent.
			d.logger.Error("toloka credential callback panicked", "panic.type", fmt.Sprintf("%T", p))
		}
	}()
	d.callback(c.old, c.new)
}
