//go:build !unix

package secretfile

import "os"

// Open opens path for reading.
func Open(path string) (*os.File, error) { return os.Open(path) }

func unopenable(error) bool { return false }
