package cputime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Of returns the time that a process of this user has used on all processors; 0 is the calling
// process. It returns false if the operating system does not provide it, or there is no such
// process.
func Of(pid int) (time.Duration, bool) {
	// The clock of a process as in clock_getcpuclockid(3): the inverted process id, and
	// CPUCLOCK_SCHED, which counts nanoseconds.
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}
