package credentials

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/internal/names"
	"github.com/tolokacheck/tolokacheck/internal/secretfile"
)

// A writer that writes in place truncates the file first, so that a reader can find it empty
// or half written. Two equal reads at this distance mean that the writer has finished.
const (
	settleInterval = 5 * time.Millisecond
	settleTries    = 10
)

// File returns a [Provider] of the file at path, whose content is the token. It is also a
// [Describer], a [Poller] and a [Warner].
//
// Every call of Token and Poll reads the file and compares its content. Times and inodes are
// ignored, because Kubernetes swaps symbolic links and other writers write in place. Once a
// token was delivered, a different state of the file is accepted when two reads 5 ms apart agree.
//
// The state of the file decides the error:
//   - missing: [ErrNotFound]; transient once a token was delivered, as the file may be being
//     replaced;
//   - empty: [ErrInvalid]; transient once a token was delivered;
//   - a directory, named pipe, socket or device, larger than 64 KiB, not readable for this user,
//     or not a token by the rules of [ParseToken]: [ErrInvalid], and [fs.ErrPermission] if
//     that is the cause;
//   - anything else, such as an I/O error: transient.
//
// Errors and Describe show path only if it looks like one. A path that does not, such as the token
// itself, is [ErrInvalid] if there is no such file. An invalid option makes every call return
// [ErrInvalid].
//
// It warns of a file that every user can read or write, and of one that is mounted by itself
// (Kubernetes' subPath, Docker's -v with a file): such a mount does not change when the
// secret is rotated. Permissions in the secret mounts of Kubernetes, Docker and systemd are not
// judged, because the service does not choose them, and on Windows there are none.
//
// A context cannot interrupt the operating system: on a network file system that hangs, the
// call hangs too.
func File(path string, opts ...FileOption) Provider {
	cfg, err := newFileConfig(opts)
	source := "file:" + shownPath(path)
	f := newFile(path, source, cfg)
	if err != nil {
		err.source = source
		f.broken = err
	}
	return f
}

type file struct {
	path   string
	source string // as errors name it: by the variable that held the path, if one did
	cfg    fileConfig
	broken *sourceError // an invalid option
	open   secretfile.Opener
	judged atomic.Pointer[judgment]

	mu   sync.Mutex // not held during I/O
	last Token      // what Token delivered last to any caller; zero if nothing yet
}

// look is the result of one read of the file: a token or an error.
type look struct {
	token Token
	err   *sourceError
}

var (
	_ Provider  = (*file)(nil)
	_ Describer = (*file)(nil)
	_ Poller    = (*file)(nil)
	_ Warner    = (*file)(nil)
)

func newFile(path, source string, cfg fileConfig) *file {
	return &file{path: path, source: source, cfg: cfg, open: secretfile.Open}
}

func (f *file) Token(ctx context.Context) (Token, error) {
	if f.broken != nil {
		return Token{}, f.broken
	}
	last := f.lastRead()
	token, err := f.settle(ctx, last, f.look(ctx, last))
	if err != nil {
		return Token{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = token
	return token, nil
}

func (f *file) Poll(ctx context.Context, have []Token) (changed bool, err error) {
	if f.broken != nil {
		return false, f.broken
	}
	last := f.lastRead()
	now := f.look(ctx, last)
	if now.err != nil {
		// It may be the moment of a writer.
		if now.token, err = f.settle(ctx, last, now); err != nil {
			return false, err
		}
	}
	return len(have) != 1 || !now.token.Equal(have[0]), nil
}

func (f *file) Describe() string { return "file:" + shownPath(f.path) }

func (f *file) Warnings() []string {
	if j := f.judged.Load(); j != nil {
		return j.warnings
	}
	return nil
}

func (f *file) lastRead() Token {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// settle reads again until two reads in a row agree, and returns what they found. Before the first
// delivery, and if nothing has changed since the last one, the first read is enough.
func (f *file) settle(ctx context.Context, last Token, now look) (Token, error) {
	for range settleTries {
		if last.IsZero() || now.token.Equal(last) {
			return now.result()
		}
		if err := f.pause(ctx); err != nil {
			return Token{}, err
		}
		before := now
		now = f.look(ctx, last)
		if now.same(before) {
			return now.result()
		}
	}
	return Token{}, &sourceError{
		source: f.source, problem: "file is being written: every read finds something else",
	}
}

func (f *file) pause(ctx context.Context) error {
	timer := time.NewTimer(settleInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return contextError(ctx, f.source)
	case <-timer.C:
		return nil
	}
}

// look reads the file once. last decides the kind of two errors: a file that has held a token may
// be missing or empty for a moment.
func (f *file) look(ctx context.Context, last Token) look {
	token, err := f.read(ctx, last)
	if err == nil {
		return look{token: token}
	}
	if err.kind == ErrNotFound && !last.IsZero() {
		err.kind = nil
	}
	err.source = f.source
	return look{err: err}
}

func (f *file) read(ctx context.Context, last Token) (Token, *sourceError) {
	read, err := secretfile.ReadWith(ctx, f.open, f.path)
	if err != nil {
		return Token{}, f.readError(err)
	}
	if problem := f.judge(read.Info); problem != "" {
		return Token{}, &sourceError{problem: problem, kind: ErrInvalid}
	}
	if f.cfg.fields == nil && unchanged(read.Content, last) {
		return last, nil
	}
	token, problem := f.cfg.parse(string(read.Content))
	switch {
	case problem == problemEmpty && last.IsZero():
		return Token{}, &sourceError{problem: "file is empty", kind: ErrInvalid}
	case problem == problemEmpty:
		return Token{}, &sourceError{problem: "file is empty"}
	case problem != "":
		return Token{}, &sourceError{problem: problem, kind: ErrInvalid}
	}
	return token, nil
}

func (f *file) readError(err error) *sourceError {
	e := &sourceError{problem: err.Error(), cause: err}
	failure := (*secretfile.Error)(nil)
	if !errors.As(err, &failure) { // the context's
		return e
	}
	e.cause = failure.Err
	switch shown := names.Path(f.path); {
	case failure.Permanent:
		e.kind = ErrInvalid
	case !errors.Is(err, fs.ErrNotExist):
	case shown.Problem != "":
		e.kind = ErrInvalid
		e.problem += ": the path of a file belongs here, but this " + shown.Problem +
			": give the path, not the token"
	default:
		e.kind = ErrNotFound
	}
	return e
}

func (l look) result() (Token, error) {
	if l.err != nil {
		return Token{}, l.err
	}
	return l.token, nil
}

func (l look) same(m look) bool {
	if l.err != nil && m.err != nil {
		return l.err.problem == m.err.problem
	}
	return l.err == nil && m.err == nil && l.token.Equal(m.token)
}

// unchanged reports whether content is just the value of last. That is the usual result of a poll,
// and it is found without a copy.
func unchanged(content []byte, last Token) bool {
	return !last.IsZero() && last.Scheme() == "" &&
		string(bytes.TrimSpace(content)) == last.Reveal()
}

// shownPath is path as errors and logs show it, on one line.
func shownPath(path string) string {
	shown := names.Path(path).Text
	if strings.Contains(shown, " ") {
		return strconv.Quote(shown)
	}
	return shown
}
