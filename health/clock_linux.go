package health

import (
	"time"

	"golang.org/x/sys/unix"
)

const suspensionKnown = true

// suspendedTime returns for how long the machine has been suspended since it booted: the
// difference between CLOCK_BOOTTIME and CLOCK_MONOTONIC. Neither follows the wall clock, so
// neither NTP nor an operator changes the result.
func suspendedTime() time.Duration {
	var boot, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil ||
		unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return 0
	}
	// The clocks are read one after the other, so the difference has noise.
	return time.Duration(boot.Nano() - mono.Nano()).Truncate(100 * time.Millisecond)
}
