//go:build unix

package vault_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

// That a file replaced by a FIFO during a read does not block is tested in internal/secretfile.
func TestFileThatIsNotRegular(t *testing.T) {
	dir := t.TempDir()
	fifo, loop := filepath.Join(dir, "fifo"), filepath.Join(dir, "loop")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	require.NoError(t, os.Symlink(loop, loop))
	for name, tc := range map[string]struct{ path, want string }{
		"FIFO":                    {fifo, "is a named pipe: give the path of a regular file"},
		"symbolic link to itself": {loop, "cannot be opened: too many levels of symbolic links"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readSource(t.Context(), vault.File(tc.path))
			require.EqualError(t, err, "vault: file:"+tc.path+": "+tc.want)
			assert.ErrorIs(t, err, credentials.ErrInvalid)
		})
	}
}
