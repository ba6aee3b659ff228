package credentials

import (
	"io"
	"os"
)

// FileWithOpen is File with another way to open: for what real files do not do on demand, such
// as I/O errors, and permission errors for the superuser.
func FileWithOpen(path string, open func(path string) (*os.File, error), opts ...FileOption) Provider {
	f := newFile(path, "file:"+displayPath(path), opts)
	f.open = open
	return f
}

// NewDefault is Default with another environment and another place for Docker's secrets.
func NewDefault(lookup func(name string) (string, bool), secrets string, opts ...FileOption) Provider {
	return newDefault(lookup, secrets, opts)
}

// OpenFile is how File opens.
func OpenFile(path string) (*os.File, error) { return openFile(path) }

// ReadAll is how File reads what it has opened.
func ReadAll(r io.Reader) ([]byte, error) { return readAll(r) }

// InSecretMount reports whether the permissions of path are somebody else's matter.
func InSecretMount(path string) bool { return inSecretMount(path) }
