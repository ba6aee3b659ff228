package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

const (
	oldToken = "AQVN-old-0123456789-0123456789"
	newToken = "AQVN-new-0123456789-0123456789"
)

// scripted is a file that holds another content at each time it is opened; the last content stays.
// "-" is a missing file, "!" one that may not be read.
type scripted struct {
	credentials.Provider
	secretFile
	script []string
	opens  int
}

func newScripted(t *testing.T) *scripted {
	s := &scripted{secretFile: newSecretFile(t, oldToken)}
	s.Provider = credentials.FileWithOpen(s.path, s.open)
	wantValue(t, s.Provider, oldToken)
	return s
}

func (s *scripted) open(path string) (*os.File, error) {
	s.opens++
	if len(s.script) > 0 {
		switch next := s.script[0]; next {
		case "-":
			_ = os.Remove(path)
		case "!":
			s.script = s.script[1:]
			return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EACCES}
		default:
			s.write(next)
		}
		s.script = s.script[1:]
	}
	return credentials.OpenFile(path)
}

func TestFileThatIsBeingWritten(t *testing.T) {
	half := newToken[:12]
	for _, tt := range []struct {
		name    string
		script  []string
		want    string // the value, or
		message string
		opens   int
		took    time.Duration
	}{
		{"an unchanged file is read once", []string{oldToken}, oldToken, "", 1, 0},
		{"a change is believed when it is read twice", []string{newToken}, newToken, "", 2, 5 * time.Millisecond},
		{"an empty read in between is passed over", []string{"", newToken}, newToken, "", 3, 10 * time.Millisecond},
		{"a half-written token is passed over", []string{half, newToken}, newToken, "", 3, 10 * time.Millisecond},
		{"a file truncated, half written and written", []string{"", half, newToken}, newToken, "", 4, 15 * time.Millisecond},
		{"a half-written scheme is no broken file", []string{"OAuth", "OAuth " + newToken}, newToken, "", 3, 10 * time.Millisecond},
		{"a rewrite of the old token ends the wait", []string{"", half, oldToken}, oldToken, "", 3, 10 * time.Millisecond},
		{"a file deleted and made again", []string{"-", "-", newToken}, newToken, "", 4, 10 * time.Millisecond},
		{"permissions that come after the file", []string{"!", newToken}, newToken, "", 3, 10 * time.Millisecond},
		{"a file that stays empty", []string{""}, "", "file is empty", 2, 5 * time.Millisecond},
		{"a file that stays away", []string{"-"}, "", "no such file", 4, 5 * time.Millisecond},
		{"a file that never comes to rest", []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}, "", "file is being written: every read finds something else", 11, 50 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScripted(t)
				s.script, s.opens = tt.script, 0
				began := time.Now()
				token, err := s.Token(t.Context())
				assert.Equal(t, tt.took, time.Since(began), "time")
				assert.Equal(t, tt.opens, s.opens, "opens")
				if tt.message != "" {
					wantFileError(t, err, s.path, tt.message, nil, nil)
					return
				}
				require.NoError(t, err)
				assert.True(t, token.Reveal() == tt.want, "delivered %v", token)
			})
		})
	}

	t.Run("a poll does not take the moment of a writer for an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScripted(t)
			s.script = []string{"", newToken}
			wantPoll(t, s.Provider, true)
			s.script = []string{"", oldToken}
			wantPoll(t, s.Provider, false)
			s.script = []string{"!", "!"}
			_, err := poll(t, s.Provider)
			wantKind(t, err, credentials.ErrInvalid)
		})
	})

	t.Run("a caller who leaves while the file settles gets the context's error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScripted(t)
			s.script = []string{"a", "b", "c"}
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := s.Token(ctx)
			require.EqualError(t, err, "credentials: file:"+s.path+": context deadline exceeded")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			wantKind(t, err, nil)
			assert.Equal(t, 7*time.Millisecond, time.Since(began))
		})
	})

	t.Run("a writer that takes its time is waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newSecretFile(t, oldToken)
			p := credentials.File(f.path)
			wantValue(t, p, oldToken)
			writer, err := os.OpenFile(f.path, os.O_WRONLY|os.O_TRUNC, 0)
			require.NoError(t, err)
			defer writer.Close()
			go func() {
				time.Sleep(time.Millisecond / 2) // apart from the reads
				for i := range newToken {
					_, _ = writer.WriteString(newToken[i : i+1])
					time.Sleep(time.Millisecond)
				}
			}()
			wantValue(t, p, newToken)
		})
	})
}

// kubernetes is a mounted Secret as the kubelet makes it: token -> ..data/token, and ..data -> a
// directory that is replaced as a whole.
type kubernetes struct {
	testing.TB
	dir      string
	versions int
}

func newKubernetes(tb testing.TB, value string) *kubernetes {
	k := &kubernetes{TB: tb, dir: tb.TempDir()}
	k.swap(value)
	require.NoError(tb, os.Symlink(filepath.Join("..data", "token"), k.path()))
	return k
}

func (k *kubernetes) path() string { return filepath.Join(k.dir, "token") }

// swap does what k8s.io/kubernetes/pkg/volume/util.AtomicWriter does.
func (k *kubernetes) swap(value string) {
	k.Helper()
	old, _ := os.Readlink(filepath.Join(k.dir, "..data"))
	k.versions++
	version := fmt.Sprintf("..2026_01_02_03_04_05.%09d", k.versions)
	require.NoError(k, os.Mkdir(filepath.Join(k.dir, version), 0o755))
	require.NoError(k, os.WriteFile(filepath.Join(k.dir, version, "token"), []byte(value), 0o644))
	require.NoError(k, os.Symlink(version, filepath.Join(k.dir, "..data_tmp")))
	require.NoError(k, os.Rename(filepath.Join(k.dir, "..data_tmp"), filepath.Join(k.dir, "..data")))
	if old != "" {
		require.NoError(k, os.RemoveAll(filepath.Join(k.dir, old)))
	}
}

func TestFileThatChanges(t *testing.T) {
	value := func(i int) string { return fmt.Sprintf("AQVN-%06d-0123456789-0123456789", i) }

	for _, tt := range []struct {
		name string
		open func(tb testing.TB) (path string, set func(value string))
	}{
		{"by the swap of a Kubernetes mount", func(tb testing.TB) (string, func(string)) {
			k := newKubernetes(tb, value(0))
			return k.path(), k.swap
		}},
		{"by a writer in place", func(tb testing.TB) (string, func(string)) {
			f := newSecretFile(tb, value(0))
			return f.path, f.write
		}},
		{"by mv over the file", func(tb testing.TB) (string, func(string)) {
			f := newSecretFile(tb, value(0))
			return f.path, f.replace
		}},
		{"by deletion and return", func(tb testing.TB) (string, func(string)) {
			f := newSecretFile(tb, value(0))
			return f.path, func(value string) {
				f.remove()
				f.write(value)
			}
		}},
	} {
		t.Run(tt.name+" is delivered at the next call", func(t *testing.T) {
			path, set := tt.open(t)
			p := credentials.File(path)
			wantValue(t, p, value(0))
			for i := range 20 {
				wantPoll(t, p, false)
				set(value(i + 1))
				wantPoll(t, p, true)
				wantValue(t, p, value(i+1))
			}
		})
	}

	t.Run("readers never meet an error or half a token while Kubernetes swaps", func(t *testing.T) {
		k := newKubernetes(t, oldToken)
		p := credentials.File(k.path())
		wantValue(t, p, oldToken)
		done := make(chan struct{})
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					// Only the swap is under test here, so the content stays the
					// same and nothing has to settle.
					token, err := p.Token(context.Background())
					if err != nil || token.Reveal() != oldToken {
						t.Errorf("token %v, error %v", token, err)
						return
					}
				}
			})
		}
		for range 200 {
			k.swap(oldToken)
		}
		close(done)
		readers.Wait()
	})

	t.Run("readers meet only whole tokens while it is rewritten in place", func(t *testing.T) {
		f := newSecretFile(t, oldToken)
		p := credentials.File(f.path)
		wantValue(t, p, oldToken)
		var readers sync.WaitGroup
		done := make(chan struct{})
		for range 4 {
			readers.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					token, err := p.Token(context.Background())
					if err == nil && token.Reveal() != oldToken && token.Reveal() != newToken {
						t.Errorf("token %v was never written", token)
					}
					if errors.Is(err, credentials.ErrInvalid) || errors.Is(err, credentials.ErrNotFound) {
						t.Errorf("the moment of a writer is nothing to mend: %v", err)
					}
				}
			})
		}
		for i := range 100 {
			f.write([]string{newToken, oldToken}[i%2])
		}
		close(done)
		readers.Wait()
		wantValue(t, p, oldToken)
	})
}
