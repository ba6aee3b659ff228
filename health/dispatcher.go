package health

import (
	"sync"
	"time"
)

// dispatcher delivers items to foreign code: in order, one at a time, in a goroutine that lives
// only while there is something to deliver. Adding an item never blocks.
type dispatcher[T any] struct {
	deliver func(T)
	// lost is called for an item whose delivery panicked, with the panic's value, or ended the
	// goroutine, with nil.
	lost func(value any)
	// overflow makes room for an item in a full queue: it returns the queue with the item or
	// without it.
	overflow func(queue []T, item T) []T

	mu      sync.Mutex
	queue   []T
	running bool
	idle    chan struct{} // closed when all is delivered; nil while nothing waits for it
}

// maxQueue is how many items wait for foreign code that is slow.
const maxQueue = 64

func (d *dispatcher[T]) add(item T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) >= maxQueue {
		d.queue = d.overflow(d.queue, item)
	} else {
		d.queue = append(d.queue, item)
	}
	if !d.running {
		d.running = true
		go d.run()
	}
}

// flush waits until all is delivered, for at most limit.
func (d *dispatcher[T]) flush(limit time.Duration) {
	d.mu.Lock()
	if !d.running {
		d.mu.Unlock()
		return
	}
	if d.idle == nil {
		d.idle = make(chan struct{})
	}
	idle := d.idle
	d.mu.Unlock()

	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

func (d *dispatcher[T]) run() {
	finished := false
	defer func() {
		if !finished { // the foreign code ended the goroutine
			d.lost(nil)
			go d.run()
		}
	}()
	for {
		d.mu.Lock()
		if len(d.queue) == 0 {
			d.running, finished = false, true
			if d.idle != nil {
				close(d.idle)
				d.idle = nil
			}
			d.mu.Unlock()
			return
		}
		item := d.queue[0]
		d.queue = d.queue[1:]
		d.mu.Unlock()
		d.deliverOne(item)
	}
}

func (d *dispatcher[T]) deliverOne(item T) {
	defer func() {
		if p := recover(); p != nil {
			d.lost(p)
		}
	}()
	d.deliver(item)
}
