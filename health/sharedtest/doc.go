// Package sharedtest helps to test a fleet: [NewMemory] is a store for the tests of a service, and
// [Run] tests that another implementation of shared.Store meets the contract.
//
//	func TestStore(t *testing.T) {
//		sharedtest.Run(t, func(t *testing.T) sharedtest.Driver {
//			server := startServer(t)
//			return sharedtest.Driver{Store: mystore.New(server.Addr()), Clear: server.Flush}
//		})
//	}
package sharedtest
