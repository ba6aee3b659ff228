package simulation

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// probe is a replica that does one thing, and writes down what happens to it and when.
type probe struct {
	spec    Spec
	do      func(IO)
	done    bool
	results []string
}

func (p *probe) Plan(now time.Duration, io IO) State {
	if !p.done {
		p.done = true
		p.do(io)
	}
	return State{Wake: now + time.Hour, Reason: "probing"}
}

func (p *probe) note(now time.Duration, what string, args ...any) {
	at := (now - p.spec.Clock).Truncate(time.Millisecond)
	p.results = append(p.results, fmt.Sprintf("%s after %s", fmt.Sprintf(what, args...), at))
}

func (p *probe) Looked(now time.Duration, tag any, v View, err error) {
	p.note(now, "%v looked: lease %t, %v", tag, v.Lease > 0, err)
}

func (p *probe) Stored(now time.Duration, tag any, stored bool, err error) {
	p.note(now, "%v stored: %t, %v", tag, stored, err)
}

func (p *probe) Answered(now time.Duration, tag any, a Answer) {
	p.note(now, "%v answered: %d, %s", tag, a.Status, a.RetryAfter)
}

func TestWorld_operations(t *testing.T) {
	look := func(io IO) { io.Look(0, shared.Query{Lease: time.Second}, "it") }
	put := func(io IO) { io.Put(0, shared.Answer{Fence: 1}, "value", "it") }
	ask := func(io IO) { io.Ask(0, "it") }
	for name, tt := range map[string]struct {
		world func(*world)
		do    func(IO)
		want  string
		from  time.Duration
		to    time.Duration
		calls int
	}{
		"look": {do: look, want: "it looked: lease true, <nil>", to: 2 * time.Millisecond},
		"look refused": {redisIs(redisDown), look, "it looked: lease false, " + ErrRedis.Error(),
			0, 2 * time.Millisecond, 0},
		"look timed out": {redisIs(redisSilent), look, "it looked: lease false, " + ErrRedis.Error(),
			250 * time.Millisecond, 250 * time.Millisecond, 0},
		"put": {do: put, want: "it stored: false, <nil>", to: 2 * time.Millisecond},
		"put timed out": {redisIs(redisSilent), put, "it stored: false, " + ErrRedis.Error(),
			250 * time.Millisecond, 250 * time.Millisecond, 0},
		"accepted": {nil, ask, "it answered: 200, 0s",
			50 * time.Millisecond, 400 * time.Millisecond, 1},
		"refused": {deleteToken, ask, "it answered: 401, 0s",
			50 * time.Millisecond, 400 * time.Millisecond, 1},
		"outage": {answers(503, time.Minute), ask, "it answered: 503, 1m0s",
			50 * time.Millisecond, 400 * time.Millisecond, 1},
		"cut off": {func(w *world) { w.processes[0].cutOff = true }, ask, "it answered: 0, 0s",
			5 * time.Second, 5 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := &probe{do: tt.do, done: true}
			w := newWorld(Config{
				Replicas: 1, CallTimeout: 5 * time.Second, RedisTimeout: 250 * time.Millisecond,
				New: func(s Spec) Replica { p.spec = s; return p },
			})
			w.meter = newMeter(w, nil)
			w.start(0)
			if tt.world != nil {
				tt.world(w)
			}
			p.done = false
			w.plan(0)
			w.run(time.Minute)
			if assert.Len(t, p.results, 1) {
				var d string
				_, err := fmt.Sscanf(p.results[0][len(tt.want):], " after %s", &d)
				assert.NoError(t, err)
				assert.Equal(t, tt.want, p.results[0][:len(tt.want)])
				took, err := time.ParseDuration(d)
				assert.NoError(t, err)
				assert.GreaterOrEqual(t, took, tt.from)
				assert.LessOrEqual(t, took, tt.to)
			}
			assert.Len(t, w.meter.calls, tt.calls)
			assert.Len(t, w.free, len(w.operations), "every operation has ended")
		})
	}
}

// A lease that is granted too late is granted to none.
func TestWorld_late_lease(t *testing.T) {
	p := &probe{do: func(io IO) { io.Look(0, shared.Query{Lease: time.Minute}, "it") }}
	w := newWorld(Config{
		Replicas: 1, RedisTimeout: time.Microsecond,
		New: func(s Spec) Replica { p.spec = s; return p },
	})
	w.meter = newMeter(w, nil)
	w.start(0)
	w.run(time.Second)
	assert.Equal(t, []string{"it looked: lease false, " + ErrRedis.Error() + " after 0s"}, p.results)
	assert.True(t, w.redis.of(0).lease.held(w.now))
	assert.Len(t, w.free, len(w.operations))
}

func TestWorld_ended_process(t *testing.T) {
	p := &probe{do: func(io IO) {
		io.Look(0, shared.Query{Lease: time.Minute}, "look")
		io.Ask(0, "call")
	}}
	w := newWorld(Config{
		Replicas: 1, RedisTimeout: time.Second, CallTimeout: time.Second,
		New: func(s Spec) Replica { p.spec = s; return p },
	})
	w.meter = newMeter(w, nil)
	w.start(0)
	w.end(0)
	w.run(time.Minute)
	assert.Empty(t, p.results)
	assert.True(t, w.redis.of(0).lease.held(time.Second), "the look was under way")
	assert.Len(t, w.meter.calls, 1, "so was the call")
	assert.Len(t, w.free, len(w.operations))
}

// spinner is never done.
type spinner struct{ probe }

func (*spinner) Plan(now time.Duration, _ IO) State { return State{Wake: now} }

func TestWorld_endless_loop(t *testing.T) {
	w := newWorld(Config{Replicas: 1, New: func(Spec) Replica { return &spinner{} }})
	w.meter = newMeter(w, nil)
	w.start(0)
	assert.PanicsWithValue(t, "simulation: replica 0 plans without end at 0s: "+
		fmt.Sprintf("%+v", State{Wake: w.processes[0].ahead}), func() { w.run(time.Second) })
}
