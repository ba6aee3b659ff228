// Package benchmarks compares the library with a hand-written handler and with similar libraries,
// the peers: the same work, in one run, on one machine. It is a module of its own, so that the
// peers are not dependencies of the library.
//
// The script run measures everything and prints the tables. README.md explains them.
package benchmarks

import "net/http"

// Subject is one of the handlers that are compared.
type Subject struct {
	// Name becomes a column of benchstat.
	Name string
	// Handler does the work.
	Handler http.Handler
	// Close stops the background work of the subject. It is never nil.
	Close func()
}

const (
	// Bare is the name of the hand-written handler, which the others are compared with.
	Bare = "bare"
	// Ours is the name of this library.
	Ours = "tolokacheck"
)

func bare(h http.Handler) Subject { return Subject{Name: Bare, Handler: h, Close: nothing} }

func nothing() {}
