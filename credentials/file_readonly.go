//go:build linux || darwin || freebsd

package credentials

import "syscall"

// readOnly reports whether path is on a mount that cannot be written. The flag is ST_RDONLY on
// Linux and MNT_RDONLY elsewhere, both of them 1.
func readOnly(path string) bool {
	var stat syscall.Statfs_t
	return syscall.Statfs(path, &stat) == nil && stat.Flags&1 != 0
}
