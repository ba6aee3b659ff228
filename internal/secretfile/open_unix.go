//go:build unix

package secretfile

import (
	"errors"
	"os"
	"syscall"
)

// Open opens path for reading. Without O_NONBLOCK a named pipe that has no writer blocks
// forever, before its type can be checked. O_NOCTTY keeps a terminal from becoming the
// process's controlling terminal.
func Open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
}

// unopenable reports whether err says that the path itself is wrong: a parent that is not a
// directory, a loop of symbolic links, a name that is too long or has a NUL in it, a socket.
func unopenable(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ENXIO,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
