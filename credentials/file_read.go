package credentials

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// maxFileSize is far more than any token with any white space around it; what is larger is not
// read at all.
const (
	maxFileSize     = 64 << 10
	problemTooLarge = "file is larger than 64 KiB: that is not a token"
)

type openFunc func(path string) (*os.File, error)

// look is what one look at the file has seen: a token or an error.
type look struct {
	token Token
	err   *sourceError
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

// look opens the file and reads it once. What last is decides the kind of two errors: a file
// that once held a token may be missing or empty for a moment.
func (f *file) look(last Token) look {
	content, err := f.read()
	if err == nil {
		if unchanged(content, last) {
			return look{token: last}
		}
		token, problem := parse(string(content))
		switch problem {
		case "":
			return look{token: token}
		case problemEmpty:
			err = &sourceError{problem: "file is empty", kind: ErrInvalid}
			if !last.IsZero() {
				err.kind = nil
			}
		default:
			err = &sourceError{problem: problem, kind: ErrInvalid}
		}
	}
	if err.kind == ErrNotFound && !last.IsZero() {
		err.kind = nil
	}
	err.source = f.source
	return look{err: err}
}

// unchanged reports whether content is the plain value of last: the usual case of a poll, found
// out without a copy.
func unchanged(content []byte, last Token) bool {
	return !last.IsZero() && last.Scheme() == "" && string(bytes.TrimSpace(content)) == last.Reveal()
}

func (f *file) read() ([]byte, *sourceError) {
	if f.path == "" {
		return nil, &sourceError{problem: "path is empty", kind: ErrInvalid}
	}
	opened, err := f.open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		// Between resolving ..data and opening what it points to, Kubernetes may
		// have swapped it; the second try finds the new one.
		opened, err = f.open(f.path)
	}
	if err != nil {
		return nil, f.openError(err)
	}
	defer opened.Close()
	// The descriptor is asked, not the path: nobody can swap the file in between.
	info, err := opened.Stat()
	if err != nil {
		return nil, f.openError(err)
	}
	if problem := f.refuse(info); problem != "" {
		return nil, &sourceError{problem: problem, kind: ErrInvalid}
	}
	content, err := readAll(opened)
	if err != nil {
		return nil, f.openError(err)
	}
	if len(content) > maxFileSize {
		return nil, &sourceError{problem: problemTooLarge, kind: ErrInvalid}
	}
	return content, nil
}

// refuse says what speaks against reading the file at all.
func (f *file) refuse(info fs.FileInfo) (problem string) {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "is a directory: give the path of the file in it"
	case !mode.IsRegular():
		return "is not a regular file, but a " + kindOf(mode)
	case info.Size() > maxFileSize:
		return problemTooLarge
	}
	return f.judgePermissions(info.Mode())
}

func (f *file) openError(err error) *sourceError {
	// The path is in the source already, where it is kept from showing a token.
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	e := &sourceError{cause: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.problem, e.kind = "no such file", ErrNotFound
		if _, misplaced := tokenIn(f.path); misplaced {
			e.problem, e.kind = "no such file: this looks like a token where the path of a file is asked for", ErrInvalid
		}
	case errors.Is(err, fs.ErrPermission):
		e.problem, e.kind = "permission denied: the user of this process must be allowed to read it", ErrInvalid
	case unopenable(err):
		e.problem, e.kind = "cannot be opened: "+err.Error(), ErrInvalid
	default:
		e.problem = "cannot be read now: " + err.Error()
	}
	return e
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	default:
		return "special file"
	}
}

// readAll reads up to one byte more than maxFileSize: the size that Stat tells is 0 for some
// file systems and may be old for the rest.
func readAll(r io.Reader) ([]byte, error) {
	content := make([]byte, 0, 512)
	for len(content) <= maxFileSize {
		n, err := r.Read(content[len(content):min(cap(content), maxFileSize+1)])
		content = content[:len(content)+n]
		if err == io.EOF {
			return content, nil
		}
		if err != nil {
			return nil, err
		}
		if len(content) == cap(content) {
			content = append(content, 0)[:len(content)]
		}
	}
	return content, nil
}
