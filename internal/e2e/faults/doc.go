// Package faults holds no code. Its tests run a checker and a platform with toxiproxy in between,
// which breaks the network. For each kind of fault they check the status, the reason, the class of
// the error, the circuit breaker, the number of calls, the log, and the recovery.
package faults
