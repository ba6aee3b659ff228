// Package credentialstest tests that an implementation of credentials.Provider meets the
// interface's contract: kinds of errors, rotation, contexts, concurrency, and no token in any
// text. Use it in the tests of your own provider; every provider of this module passes it.
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

import "github.com/tolokacheck/tolokacheck/credentials"

// Driver is a provider under test and the functions that change its source. Checks that need a
// nil function are left out.
type Driver struct {
	// Provider is the provider under test. Nothing has been read from it yet.
	Provider credentials.Provider

	// Set stores value in the source, whatever its state was, in one step: a reader sees the
	// old value or the new one. Nil if the source cannot change.
	Set func(value string)

	// Remove removes the token, as if it had never been set. Nil if the source always has one.
	Remove func()

	// Break makes the source fail in another way than by a missing token: a directory instead
	// of the file, a server that is down. Nil if the source cannot fail.
	Break func()

	// Reads returns how often the source was read since the Driver was made. A provider must not
	// read it for a caller whose context has ended. Nil if reads cannot be counted.
	Reads func() int
}
