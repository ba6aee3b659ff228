//go:build unix

package credentials_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func TestFileIsNotRegular(t *testing.T) {
	for _, tt := range []struct {
		name    string
		path    func(t *testing.T) string
		message string
	}{
		{"named pipe", fifo, "is a named pipe: give the path of a regular file"},
		{"link to a named pipe", func(t *testing.T) string { return link(t, fifo(t)) },
			"is a named pipe: give the path of a regular file"},
		{"device", func(*testing.T) string { return "/dev/zero" },
			"is a device: give the path of a regular file"},
		{"link to a device", func(t *testing.T) string { return link(t, "/dev/null") },
			"is a device: give the path of a regular file"},
		{"link to a directory", func(t *testing.T) string { return link(t, t.TempDir()) },
			"is a directory: give the path of a file in it"},
		{"path through a file",
			func(t *testing.T) string {
				return newSecretFile(t,
					apiKey).path + "/token"
			}, "cannot be opened: not a directory"},
		{"name that is too long",
			func(t *testing.T) string {
				return filepath.Join(t.TempDir(),
					strings.Repeat("x", 300))
			}, "cannot be opened: file name too long"},
		{"link to itself", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "token")
			require.NoError(t, os.Symlink("token", path))
			return path
		}, "cannot be opened: too many levels of symbolic links"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.path(t)
			_, err := credentials.File(path).Token(t.Context())
			wantFileError(t, err, path, tt.message, credentials.ErrInvalid, nil)
		})
	}

	t.Run("NUL in the name", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a\x00b")
		_, err := credentials.File(path).Token(t.Context())
		wantFileError(t, err, "(hidden)", "cannot be opened: invalid argument", credentials.ErrInvalid,
			nil)
	})

	t.Run("socket", func(t *testing.T) {
		// The test's own directory may be too long: a socket's path has at most 104 bytes.
		dir, err := os.MkdirTemp("", "")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "s")
		listener, err := net.Listen("unix", path)
		require.NoError(t, err)
		defer listener.Close()
		_, err = credentials.File(path).Token(t.Context())
		require.ErrorIs(t, err, credentials.ErrInvalid)
		require.ErrorContains(t, err, "credentials: file:"+path+": cannot be opened: ")
	})

	t.Run("dangling link", func(t *testing.T) {
		path := link(t, filepath.Join(t.TempDir(), "gone"))
		_, err := credentials.File(path).Token(t.Context())
		wantFileError(t, err, path, "no such file", credentials.ErrNotFound, os.ErrNotExist)
	})

	t.Run("link to a file", func(t *testing.T) {
		wantValue(t, credentials.File(link(t, newSecretFile(t, apiKey).path)), apiKey)
	})
}

func fifo(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

func link(t *testing.T, target string) string {
	path := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(target, path))
	return path
}
