package simulation

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// View is what a look finds. The data of its entries are the values that were put: there is no
// encryption in the simulation.
type View struct {
	shared.View // without Data
	// VerdictValue and TroubleValue are the values of the two entries, nil where there is none.
	VerdictValue, TroubleValue any
}

// ErrRedis is the error of an operation that Redis did not answer in time, or at all.
var ErrRedis = errors.New("simulation: no answer from Redis")

// redisState is what Redis does at a moment.
type redisState uint8

const (
	redisUp     redisState = iota
	redisDown              // refuses connections at once
	redisSilent            // lets every operation time out
	redisSlow              // answers after 200 ms to 2 s
)

// generation is how long replicas are counted before a new count begins.
const generation = 90 * time.Second

// redis is a model of the store: it follows the contract of [shared.Store].
type redis struct {
	random *rand.Rand
	state  redisState
	tokens map[int]*token
}

// token is what Redis keeps of one token.
type token struct {
	verdict, trouble entry
	fence            uint64 // of the last lease
	lease            lease
	count            count
}

type entry struct {
	fence uint64
	at    time.Duration // when its lease was granted
	pause time.Duration
	value any
}

type lease struct {
	fence  uint64
	at     time.Duration // when it was granted
	length time.Duration
}

func (l *lease) held(now time.Duration) bool { return l.fence > 0 && now < l.at+l.length }

func (e *entry) stored(now time.Duration) bool { return e.fence > 0 && now-e.at < shared.Retention }

// view returns the entry as a reader sees it.
func (e *entry) view(now time.Duration) shared.Entry {
	if !e.stored(now) {
		return shared.Entry{}
	}
	return shared.Entry{Fence: e.fence, Age: now - e.at, Pause: e.pause}
}

// empty loses everything.
func (r *redis) empty() { r.tokens = make(map[int]*token) }

// of returns what is stored about a token.
func (r *redis) of(id int) *token {
	t := r.tokens[id]
	if t == nil {
		t = &token{}
		r.tokens[id] = t
	}
	return t
}

// look is [shared.Store.Look] at a moment of Redis' clock.
func (r *redis) look(now time.Duration, id int, replica int32, q shared.Query) View {
	t := r.of(id)
	v := View{}
	v.Replicas = t.count.add(now, replica, r.random)
	if v.Verdict = t.verdict.view(now); v.Verdict.Fence > 0 {
		v.VerdictValue = t.verdict.value
	}
	if v.Trouble = t.trouble.view(now); v.Trouble.Fence > 0 {
		v.TroubleValue = t.trouble.value
	}
	if t.lease.held(now) {
		v.Busy = t.lease.at + t.lease.length - now
		return v
	}
	// The clock makes fences grow even after everything was lost.
	fence := max(t.fence, uint64(now.Microseconds()), q.Floor) + 1
	if q.Lease > 0 && due(v, q) && fence <= shared.MaxFence {
		t.fence = fence
		t.lease = lease{fence: fence, at: now, length: q.Lease}
		v.Lease = fence
	}
	return v
}

// due reports whether the platform may be asked.
func due(v View, q shared.Query) bool {
	if trouble := v.Trouble; trouble.Fence > 0 && trouble.Fence >= q.Floor {
		return trouble.Age >= trouble.Pause
	}
	verdict := v.Verdict
	return verdict.Fence == 0 || verdict.Fence < q.Floor || verdict.Age >= q.Due
}

// put is [shared.Store.Put] at a moment of Redis' clock.
func (r *redis) put(now time.Duration, id int, a shared.Answer, value any) bool {
	t := r.of(id)
	if !t.lease.held(now) || t.lease.fence != a.Fence {
		return false
	}
	e := entry{fence: a.Fence, at: t.lease.at, value: value}
	if a.Trouble {
		e.pause = a.Pause
		t.trouble = e
	} else {
		t.verdict, t.trouble = e, entry{}
	}
	t.lease = lease{}
	return true
}

// count counts the replicas that looked, about as exactly as Redis' HyperLogLog does.
type count struct {
	began         time.Duration // the current generation
	number        uint32        // of the current generation, from 1
	seen          []uint32      // the generation in which each replica looked last
	current, past int
}

func (c *count) add(now time.Duration, replica int32, random *rand.Rand) int {
	switch gone := now - c.began; {
	case c.number == 0 || gone >= 2*generation:
		c.past, c.current, c.began = 0, 0, now
		c.number++
	case gone >= generation:
		c.past, c.current, c.began = c.current, 0, c.began+generation
		c.number++
	}
	if int(replica) >= len(c.seen) {
		c.seen = append(c.seen, make([]uint32, int(replica)+1-len(c.seen))...)
	}
	if c.seen[replica] != c.number {
		c.seen[replica] = c.number
		c.current++
	}
	n := float64(max(c.current, c.past))
	return int(n*(0.99+0.02*random.Float64()) + 0.5)
}
