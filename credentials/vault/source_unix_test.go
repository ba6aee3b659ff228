//go:build unix

package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

func TestSource(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	t.Setenv("SOURCE_EMPTY", " ")
	t.Setenv("SOURCE_SET", " hvs.env\r\n")
	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink(loop, loop))

	for _, tc := range []struct {
		name   string
		source vault.Source
		want   string
	}{
		{"a value", vault.Value("hvs.value\n"), "hvs.value"},
		{"a variable", vault.Env("SOURCE_SET"), "hvs.env"},
		{"a file with a byte order mark and CRLF", vault.File(write(t, filepath.Join(dir, "bom"), "\ufeffhvs.file\r\n")), "hvs.file"},
		{"a file of 64 KiB", vault.File(write(t, filepath.Join(dir, "full"), "hvs.full"+strings.Repeat("\n", 64<<10-8))), "hvs.full"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			secret, err := vault.Token(tc.source).Login(context.Background(), nil)
			require.NoError(t, err)
			assert.Equal(t, tc.want, secret.Auth.ClientToken)
		})
	}

	for _, tc := range []struct {
		name    string
		source  vault.Source
		want    string
		invalid bool
	}{
		{"an empty value", vault.Value("\n"), "vault: the login's secret is empty", true},
		{"an empty variable", vault.Env("SOURCE_EMPTY"), "vault: env:SOURCE_EMPTY: the variable is not set", true},
		{"a file that is not there yet", vault.File("/nowhere/sink"), "vault: file:/nowhere/sink: the file does not exist: what writes it may not have run yet", false},
		{"a file that is empty", vault.File(write(t, filepath.Join(dir, "empty"), "\n")), "vault: file:" + dir + "/empty: the file is empty: what writes it may not have run yet", false},
		{"a directory", vault.File(dir), "vault: file:" + dir + ": not a regular file", true},
		{"a FIFO, which would block", vault.File(fifo), "vault: file:" + fifo + ": not a regular file", true},
		{"a file that is too large", vault.File(write(t, filepath.Join(dir, "large"), strings.Repeat("x", 64<<10+1))), "vault: file:" + dir + "/large: larger than 64 KiB", true},
		{"a symbolic link to itself", vault.File(loop), "vault: file:" + loop + ": cannot be read: too many levels of symbolic links", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := vault.Token(tc.source).Login(context.Background(), nil)
			require.EqualError(t, err, tc.want)
			assert.Equal(t, tc.invalid, errors.Is(err, credentials.ErrInvalid))
			assert.NotErrorIs(t, err, credentials.ErrNotFound)
		})
	}
}
