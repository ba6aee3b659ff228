//go:build unix

package secretfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/secretfile"
)

func TestReadOfWhatIsNotARegularFile(t *testing.T) {
	dir := t.TempDir()
	fifo, loop, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "loop"), filepath.Join(dir, "file")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	require.NoError(t, os.Symlink("loop", loop))
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	for _, tt := range []struct{ name, path, problem string }{
		{"named pipe", fifo, "is a named pipe: give the path of a regular file"},
		{"device", "/dev/null", "is a device: give the path of a regular file"},
		{"path through a file", file + "/x", "cannot be opened: not a directory"},
		{"loop of links", loop, "cannot be opened: too many levels of symbolic links"},
		{"name that is too long", filepath.Join(dir, strings.Repeat("x", 300)), "cannot be opened: file name too long"},
		{"NUL", filepath.Join(dir, "a\x00b"), "cannot be opened: invalid argument"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := secretfile.Read(t.Context(), tt.path)
			var got *secretfile.Error
			require.ErrorAs(t, err, &got)
			require.Equal(t, tt.problem, got.Problem)
			require.True(t, got.Permanent)
		})
	}

	t.Run("file replaced by a named pipe before it is opened", func(t *testing.T) {
		_, err := secretfile.ReadWith(t.Context(), func(path string) (*os.File, error) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, syscall.Mkfifo(path, 0o600))
			return secretfile.Open(path)
		}, file)
		require.EqualError(t, err, "is a named pipe: give the path of a regular file")
	})
}
