package health

import (
	"context"
	"time"

	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// event is something that happened outside the loop.
type event func(now instant) note

// run is the checker's one goroutine: it applies events, decides what comes next, and starts
// reads and calls, each in a goroutine of its own, until ctx ends. It never waits for foreign
// code.
func (c *Checker) run(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var happened event
		select {
		case <-ctx.Done():
			return
		case happened = <-c.events:
		case <-timer.C:
		case <-c.poke:
		}
		next := c.step(ctx, happened)
		for _, r := range next.ask {
			go c.ask(ctx, r)
		}
		for _, l := range next.look {
			go c.look(ctx, l)
		}
		for _, p := range next.put {
			go c.put(ctx, p)
		}
		if next.read {
			go c.read(ctx)
		}
		if next.poll {
			go c.poll(ctx)
		}
		timer.Reset(min(max(0, next.wake-c.clock.now()), lookEvery))
	}
}

// step applies an event, which may be nil, and plans what comes next. When ctx has ended, it does
// neither.
func (c *Checker) step(ctx context.Context, happened event) todo {
	var next todo
	c.update(func(now instant) (n note, news bool) {
		if ctx.Err() != nil {
			return note{}, false
		}
		if news = c.clock.woke(); news {
			c.m.wake(now)
		}
		if happened != nil {
			n, news = happened(now), true
		}
		next = c.m.plan(now)
		return n, news || next.changed
	})
	if r := next.finished; r != nil {
		close(r.done)
	}
	return next
}

// send hands an event to the loop, unless that has ended.
func (c *Checker) send(ctx context.Context, e event) {
	current := func(now instant) note {
		if ctx.Err() != nil {
			return note{} // the loop of a later Start got it
		}
		return e(now)
	}
	select {
	case c.events <- current:
	case <-ctx.Done():
	}
}

// ask makes one call about the token of r.
func (c *Checker) ask(ctx context.Context, r *record) {
	c.mu.Lock() // at its end Start replaces the breakers
	breaker := r.breaker
	c.mu.Unlock()
	answer := breaker.Do(func() platform.Answer { return c.caller.Call(ctx, r.token) })
	c.send(ctx, func(now instant) note { return c.m.answer(now, r, answer) })
}

// look looks at the shared store.
func (c *Checker) look(ctx context.Context, l look) {
	began := c.clock.now()
	view, err := c.member.Look(ctx, &l.r.team.keys, l.query)
	c.send(ctx, func(now instant) note { return c.m.looked(now, began, l.r, view, err) })
}

// put stores an answer in the shared store. Its failure needs no reaction: the next look tells.
func (c *Checker) put(ctx context.Context, p put) {
	_ = c.member.Put(ctx, &p.keys, p.answer, p.lease)
}

// read reads the source once.
func (c *Checker) read(ctx context.Context) {
	c.source.read(ctx, func(r reading) {
		c.send(ctx, func(now instant) note { return c.m.sourceRead(now, r) })
	})
}

// poll polls the source once.
func (c *Checker) poll(ctx context.Context) {
	c.source.poll(ctx, func(p polled) {
		c.send(ctx, func(instant) note { return c.m.sourcePolled(p) })
	})
}
