//go:build !linux

package health

import "time"

const suspensionKnown = false

// suspendedTime is not known on this system. The wall clock could be set by anything, so it
// only causes a check.
func suspendedTime() time.Duration { return 0 }
