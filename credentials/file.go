package credentials

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// In-place writers truncate the file and then write to it, so that a reader can find it empty
// or half written. Two reads this far apart that agree tell that the writer is done.
const (
	settleInterval = 5 * time.Millisecond
	settleTries    = 10
)

// FileOption changes what [File] and [Default] do about files.
type FileOption func(*fileOptions)

type fileOptions struct {
	refuseInsecure bool
	logger         *slog.Logger
}

// RefuseInsecurePermissions makes a file that its group or everybody can read or write an
// error that wraps [ErrInvalid]. By default it is one warning in the log. Secret mounts of
// Kubernetes, Docker and systemd are exempt, whose modes are not the service's to choose,
// and so is Windows, which has no such bits.
func RefuseInsecurePermissions() FileOption {
	return func(o *fileOptions) { o.refuseInsecure = true }
}

// WithLogger sets where the warning about permissions goes. The default, and nil, is
// [slog.Default] at the time of the warning.
func WithLogger(l *slog.Logger) FileOption {
	return func(o *fileOptions) { o.logger = l }
}

// File returns a [Provider] of the file at path, whose content is the token. It is a
// [Describer] and a [Poller].
//
// The content is read and compared at every call of Token and Poll; times and inodes are not
// looked at, because Kubernetes swaps symbolic links and writers write in place. Once a
// token was delivered, any other state of the file is believed when two reads 5 ms apart agree.
//
// What the file is decides the error:
//   - missing: [ErrNotFound]; after a token was delivered, an error of neither kind, since the
//     writer of the next one may be at work;
//   - empty: [ErrInvalid]; after a token was delivered, an error of neither kind;
//   - a directory, named pipe, socket or device, larger than 64 KiB, not to be read by this user,
//     or no token by the rules of [ParseToken]: [ErrInvalid], and [fs.ErrPermission] where
//     that is the cause;
//   - missing, where path looks like a token that somebody has put in its place: [ErrInvalid];
//   - anything else, such as an I/O error: an error of neither kind.
//
// Errors and Describe show such a token as its fingerprint, and quote a path that has white space
// or control characters in it.
//
// A context cannot interrupt the operating system: on a network file system that hangs, so
// does the call.
func File(path string, opts ...FileOption) Provider {
	return newFile(path, "file:"+displayPath(path), opts)
}

type file struct {
	path    string
	source  string // how errors name it: by the variable that held the path, if one did
	options fileOptions
	open    openFunc
	judged  atomic.Bool // the permissions need no further look

	mu     sync.Mutex // never held during I/O
	last   Token      // what Token delivered last; zero: nothing yet
	failed bool       // the last call of Token failed
}

var (
	_ Provider  = (*file)(nil)
	_ Describer = (*file)(nil)
	_ Poller    = (*file)(nil)
)

func newFile(path, source string, opts []FileOption) *file {
	f := &file{path: path, source: source, open: openFile}
	for _, opt := range opts {
		if opt != nil {
			opt(&f.options)
		}
	}
	return f
}

func (f *file) Token(ctx context.Context) (Token, error) {
	if err := contextError(ctx, f.source); err != nil {
		return Token{}, err
	}
	last, _ := f.state()
	token, err := f.settle(ctx, last, f.look(last))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = err != nil
	if err == nil {
		f.last = token
	}
	return token, err
}

func (f *file) Poll(ctx context.Context) (changed bool, err error) {
	if err := contextError(ctx, f.source); err != nil {
		return false, err
	}
	last, failed := f.state()
	now := f.look(last)
	if now.err != nil {
		// An error is as good as a token: it may be the moment of a writer.
		if now.token, err = f.settle(ctx, last, now); err != nil {
			return false, err
		}
	}
	return failed || !now.token.Equal(last), nil
}

func (f *file) Describe() string { return "file:" + displayPath(f.path) }

func (f *file) state() (last Token, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.failed
}

// settle looks again until two looks in a row saw the same, and returns that. Before the first
// delivery, and when nothing has changed since, one look is enough.
func (f *file) settle(ctx context.Context, last Token, now look) (Token, error) {
	for range settleTries {
		if last.IsZero() || now.token.Equal(last) {
			return now.result()
		}
		if err := f.pause(ctx); err != nil {
			return Token{}, err
		}
		before := now
		now = f.look(last)
		if now.same(before) {
			return now.result()
		}
	}
	return Token{}, &sourceError{source: f.source, problem: "file is being written: every read finds something else"}
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
