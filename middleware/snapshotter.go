package middleware

import (
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// Snapshotter is all that this package needs of a checker: the verdict of this moment. [*health.Checker] is one; tests
// fake it with a struct that returns [health.NewSnapshot].
//
// Snapshot is called for every request and by any number of goroutines at once, so it has to be cheap and must not wait.
// It should return the same pointer until the verdict changes: answers are rendered once per snapshot. A nil snapshot
// counts as one that nobody has judged, which is fail.
type Snapshotter interface {
	Snapshot() *health.Snapshot
}

var _ Snapshotter = (*health.Checker)(nil)

// unjudged stands in for a nil snapshot.
var unjudged = health.NewSnapshot(health.State{})

// checked returns c, and panics if there is nothing behind it. Gates and endpoints are wired once, in one expression and
// before the first request, where net/http and Echo panic on nil handlers too; a gate that found out at the first
// request would be worse.
func checked(c Snapshotter) Snapshotter {
	if isnil.Value(c) {
		panic("middleware: nil checker: look at the error of health.New before the checker is used")
	}
	return c
}

// allChecked returns the checkers of an endpoint.
func allChecked(c Snapshotter, more []Snapshotter) []Snapshotter {
	all := append([]Snapshotter{c}, more...)
	for _, c := range all {
		checked(c)
	}
	return all
}
