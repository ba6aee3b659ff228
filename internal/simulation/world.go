package simulation

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// Config says what is simulated.
type Config struct {
	// Replicas is how many there are.
	Replicas int
	// New starts the process of a replica.
	New func(Spec) Replica
	// CallTimeout and RedisTimeout are how long a replica waits for an answer.
	CallTimeout, RedisTimeout time.Duration
	// Seed makes another run.
	Seed uint64
}

// world is a fleet, Redis and the platform, at a moment.
type world struct {
	config   Config
	random   *rand.Rand
	chance   func() float64 // of random
	now      time.Duration
	queue    queue
	redis    redis
	platform platform
	skew     time.Duration // clocks are ahead by up to this

	processes  []process
	operations []operation
	free       []int32 // indices of operations
	script     []func()

	// unlucky is how many of those that get the lease lose the platform at that moment.
	unlucky int

	meter *meter
}

// process is a replica while it runs.
type process struct {
	replica Replica // nil once it has ended
	ahead   time.Duration
	token   int
	cutOff  bool // from the platform

	state  State
	served bool   // it has left its first reason
	wake   uint64 // the order of its next wakes event
	plans  int
}

// action is what an operation does.
type action uint8

const (
	looking action = iota
	putting
	asking
)

// operation is a request of a process to Redis or the platform that is under way.
type operation struct {
	action  action
	process int32
	legs    uint8 // events that refer to it
	late    bool  // the process has given up, or will before the answer comes
	token   int
	tag     any
	sent    time.Duration
	takes   time.Duration // until the answer is there

	query  shared.Query
	answer shared.Answer
	value  any

	err    error
	view   View
	stored bool
	reply  Answer
}

func newWorld(c Config) *world {
	random := rand.New(rand.NewPCG(c.Seed, uint64(c.Replicas)))
	w := &world{
		config:   c,
		random:   random,
		chance:   random.Float64,
		redis:    redis{random: random},
		platform: platform{random: random, status: 200, deleted: make(map[int]bool)},
		skew:     5 * time.Minute,
	}
	w.redis.empty()
	return w
}

// run lets everything happen until a moment.
func (w *world) run(until time.Duration) {
	for {
		e, ok := w.queue.next(until)
		if !ok {
			break
		}
		w.now = e.at
		switch e.kind {
		case wakes:
			if w.processes[e.index].wake == e.order {
				w.plan(e.index)
			}
		case arrives:
			w.arrive(e.index)
		case returns:
			w.deliver(e.index)
		case happens:
			w.script[e.index]()
		}
	}
	w.now = until
}

// at adds a step to the script.
func (w *world) at(moment time.Duration, step func()) {
	w.script = append(w.script, step)
	w.queue.add(moment, happens, int32(len(w.script)-1))
}

// start starts a process now.
func (w *world) start(token int) int32 {
	i := int32(len(w.processes))
	p := process{token: token, ahead: between(w.random, 0, w.skew)}
	p.replica = w.config.New(Spec{
		Index: int(i), Clock: w.now + p.ahead, Token: token, Random: w.chance,
	})
	w.processes = append(w.processes, p)
	w.plan(i)
	return i
}

// end ends a process now. What it has sent is carried out.
func (w *world) end(i int32) {
	p := &w.processes[i]
	w.meter.left(p.state)
	p.replica, p.wake = nil, 0
}

// spins is how many plans in one instant are taken for an endless loop.
const spins = 1000

// plan has a process plan, and notes what has changed.
func (w *world) plan(i int32) {
	p := &w.processes[i]
	before := p.state
	after := p.replica.Plan(w.now+p.ahead, IO{w, i})
	at := max(w.now, after.Wake-p.ahead)
	if p.plans++; at > w.now {
		p.plans = 0
	} else if p.plans > spins {
		panic(fmt.Sprintf("simulation: replica %d plans without end at %s: %+v", i, w.now, after))
	}
	p.wake = w.queue.add(at, wakes, i)

	p.state = after
	first := before.Reason == ""
	if !first && before.Open == after.Open && before.Reason == after.Reason {
		return
	}
	w.meter.changed(w.now, change{
		before: before, after: after, first: first, served: p.served, cutOff: p.cutOff,
		accepted: w.platform.accepts(p.token),
	})
	p.served = p.served || !first
}

// operation returns a new operation of a process.
func (w *world) operation(process int32, a action, token int, tag any) (int32, *operation) {
	var i int32
	if last := len(w.free) - 1; last >= 0 {
		i = w.free[last]
		w.free = w.free[:last]
	} else {
		i = int32(len(w.operations))
		w.operations = append(w.operations, operation{})
	}
	w.operations[i] = operation{action: a, process: process, token: token, tag: tag, sent: w.now}
	return i, &w.operations[i]
}

// event adds an event of an operation.
func (w *world) event(at time.Duration, k kind, i int32, op *operation) {
	op.legs++
	w.queue.add(at, k, i)
}

// done ends an event of an operation, and the operation with the last one.
func (w *world) done(i int32) {
	op := &w.operations[i]
	if op.legs--; op.legs == 0 {
		*op = operation{}
		w.free = append(w.free, i)
	}
}

// toRedis sends an operation to Redis.
func (w *world) toRedis(i int32, op *operation) {
	w.meter.redis(w.now)
	op.takes = between(w.random, 200*time.Microsecond, 2*time.Millisecond)
	if w.redis.state == redisSlow {
		op.takes = between(w.random, 200*time.Millisecond, 2*time.Second)
	}
	if op.takes > w.config.RedisTimeout {
		op.late = true
		w.event(op.sent+w.config.RedisTimeout, returns, i, op)
	}
	w.event(op.sent+op.takes/2, arrives, i, op)
}

// toPlatform sends a call to the platform. One that cannot reach it times out.
func (w *world) toPlatform(i int32, op *operation) {
	if w.processes[op.process].cutOff {
		op.late, op.reply = true, Answer{Latency: w.config.CallTimeout}
		w.event(op.sent+w.config.CallTimeout, returns, i, op)
		return
	}
	op.takes = between(w.random, 50*time.Millisecond, 400*time.Millisecond)
	w.event(op.sent+op.takes/2, arrives, i, op)
}

// arrive carries out an operation where it was sent to.
func (w *world) arrive(i int32) {
	defer w.done(i)
	op := &w.operations[i]
	switch {
	case op.action == asking:
		w.meter.call(w.now)
		op.reply = w.platform.answer(w.now, op.token)
		op.reply.Latency = op.takes
	case w.redis.state == redisDown:
		op.err = ErrRedis
	case w.redis.state == redisSilent:
		op.err = ErrRedis
		op.takes = w.config.RedisTimeout
	case op.action == putting:
		op.stored = w.redis.put(w.now, op.token, op.answer, op.value)
	default:
		op.view = w.redis.look(w.now, op.token, op.process, op.query)
		if op.view.Lease > 0 && w.unlucky > 0 {
			w.unlucky--
			w.processes[op.process].cutOff = true
		}
	}
	if !op.late {
		w.event(op.sent+op.takes, returns, i, op)
	}
}

// deliver gives a process the result of its operation.
func (w *world) deliver(i int32) {
	defer w.done(i)
	op := &w.operations[i]
	process := op.process
	p := &w.processes[process]
	if p.replica == nil {
		return
	}
	now := w.now + p.ahead
	if op.late && op.action != asking {
		op.err, op.view, op.stored = ErrRedis, View{}, false
	}
	switch op.action {
	case looking:
		p.replica.Looked(now, op.tag, op.view, op.err)
	case putting:
		p.replica.Stored(now, op.tag, op.stored, op.err)
	case asking:
		p.replica.Answered(now, op.tag, op.reply)
	}
	w.plan(process)
}
