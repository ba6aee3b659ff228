//go:build !linux

package cputime

import "time"

// Of returns the time that a process of this user has used on all processors; 0 is the calling process. It is false where
// the system does not say.
func Of(int) (time.Duration, bool) { return 0, false }
