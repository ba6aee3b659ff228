package credentials_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func TestFileBeforeItsFirstToken(t *testing.T) {
	notNow := error(nil)
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		message string // after "credentials: file:PATH: "
		kind    error
		cause   error
	}{
		{"a missing file is not found", func(*testing.T, string) {}, "no such file", credentials.ErrNotFound, fs.ErrNotExist},
		{"an empty file is invalid", content(""), "file is empty", credentials.ErrInvalid, nil},
		{"a blank file is invalid", content("\ufeff \r\n"), "file is empty", credentials.ErrInvalid, nil},
		{"two lines are invalid", content("AQVN\nabcd\n"), "token has a line break inside, at byte 5: it must be a single line", credentials.ErrInvalid, nil},
		{"a letter outside ASCII is invalid", content("AQVÑ\n"), "token has a character outside ASCII, at byte 4", credentials.ErrInvalid, nil},
		{"a file of zeros, as a crash may leave, is invalid", content(strings.Repeat("\x00", 40)), "token has a control character, at byte 1", credentials.ErrInvalid, nil},
		{"a byte over 64 KiB is invalid", content(strings.Repeat(" ", 64<<10) + "x"), "file is larger than 64 KiB: that is not a token", credentials.ErrInvalid, nil},
		{"1 MiB is invalid", content(strings.Repeat("x", 1<<20)), "file is larger than 64 KiB: that is not a token", credentials.ErrInvalid, nil},
		{"5 KiB without white space are invalid", content(strings.Repeat("x", 5<<10)), "token is longer than 4096 bytes", credentials.ErrInvalid, nil},
		{"a directory is invalid", directory, "is a directory: give the path of the file in it", credentials.ErrInvalid, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			tt.prepare(t, path)
			p := credentials.File(path)
			for range 2 {
				_, err := p.Token(t.Context())
				wantFileError(t, err, path, tt.message, tt.kind, tt.cause)
				changed, err := poll(t, p)
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
		{"a file that may not be read is invalid", syscall.EACCES, "permission denied: the user of this process must be allowed to read it", credentials.ErrInvalid},
		{"a failing disk is neither: it may come back", syscall.EIO, "cannot be read now: input/output error", notNow},
		{"too many open files is neither", syscall.EMFILE, "cannot be read now: too many open files", notNow},
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

	t.Run("a file that opens and cannot be read may come back", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		p := credentials.FileWithOpen(f.path, func(path string) (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) })
		_, err := p.Token(t.Context())
		wantFileError(t, err, f.path, "cannot be read now: bad file descriptor", notNow, nil)
	})

	t.Run("a file that is too large is not read at all", func(t *testing.T) {
		f := newSecretFile(t, strings.Repeat("x", 64<<10+1))
		p := credentials.FileWithOpen(f.path, func(path string) (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) })
		_, err := p.Token(t.Context()) // reading would fail
		wantFileError(t, err, f.path, "file is larger than 64 KiB: that is not a token", credentials.ErrInvalid, nil)
	})

	t.Run("a file that cannot be asked what it is may come back", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		p := credentials.FileWithOpen(f.path, func(path string) (*os.File, error) {
			opened, err := os.Open(path)
			require.NoError(t, err)
			return opened, opened.Close()
		})
		_, err := p.Token(t.Context())
		wantFileError(t, err, f.path, "cannot be read now: file already closed", notNow, os.ErrClosed)
	})

	t.Run("an empty path is invalid", func(t *testing.T) {
		_, err := credentials.File("").Token(t.Context())
		require.EqualError(t, err, "credentials: file:: path is empty")
		require.ErrorIs(t, err, credentials.ErrInvalid)
	})

	t.Run("a token in place of the path is invalid and not shown", func(t *testing.T) {
		for _, written := range []string{apiKey, "OAuth AQAA", strings.Repeat("x", 32)} {
			p := credentials.File(written)
			_, err := p.Token(t.Context())
			require.EqualError(t, err, "credentials: file:("+parse(t, written).Fingerprint()+"): no such file: this looks like a token where the path of a file is asked for")
			require.ErrorIs(t, err, credentials.ErrInvalid)
		}
	})

	t.Run("a short name without a slash is a path", func(t *testing.T) {
		t.Chdir(t.TempDir())
		for _, path := range []string{"token", "toloka-token", "toloka-token.production.cluster.txt"} {
			_, err := credentials.File(path).Token(t.Context())
			require.EqualError(t, err, "credentials: file:"+path+": no such file")
			require.ErrorIs(t, err, credentials.ErrNotFound)
		}
	})

	t.Run("64 KiB with a token in them are read", func(t *testing.T) {
		f := newSecretFile(t, apiKey+strings.Repeat("\n", 64<<10-len(apiKey)))
		wantValue(t, credentials.File(f.path), apiKey)
	})

	t.Run("a file that goes between two tries is tried twice and no more", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		tries := 0
		gone := 1
		p := credentials.FileWithOpen(f.path, func(path string) (*os.File, error) {
			if tries++; tries <= gone {
				return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
			}
			return credentials.OpenFile(path)
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

func TestFileAfterItsFirstToken(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(t *testing.T, path string)
		message string
		kind    error
	}{
		{"a missing file is not now", func(*testing.T, string) {}, "no such file", nil},
		{"an empty file is not now", content(""), "file is empty", nil},
		{"a blank file is not now", content("\n"), "file is empty", nil},
		{"a directory is invalid", directory, "is a directory: give the path of the file in it", credentials.ErrInvalid},
		{"a value that is no token is invalid", content("AQVN abcd"), "token has white space inside, at byte 5: only ApiKey or OAuth may stand before a space", credentials.ErrInvalid},
	} {
		t.Run(tt.name+", and the token's return is seen", func(t *testing.T) {
			f := newSecretFile(t, apiKey)
			p := credentials.File(f.path)
			wantValue(t, p, apiKey)
			wantPoll(t, p, false)

			f.remove()
			tt.change(t, f.path)
			changed, err := poll(t, p)
			wantFileError(t, err, f.path, tt.message, tt.kind, nil)
			assert.False(t, changed)
			require.NoError(t, os.RemoveAll(f.path))
			f.write(apiKey)
			wantPoll(t, p, false) // Token was not called: it would deliver what it last did

			f.remove()
			tt.change(t, f.path)
			_, err = p.Token(t.Context())
			wantFileError(t, err, f.path, tt.message, tt.kind, nil)
			require.NoError(t, os.RemoveAll(f.path))
			f.write(apiKey)
			wantPoll(t, p, true) // Token failed, and would not now
			wantValue(t, p, apiKey)
			wantPoll(t, p, false)
		})
	}
}

func TestFilePoll(t *testing.T) {
	t.Run("is true until the first token is read", func(t *testing.T) {
		p := credentials.File(newSecretFile(t, apiKey).path)
		wantPoll(t, p, true)
		wantPoll(t, p, true)
		wantValue(t, p, apiKey)
		wantPoll(t, p, false)
	})

	t.Run("is true when a missing file has come", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		f.remove()
		p := credentials.File(f.path)
		_, err := p.Token(t.Context())
		require.ErrorIs(t, err, credentials.ErrNotFound)
		f.write(apiKey)
		wantPoll(t, p, true)
	})

	t.Run("is false when only the white space, the time or the inode changed", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		p := credentials.File(f.path)
		wantValue(t, p, apiKey)
		f.replace("\ufeff" + apiKey + "\r\n")
		wantPoll(t, p, false)
	})

	t.Run("is true when only the scheme changed", func(t *testing.T) {
		f := newSecretFile(t, "ApiKey "+apiKey)
		p := credentials.File(f.path)
		wantValue(t, p, apiKey)
		wantPoll(t, p, false)
		f.replace("OAuth " + apiKey)
		wantPoll(t, p, true)
		wantValue(t, p, apiKey)
		wantPoll(t, p, false)
		f.replace(apiKey)
		wantPoll(t, p, true)
	})

	t.Run("sees a change that keeps the size and the time of the file", func(t *testing.T) {
		f := newSecretFile(t, "AQVN-old")
		info, err := os.Stat(f.path)
		require.NoError(t, err)
		p := credentials.File(f.path)
		wantValue(t, p, "AQVN-old")
		f.write("AQVN-new")
		require.NoError(t, os.Chtimes(f.path, info.ModTime(), info.ModTime()))
		wantPoll(t, p, true)
		wantValue(t, p, "AQVN-new")
	})

	for name, path := range map[string]string{
		"a plain file":                 newSecretFile(t, apiKey+"\n").path,
		"a file of a Kubernetes mount": newKubernetes(t, apiKey).path(),
	} {
		t.Run("of "+name+" that is unchanged is one open and at most eight allocations", func(t *testing.T) {
			opens := 0
			p := credentials.FileWithOpen(path, func(path string) (*os.File, error) {
				opens++
				return credentials.OpenFile(path)
			})
			wantValue(t, p, apiKey)
			opens = 0
			allocations := testing.AllocsPerRun(100, func() {
				if changed, err := p.(credentials.Poller).Poll(t.Context()); changed || err != nil {
					t.Errorf("changed %t, error %v", changed, err)
				}
			})
			assert.LessOrEqual(t, allocations, 8.0)
			assert.Equal(t, 101, opens)
		})
	}
}

func TestReadAll(t *testing.T) {
	t.Run("stops a byte after the limit, whatever size the file told", func(t *testing.T) {
		read, err := credentials.ReadAll(strings.NewReader(strings.Repeat("x", 1<<20)))
		require.NoError(t, err)
		assert.Len(t, read, 64<<10+1)
	})

	t.Run("puts small reads together", func(t *testing.T) {
		want := strings.Repeat("0123456789", 1000)
		for _, r := range []*strings.Reader{strings.NewReader(want)} {
			read, err := credentials.ReadAll(iotest.DataErrReader(iotest.OneByteReader(r)))
			require.NoError(t, err)
			assert.Equal(t, want, string(read))
		}
	})

	t.Run("passes an error on", func(t *testing.T) {
		broken := errors.New("broken")
		_, err := credentials.ReadAll(iotest.ErrReader(broken))
		require.ErrorIs(t, err, broken)
	})
}

func content(s string) func(*testing.T, string) {
	return func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte(s), 0o600)) }
}

func directory(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }

// wantFileError checks text and kind; a nil kind is an error that waiting may mend.
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

func poll(t *testing.T, p credentials.Provider) (bool, error) {
	t.Helper()
	poller, ok := p.(credentials.Poller)
	require.True(t, ok, "%T is no Poller", p)
	return poller.Poll(t.Context())
}

func wantPoll(t *testing.T, p credentials.Provider, want bool) {
	t.Helper()
	changed, err := poll(t, p)
	require.NoError(t, err)
	assert.Equal(t, want, changed, "changed")
}
