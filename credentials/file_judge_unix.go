//go:build unix

package credentials

import (
	"io/fs"
	"os"
	"syscall"
)

// hasModeBits is true where permission bits decide who may read a file.
const hasModeBits = true

// foreignOwner returns the owner of the file, and whether it keeps this process from changing the
// mode.
func foreignOwner(info fs.FileInfo) (owner int, foreign bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	owner = int(stat.Uid)
	self := os.Geteuid()
	return owner, self != 0 && self != owner
}

// readOnly reports whether path is on a mount that cannot be written.
func readOnly(path string) bool { return syscall.Access(path, 2 /* W_OK */) == syscall.EROFS }
