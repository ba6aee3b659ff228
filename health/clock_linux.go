package health

import (
	"time"

	"golang.org/x/sys/unix"
)

const suspensionKnown = true

// suspendedTime returns for how long the machine has been suspended since it booted: the
// difference between CLOCK_BOOTTIME and CLOCK_MONOTONIC. Neither follows the wall clock, so
// neither NTP nor an operator changes the result. It may be too low, by the time between the two
// readings, and is never too high.
func suspendedTime() time.Duration {
	var boot, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil ||
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - mono.Nano())
}
