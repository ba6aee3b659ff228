package credentials_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/secretfile"
)

func TestFileBeforeFirstToken(t *testing.T) {
	transient := error(nil)
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		message string // after "credentials: file:PATH: "
		kind    error
		cause   error
	}{
		{"missing", func(*testing.T, string) {}, "no such file", credentials.ErrNotFound, fs.ErrNotExist},
		{"empty", content(""), "file is empty", credentials.ErrInvalid, nil},
		{"blank", content("\ufeff \r\n"), "file is empty", credentials.ErrInvalid, nil},
		{"two lines", content("AQVN\nabcd\n"),
			"token has several lines: keep only the line with the token", credentials.ErrInvalid, nil},
		{"letter outside ASCII", content("AQVÑ\n"),
			"token has a character outside ASCII, at byte 4: copy it again", credentials.ErrInvalid, nil},
		{"zeros after a crash", content(strings.Repeat("\x00", 40)),
			"token has a control character, at byte 1", credentials.ErrInvalid, nil},
		{"64 KiB and a byte", content(strings.Repeat(" ", 64<<10) + "x"),
			"file is larger than 64 KiB: it does not hold a single secret", credentials.ErrInvalid, nil},
		{"1 MiB", content(strings.Repeat("x", 1<<20)),
			"file is larger than 64 KiB: it does not hold a single secret", credentials.ErrInvalid, nil},
		{"5 KiB without white space", content(strings.Repeat("x", 5<<10)),
			"token is longer than 4096 bytes", credentials.ErrInvalid, nil},
		{"directory", directory, "is a directory: give the path of a file in it", credentials.ErrInvalid,
			nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			tt.prepare(t, path)
			p := credentials.File(path)
			for range 2 {
				_, err := p.Token(t.Context())
				wantFileError(t, err, path, tt.message, tt.kind, tt.cause)
				changed, err := poll(t, p, nil)
				wantFileError(t, err, path, tt.message, tt.kind, tt.cause)
				assert.False(t, changed)
			}
		})
	}

	for _, tt := range []struct {
		name    string
		err     error
		message string
		kind    error
	}{
		{"no permission", syscall.EACCES, "permission denied: let the user of this process read it",
			credentials.ErrInvalid},
		{"failing disk", syscall.EIO, "cannot be read: input/output error", transient},
		{"too many open files", syscall.EMFILE, "cannot be read: too many open files", transient},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			p := credentials.FileWithOpen(path, func(string) (*os.File, error) {
				return nil, &fs.PathError{Op: "open", Path: path, Err: tt.err}
			})
			_, err := p.Token(t.Context())
			wantFileError(t, err, path, tt.message, tt.kind, tt.err)
			if tt.err == syscall.EACCES {
				require.ErrorIs(t, err, fs.ErrPermission)
			}
		})
	}
}

func TestFileReadErrors(t *testing.T) {
	transient := error(nil)

	t.Run("read error", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		p := credentials.FileWithOpen(f.path,
			func(path string) (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) })
		_, err := p.Token(t.Context())
		wantFileError(t, err, f.path, "cannot be read: bad file descriptor", transient, nil)
	})

	t.Run("large file is not read", func(t *testing.T) {
		f := newSecretFile(t, strings.Repeat("x", 64<<10+1))
		p := credentials.FileWithOpen(f.path,
			func(path string) (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) })
		_, err := p.Token(t.Context()) // reading would fail
		wantFileError(t, err, f.path, "file is larger than 64 KiB: it does not hold a single secret",
			credentials.ErrInvalid, nil)
	})

	t.Run("stat error", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		p := credentials.FileWithOpen(f.path, func(path string) (*os.File, error) {
			opened, err := os.Open(path)
			require.NoError(t, err)
			return opened, opened.Close()
		})
		_, err := p.Token(t.Context())
		wantFileError(t, err, f.path, "cannot be read: file already closed", transient, os.ErrClosed)
	})

	t.Run("empty path", func(t *testing.T) {
		_, err := credentials.File("").Token(t.Context())
		require.EqualError(t, err, "credentials: file:: path is empty")
		require.ErrorIs(t, err, credentials.ErrInvalid)
	})

	t.Run("relative path", func(t *testing.T) {
		t.Chdir(t.TempDir())
		for _, path := range []string{"token", "toloka-token", "toloka-token.production.cluster.txt"} {
			_, err := credentials.File(path).Token(t.Context())
			require.EqualError(t, err, "credentials: file:"+path+": no such file")
			require.ErrorIs(t, err, credentials.ErrNotFound)
		}
	})

	t.Run("64 KiB of line ends", func(t *testing.T) {
		f := newSecretFile(t, apiKey+strings.Repeat("\n", 64<<10-len(apiKey)))
		wantValue(t, credentials.File(f.path), apiKey)
	})

	t.Run("missing at the first try", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		tries := 0
		gone := 1
		p := credentials.FileWithOpen(f.path, func(path string) (*os.File, error) {
			if tries++; tries <= gone {
				return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
			}
			return secretfile.Open(path)
		})
		wantValue(t, p, apiKey)
		assert.Equal(t, 2, tries)

		p = credentials.FileWithOpen(f.path, func(path string) (*os.File, error) {
			tries++
			return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
		})
		tries = 0
		_, err := p.Token(t.Context())
		wantFileError(t, err, f.path, "no such file", credentials.ErrNotFound, fs.ErrNotExist)
		assert.Equal(t, 2, tries)
	})
}

func TestFileAfterFirstToken(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(t *testing.T, path string)
		message string
		kind    error
	}{
		{"missing", func(*testing.T, string) {}, "no such file", nil},
		{"empty", content(""), "file is empty", nil},
		{"blank", content("\n"), "file is empty", nil},
		{"directory", directory, "is a directory: give the path of a file in it", credentials.ErrInvalid},
		{"invalid value", content("AQVN abcd"),
			"token has white space inside, at byte 5: only ApiKey or OAuth may stand before a space",
			credentials.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newSecretFile(t, apiKey)
			p := credentials.File(f.path)
			wantValue(t, p, apiKey)
			have := parse(t, apiKey)
			wantPoll(t, p, false, have)

			f.remove()
			tt.change(t, f.path)
			changed, err := poll(t, p, []credentials.Token{have})
			wantFileError(t, err, f.path, tt.message, tt.kind, nil)
			assert.False(t, changed)
			_, err = p.Token(t.Context())
			wantFileError(t, err, f.path, tt.message, tt.kind, nil)

			require.NoError(t, os.RemoveAll(f.path))
			f.write(apiKey)
			wantPoll(t, p, false, have) // by a caller who did not read in between
			wantPoll(t, p, true)        // by the one whose read failed
			wantValue(t, p, apiKey)
		})
	}
}

func TestFilePoll(t *testing.T) {
	t.Run("before the first read", func(t *testing.T) {
		p := credentials.File(newSecretFile(t, apiKey).path)
		wantPoll(t, p, true)
		wantPoll(t, p, true)
		wantPoll(t, p, false, parse(t, apiKey))
	})

	t.Run("two callers", func(t *testing.T) {
		f := newSecretFile(t, oldToken)
		p := credentials.File(f.path)
		wantValue(t, p, oldToken)
		f.replace(newToken)
		wantPoll(t, p, true, parse(t, oldToken))
		wantValue(t, p, newToken) // one of them reads it
		wantPoll(t, p, false, parse(t, newToken))
		wantPoll(t, p, true, parse(t, oldToken))
		wantPoll(t, p, true, parse(t, newToken), parse(t, oldToken))
	})

	t.Run("file that was missing", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		f.remove()
		p := credentials.File(f.path)
		_, err := p.Token(t.Context())
		require.ErrorIs(t, err, credentials.ErrNotFound)
		f.write(apiKey)
		wantPoll(t, p, true)
	})

	t.Run("only white space, time and inode changed", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		p := credentials.File(f.path)
		wantValue(t, p, apiKey)
		f.replace("\ufeff" + apiKey + "\r\n")
		wantPoll(t, p, false, parse(t, apiKey))
	})

	t.Run("only the scheme changed", func(t *testing.T) {
		f := newSecretFile(t, "ApiKey "+apiKey)
		p := credentials.File(f.path)
		wantValue(t, p, apiKey)
		wantPoll(t, p, false, parse(t, "ApiKey "+apiKey))
		f.replace("OAuth " + apiKey)
		wantPoll(t, p, true, parse(t, "ApiKey "+apiKey))
		f.replace(apiKey)
		wantPoll(t, p, true, parse(t, "ApiKey "+apiKey))
	})

	t.Run("same size and time", func(t *testing.T) {
		f := newSecretFile(t, "AQVN-old")
		info, err := os.Stat(f.path)
		require.NoError(t, err)
		p := credentials.File(f.path)
		wantValue(t, p, "AQVN-old")
		f.write("AQVN-new")
		require.NoError(t, os.Chtimes(f.path, info.ModTime(), info.ModTime()))
		wantPoll(t, p, true, parse(t, "AQVN-old"))
		wantValue(t, p, "AQVN-new")
	})

	for name, path := range map[string]string{
		"plain file":       newSecretFile(t, apiKey+"\n").path,
		"Kubernetes mount": newKubernetes(t, apiKey).path(),
	} {
		t.Run("cost for an unchanged "+name, func(t *testing.T) {
			opens := 0
			p := credentials.FileWithOpen(path, func(path string) (*os.File, error) {
				opens++
				return secretfile.Open(path)
			})
			wantValue(t, p, apiKey)
			opens = 0
			have := []credentials.Token{parse(t, apiKey)}
			allocations := testing.AllocsPerRun(100, func() {
				if changed, err := p.(credentials.Poller).Poll(t.Context(), have); changed || err != nil {
					t.Errorf("changed %t, error %v", changed, err)
				}
			})
			assert.LessOrEqual(t, allocations, 8.0)
			assert.Equal(t, 101, opens)
		})
	}
}

func content(s string) func(*testing.T, string) {
	return func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte(s), 0o600)) }
}

func directory(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }

// wantFileError checks text and kind; a nil kind means a transient error.
func wantFileError(t *testing.T, err error, path, message string, kind, cause error) {
	t.Helper()
	require.EqualError(t, err, "credentials: file:"+path+": "+message)
	wantKind(t, err, kind)
	if cause != nil {
		require.ErrorIs(t, err, cause)
	}
}

func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	for _, k := range []error{credentials.ErrNotFound, credentials.ErrInvalid} {
		assert.Equal(t, k == kind, errors.Is(err, k), "%q: errors.Is(err, %q)", err, k)
	}
}

func wantValue(t *testing.T, p credentials.Provider, value string) {
	t.Helper()
	token, err := p.Token(t.Context())
	require.NoError(t, err)
	assert.True(t, token.Reveal() == value, "Token delivered %v, want %v", token, parse(t, value))
}

func poll(t *testing.T, p credentials.Provider, have []credentials.Token) (bool, error) {
	t.Helper()
	poller, ok := p.(credentials.Poller)
	require.True(t, ok, "%T is not a Poller", p)
	return poller.Poll(t.Context(), have)
}

func wantPoll(t *testing.T, p credentials.Provider, want bool, have ...credentials.Token) {
	t.Helper()
	changed, err := poll(t, p, have)
	require.NoError(t, err)
	assert.Equal(t, want, changed, "changed")
}
