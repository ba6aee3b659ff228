package cputime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Of returns the time that a process of this user has used on all processors; 0 is the calling process. It is false where
// the system does not say.
func Of(pid int) (time.Duration, bool) {
	// How clock_getcpuclockid(3) makes a clock of a process: the process, inverted, and CPUCLOCK_SCHED, which is exact to
	// the nanosecond.
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}
