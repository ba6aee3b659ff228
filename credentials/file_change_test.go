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
	"github.com/tolokacheck/tolokacheck/internal/secretfile"
)

const (
	oldToken = "AQVN-old-0123456789-0123456789"
	newToken = "AQVN-new-0123456789-0123456789"
)

// scripted is a file whose content changes each time it is opened; the last content stays.
// "-" means a missing file, "!" one without read permission.
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
	return secretfile.Open(path)
}

func TestFileBeingWritten(t *testing.T) {
	half := newToken[:12]
	for _, tt := range []struct {
		name    string
		script  []string
		want    string // the value, or
		message string
		opens   int
		took    time.Duration
	}{
		{"unchanged", []string{oldToken}, oldToken, "", 1, 0},
		{"changed", []string{newToken}, newToken, "", 2, 5 * time.Millisecond},
		{"empty in between", []string{"", newToken}, newToken, "", 3, 10 * time.Millisecond},
		{"half-written token", []string{half, newToken}, newToken, "", 3, 10 * time.Millisecond},
		{"truncated, half written, written", []string{"", half, newToken}, newToken, "", 4,
			15 * time.Millisecond},
		{"half-written scheme", []string{"OAuth", "OAuth " + newToken}, newToken, "", 3,
			10 * time.Millisecond},
		{"rewritten with the old token", []string{"", half, oldToken}, oldToken, "", 3,
			10 * time.Millisecond},
		{"deleted and created", []string{"-", "-", newToken}, newToken, "", 4, 10 * time.Millisecond},
		{"permissions set after creation", []string{"!", newToken}, newToken, "", 3,
			10 * time.Millisecond},
		{"stays empty", []string{""}, "", "file is empty", 2, 5 * time.Millisecond},
		{"stays missing", []string{"-"}, "", "no such file", 4, 5 * time.Millisecond},
		{"never stops changing", []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}, "",
			"file is being written: every read finds something else", 11, 50 * time.Millisecond},
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

	t.Run("poll", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScripted(t)
			s.script = []string{"", newToken}
			wantPoll(t, s.Provider, true, parse(t, oldToken))
			s.script = []string{"", oldToken}
			wantPoll(t, s.Provider, false, parse(t, oldToken))
			s.script = []string{"!", "!"}
			_, err := poll(t, s.Provider, nil)
			wantKind(t, err, credentials.ErrInvalid)
		})
	})

	t.Run("context ends while the file is being written", func(t *testing.T) {
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

	t.Run("slow writer", func(t *testing.T) {
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

// kubernetes is a mounted Secret as the kubelet creates it: token links to ..data/token, and
// ..data to a directory that is replaced as a whole.
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

func TestFileChanges(t *testing.T) {
	value := func(i int) string { return fmt.Sprintf("AQVN-%06d-0123456789-0123456789", i) }

	for _, tt := range []struct {
		name string
		open func(tb testing.TB) (path string, set func(value string))
	}{
		{"Kubernetes swap", func(tb testing.TB) (string, func(string)) {
			k := newKubernetes(tb, value(0))
			return k.path(), k.swap
		}},
		{"written in place", func(tb testing.TB) (string, func(string)) {
			f := newSecretFile(tb, value(0))
			return f.path, f.write
		}},
		{"renamed over", func(tb testing.TB) (string, func(string)) {
			f := newSecretFile(tb, value(0))
			return f.path, f.replace
		}},
		{"deleted and created", func(tb testing.TB) (string, func(string)) {
			f := newSecretFile(tb, value(0))
			return f.path, func(value string) {
				f.remove()
				f.write(value)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, set := tt.open(t)
			p := credentials.File(path)
			wantValue(t, p, value(0))
			for i := range 20 {
				old := parse(t, value(i))
				wantPoll(t, p, false, old)
				set(value(i + 1))
				wantPoll(t, p, true, old)
				wantValue(t, p, value(i+1))
			}
		})
	}

	t.Run("readers during Kubernetes swaps", func(t *testing.T) {
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
					// The content stays the same, so that nothing has to settle.
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

	t.Run("readers during writes in place", func(t *testing.T) {
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
						t.Errorf("the file is being written, but the error is permanent: %v", err)
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
