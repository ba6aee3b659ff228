// Package credentialstest checks that an implementation of credentials.Provider keeps to the
// interface's contract: kinds of errors, rotation, contexts, concurrency, and no token in any
// text. Use it in the tests of a provider of your own; every provider of this module passes it.
//
//	func TestProvider(t *testing.T) {
//		credentialstest.Run(t, func(tb testing.TB, value string) credentialstest.Driver {
//			server := newFakeKeychain(tb, value)
//			return credentialstest.Driver{
//				Provider: keychain.Provider(server.URL),
//				Set:      server.Store,
//				Remove:   server.Delete,
//				Break:    server.Lock,
//			}
//		})
//	}
package credentialstest

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Driver is a provider under test, together with the hands of the operator who changes its
// source from outside. Checks that need a nil func are left out.
type Driver struct {
	// Provider is what is tested: fresh, nothing was read by it yet.
	Provider credentials.Provider

	// Set makes the source hold value from now on, whatever state it was in, in one step:
	// no reader finds anything between the old value and the new. Nil for a source that
	// cannot change.
	Set func(value string)

	// Remove makes the source hold no token: as if it had never been set. Nil for a source
	// that cannot be without.
	Remove func()

	// Break makes the source fail in a way that is not the lack of a token: a directory in
	// place of the file, a server that is down. Nil for a source that cannot fail.
	Break func()

	// Reads returns how often the source was asked since Open, where that can be counted:
	// a provider must not ask it for a caller whose context has ended. May be nil.
	Reads func() int
}

// Open makes a source of its own that holds value, which may be a value that is no token, and a
// provider on it. What it started ends with tb.
type Open func(tb testing.TB, value string) Driver
