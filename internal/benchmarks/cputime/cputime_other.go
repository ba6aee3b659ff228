//go:build !linux

package cputime

import "time"

// Of returns the time that a process of this user has used on all processors; 0 is the calling
// process. It returns false if the operating system does not provide it, or there is no such
// process.
func Of(int) (time.Duration, bool) { return 0, false }
