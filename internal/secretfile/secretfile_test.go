package secretfile_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/secretfile"
)

func write(t *testing.T, size int) string {
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600))
	return path
}

func wantError(t *testing.T, err error, want secretfile.Error) {
	t.Helper()
	var got *secretfile.Error
	require.ErrorAs(t, err, &got)
	assert.Equal(t, want, *got)
}

func TestRead(t *testing.T) {
	t.Run("content and mode", func(t *testing.T) {
		for _, size := range []int{0, 1, 511, 512, 513, secretfile.MaxSize} {
			f, err := secretfile.Read(t.Context(), write(t, size))
			require.NoError(t, err)
			assert.Len(t, f.Content, size)
			assert.Equal(t, fs.FileMode(0o600), f.Info.Mode())
		}
	})

	t.Run("too large", func(t *testing.T) {
		_, err := secretfile.Read(t.Context(), write(t, secretfile.MaxSize+1))
		wantError(t, err, secretfile.Error{Problem: "file is larger than 64 KiB: it does not hold a single secret", Permanent: true})
	})

	t.Run("missing", func(t *testing.T) {
		_, err := secretfile.Read(t.Context(), filepath.Join(t.TempDir(), "secret"))
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.EqualError(t, err, "no such file")
	})

	t.Run("missing at the first try", func(t *testing.T) {
		path, tries := write(t, 3), 0
		f, err := secretfile.ReadWith(t.Context(), func(path string) (*os.File, error) {
			if tries++; tries == 1 {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return secretfile.Open(path)
		}, path)
		require.NoError(t, err)
		assert.Equal(t, "xxx", string(f.Content))
		assert.Equal(t, 2, tries)
	})

	t.Run("permission denied", func(t *testing.T) {
		// The superuser can read everything, so the error is simulated.
		_, err := secretfile.ReadWith(t.Context(), func(path string) (*os.File, error) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		}, "secret")
		wantError(t, err, secretfile.Error{
			Problem: "permission denied: let the user of this process read it", Permanent: true, Err: fs.ErrPermission,
		})
	})

	t.Run("I/O error", func(t *testing.T) {
		path := write(t, 3)
		_, err := secretfile.ReadWith(t.Context(), func(path string) (*os.File, error) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0) // every read fails
			return f, err
		}, path)
		var got *secretfile.Error
		require.ErrorAs(t, err, &got)
		assert.False(t, got.Permanent)
		assert.NotContains(t, err.Error(), path)
		assert.Contains(t, err.Error(), "cannot be read: ")
	})

	t.Run("empty path", func(t *testing.T) {
		_, err := secretfile.Read(t.Context(), "")
		wantError(t, err, secretfile.Error{Problem: "path is empty", Permanent: true})
	})

	t.Run("directory", func(t *testing.T) {
		_, err := secretfile.Read(t.Context(), t.TempDir())
		wantError(t, err, secretfile.Error{Problem: "is a directory: give the path of a file in it", Permanent: true})
	})

	t.Run("ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := secretfile.ReadWith(ctx, func(string) (*os.File, error) {
			t.Error("the file was opened")
			return nil, fs.ErrInvalid
		}, "secret")
		require.ErrorIs(t, err, context.Canceled)
	})
}
