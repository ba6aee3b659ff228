package simulation

import (
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// Replica is the decisions of one process. The simulation calls its methods one at a time, from
// one goroutine. All times are readings of the clock of the replica's machine, which starts at
// [Spec.Clock] and is minutes ahead of the clocks of other machines.
//
// After every call the simulation calls Plan.
type Replica interface {
	// Plan starts what is due at now.
	Plan(now time.Duration, io IO) State
	// Looked delivers the result of [IO.Look].
	Looked(now time.Duration, tag any, v View, err error)
	// Stored delivers the result of [IO.Put]. An error says nothing about whether it was stored.
	Stored(now time.Duration, tag any, stored bool, err error)
	// Answered delivers the result of [IO.Ask].
	Answered(now time.Duration, tag any, a Answer)
}

// State is what is known of a replica after it has planned.
type State struct {
	// Wake is when Plan is called again, if nothing happens before.
	Wake time.Duration
	// Open reports whether the replica serves requests that need the platform.
	Open bool
	// Reason says why, in one word.
	Reason string
}

// Spec is what a process is started with.
type Spec struct {
	// Index identifies the process. A process that replaces another has an index of its own.
	Index int
	// Clock is the time on the clock of its machine.
	Clock time.Duration
	// Token identifies the token that its source holds, from 0.
	Token int
	// Random returns numbers in [0, 1), the same ones in every run.
	Random func() float64
}

// IO starts what a replica wants done. Its methods return at once; the results come later, with
// the tag that the replica gave. It is valid during the call that it was passed to.
type IO struct {
	world   *world
	process int32
}

// Look looks into Redis for a token. Query.Replica is ignored: the simulation knows who looks.
func (io IO) Look(token int, q shared.Query, tag any) {
	i, op := io.world.operation(io.process, looking, token, tag)
	op.query = q
	io.world.toRedis(i, op)
}

// Put stores an answer about a token in Redis. Answer.Data is ignored; value takes its place.
func (io IO) Put(token int, a shared.Answer, value, tag any) {
	i, op := io.world.operation(io.process, putting, token, tag)
	op.answer, op.value = a, value
	io.world.toRedis(i, op)
}

// Ask calls the platform about a token.
func (io IO) Ask(token int, tag any) {
	i, op := io.world.operation(io.process, asking, token, tag)
	io.world.toPlatform(i, op)
}
