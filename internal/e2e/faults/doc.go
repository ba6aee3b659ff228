// Package faults holds no code: its tests put a real network between the checker and the platform, with toxiproxy in the
// middle to break it, and hold the checker to what is promised for each kind of fault: the status, the reason, the class of the error,
// the circuit breaker, the number of calls, the log, and the recovery by itself.
package faults
