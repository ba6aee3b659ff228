//go:build !unix

package credentials

import "os"

// hasModeBits is false where os makes the permission bits up: Windows shows every file as
// open to all.
const hasModeBits = false

func openFile(path string) (*os.File, error) { return os.Open(path) }

func unopenable(error) bool { return false }
