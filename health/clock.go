package health

import (
	"sync"
	"time"
)

// instant is a point in the checker's time: how long after its creation, including the time for
// which the machine was suspended. Go's monotonic clock stands still then, so an age that was
// computed from it alone would be too short.
type instant = time.Duration

const (
	// lookEvery bounds how long the loop sleeps. Timers stand still while the machine is
	// suspended, so this is how soon after waking the loop notices.
	lookEvery = 5 * time.Second

	// leastJump is the shortest suspension that counts.
	leastJump = time.Second
)

// clock tells the checker's time. It is safe for concurrent use.
type clock struct {
	start  time.Time
	source func() time.Duration // how long the machine was suspended, since any fixed moment

	mu        sync.Mutex
	first     time.Duration // what source returned at start
	suspended time.Duration // since start; never decreases
	looked    time.Duration // suspended at the last look
	wall      time.Time     // the time at the last look
}

func newClock(source func() time.Duration) *clock {
	now := time.Now()
	return &clock{start: now, source: source, first: source(), wall: now}
}

// now returns the present instant.
func (c *clock) now() instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.start) + c.suspendedLocked()
}

// suspendedLocked ignores less than leastJump: the source has noise, and an instant must not
// depend on it.
func (c *clock) suspendedLocked() time.Duration {
	if s := c.source() - c.first; s-c.suspended >= leastJump {
		c.suspended = s
	}
	return c.suspended
}

// woke reports whether the machine was suspended since the last look. Where the system does not
// tell, it reports whether the wall clock and the monotonic clock disagree, which may also mean
// that the wall clock was set: that only causes a check.
func (c *clock) woke() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	slept := c.suspendedLocked() - c.looked
	if !suspensionKnown {
		slept = (now.Round(0).Sub(c.wall.Round(0)) - now.Sub(c.wall)).Abs()
	}
	c.looked, c.wall = c.suspended, now
	return slept >= leastJump
}
