//go:build unix

package credentials_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func TestFilePermissions(t *testing.T) {
	for _, tt := range []struct {
		name string
		mode os.FileMode
		open bool
	}{
		{"the owner alone", 0o600, false},
		{"the owner alone, read-only", 0o400, false},
		{"the owner alone, others may execute", 0o711, false},
		{"the group may read", 0o640, true},
		{"everybody may read", 0o604, true},
		{"the group may write", 0o620, true},
		{"everybody may write", 0o602, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newSecretFile(t, apiKey)
			require.NoError(t, os.Chmod(f.path, tt.mode))
			mode := fmt.Sprintf("%04o", tt.mode)

			logged, logger := newLog()
			p := credentials.File(f.path, credentials.WithLogger(logger))
			for range 3 {
				wantValue(t, p, apiKey)
				wantPoll(t, p, false)
			}
			strict := credentials.File(f.path, credentials.RefuseInsecurePermissions())
			_, err := strict.Token(t.Context())
			if !tt.open {
				assert.Empty(t, logged.String())
				require.NoError(t, err)
				return
			}
			assert.Equal(t, `level=WARN msg="token file is open to other users: run chmod 600 on it" token.source=file:`+f.path+" mode="+mode+"\n", logged.String())
			wantFileError(t, err, f.path, "file is open to other users (mode "+mode+"): run chmod 600 on it", credentials.ErrInvalid, nil)
			require.NoError(t, os.Chmod(f.path, 0o600))
			wantPoll(t, strict, true)
			wantValue(t, strict, apiKey)
		})
	}

	t.Run("a file that is opened to others later is warned of then, and refused then", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		logged, logger := newLog()
		p := credentials.File(f.path, credentials.WithLogger(logger))
		strict := credentials.File(f.path, credentials.RefuseInsecurePermissions())
		wantValue(t, p, apiKey)
		wantValue(t, strict, apiKey)
		require.NoError(t, os.Chmod(f.path, 0o644))
		wantPoll(t, p, false)
		assert.Equal(t, 1, strings.Count(logged.String(), "\n"))
		_, err := poll(t, strict)
		wantFileError(t, err, f.path, "file is open to other users (mode 0644): run chmod 600 on it", credentials.ErrInvalid, nil)
	})

	t.Run("permissions taken away and given back", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		denied := false
		p := credentials.FileWithOpen(f.path, func(path string) (*os.File, error) {
			if denied { // the superuser is not denied anything, so this is told, not done
				return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EACCES}
			}
			return credentials.OpenFile(path)
		})
		wantValue(t, p, apiKey)
		denied = true
		_, err := p.Token(t.Context())
		wantFileError(t, err, f.path, "permission denied: the user of this process must be allowed to read it", credentials.ErrInvalid, os.ErrPermission)
		denied = false
		wantPoll(t, p, true)
		wantValue(t, p, apiKey)
	})

	t.Run("the default logger is the one of the time of the warning", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		require.NoError(t, os.Chmod(f.path, 0o644))
		p := credentials.File(f.path, credentials.WithLogger(nil), nil)
		logged, logger := newLog()
		before := slog.Default()
		slog.SetDefault(logger)
		t.Cleanup(func() { slog.SetDefault(before) })
		wantValue(t, p, apiKey)
		assert.Equal(t, 1, strings.Count(logged.String(), "\n"))
	})
}

func TestFilePermissionsOfSecretMounts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		path   func(t *testing.T) string
		exempt bool
	}{
		{"Kubernetes", func(t *testing.T) string { return newKubernetes(t, apiKey).path() }, true},
		{"a link into a Kubernetes mount", func(t *testing.T) string { return link(t, newKubernetes(t, apiKey).path()) }, true},
		{"systemd", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
			return path
		}, true},
		{"a link into the directory of systemd", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
			return link(t, path)
		}, true},
		{"a path relative to the directory of systemd", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
			t.Chdir(filepath.Dir(path))
			return filepath.Base(path)
		}, true},
		{"the directory of systemd behind a link", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", link(t, filepath.Dir(path)))
			return path
		}, true},
		{"beside the directory of systemd", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(filepath.Dir(path), "toloka"))
			return path
		}, false},
		{"beside a file called ..data", func(t *testing.T) string {
			path := worldReadable(t)
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "..data"), nil, 0o600))
			return path
		}, false},
		{"anywhere else", worldReadable, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.path(t)
			logged, logger := newLog()
			wantValue(t, credentials.File(path, credentials.WithLogger(logger)), apiKey)
			assert.Equal(t, tt.exempt, logged.Len() == 0, logged.String())
			strict := credentials.File(path, credentials.RefuseInsecurePermissions())
			_, err := strict.Token(t.Context())
			assert.Equal(t, tt.exempt, err == nil, "%v", err)
		})
	}

	for path, want := range map[string]bool{
		"/run/secrets/toloka-token":                           true,
		"/var/run/secrets/toloka/token":                       true,
		"/var/run/secrets/kubernetes.io/serviceaccount/token": true,
		"/run/secretsx/token":                                 false,
		"/run/secrets/../token":                               false,
		"/etc/toloka/token":                                   false,
	} {
		t.Run(path, func(t *testing.T) { assert.Equal(t, want, credentials.InSecretMount(path)) })
	}
}

func worldReadable(t *testing.T) string {
	f := newSecretFile(t, apiKey)
	require.NoError(t, os.Chmod(f.path, 0o644))
	return f.path
}

// newLog is a log without times.
func newLog() (*bytes.Buffer, *slog.Logger) {
	var out bytes.Buffer
	return &out, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}
