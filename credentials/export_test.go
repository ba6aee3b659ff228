package credentials

import (
	"io/fs"
	"os"
)

// MaxTokenLen is the length of the longest token.
const MaxTokenLen = maxTokenLen

// The kinds of mounts that FindMount returns.
const (
	NotMounted   = notMounted
	FileMount    = fileMount
	SubPathMount = subPathMount
)

// FileWithOpen is File with another way to open: for what real files do not do on demand, such
// as I/O errors, and permission errors for the superuser.
func FileWithOpen(path string, open func(path string) (*os.File, error),
	opts ...FileOption) Provider {
	f := File(path, opts...).(*file)
	f.open = open
	return f
}

// NewDefault is Default with another environment and another place for Docker's secrets.
func NewDefault(lookup func(name string) (string, bool), secrets string,
	opts ...FileOption) Provider {
	return newDefault(lookup, secrets, opts)
}

// InSecretMount reports whether the permissions of path are not judged.
func InSecretMount(path string) bool { return inSecretMount(path) }

// FindMount looks path up in a table like /proc/self/mountinfo.
func FindMount(table, path string) mountKind { return findMount(table, path) }

// Warning says what is wrong with a file that is mounted like this.
func (m mountKind) Warning(path string) string { return m.warning(path) }

// PermissionProblem says what is wrong with the permissions of a file.
func PermissionProblem(info fs.FileInfo, user int, readOnly bool) string {
	return permissionProblem(info, user, readOnly)
}
