// Package simulation runs a fleet of replicas against a model of Redis and a model of the platform,
// event by event in virtual time, in one goroutine: minutes of a fleet of 100,000 replicas take
// seconds. The same [Config] and the same scenario always give the same run.
//
// The package knows nothing about how a replica decides. It calls a [Replica] when something
// happens or is due, and carries out what the replica asks for. Package health's tests put the
// decisions of its Checker behind that interface.
package simulation
