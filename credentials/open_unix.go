//go:build unix

package credentials

import (
	"errors"
	"os"
	"syscall"
)

// hasModeBits says that permission bits mean what they say here.
const hasModeBits = true

// openFile opens path for reading. Without O_NONBLOCK a named pipe that nobody writes to
// would block for ever, before anything could find out that it is one; O_NOCTTY keeps a
// terminal from becoming the process's own.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
}

// unopenable reports whether err says that path itself is wrong: a parent that is no directory,
// a loop of symbolic links, a name too long or with a NUL in it, a socket.
func unopenable(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ENXIO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
