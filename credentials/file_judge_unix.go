//go:build unix

package credentials

import (
	"io/fs"
	"syscall"
)

// hasModeBits is true where permission bits decide who may read a file.
const hasModeBits = true

// ownerOf returns the user who may change the mode of the file.
func ownerOf(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return 0
}
