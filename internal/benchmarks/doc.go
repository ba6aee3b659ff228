// Package benchmarks shows what the library costs beside a handler written by hand and beside its peers: the same work, in
// one run, on one machine. It is a module of its own, so that the peers are no dependencies of the library.
//
// The script run measures everything and prints the tables; README.md has its output and says how to read it.
package benchmarks

import "net/http"

// Subject is one of those that are measured side by side.
type Subject struct {
	// Name is what benchstat makes a column of.
	Name string
	// Handler does the work.
	Handler http.Handler
	// Close stops what the subject has in the background. Never nil.
	Close func()
}

const (
	// Bare is the name of the handler that is written by hand: what the others are compared with.
	Bare = "bare"
	// Ours is the name of this library.
	Ours = "tolokacheck"
)

func bare(h http.Handler) Subject { return Subject{Name: Bare, Handler: h, Close: nothing} }

func nothing() {}
