// Package secretfile reads a file that holds a secret. It opens without blocking and refuses
// what is not a regular file, so that a named pipe cannot hang the caller.
package secretfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
)

// MaxSize is the size of the largest file that is read, in bytes.
const MaxSize = 64 << 10

// File is a file's content, and what the operating system says about the file that was read.
type File struct {
	Content []byte
	Info    fs.FileInfo
}

// Error says why a file cannot be read. It does not show the path.
type Error struct {
	// Problem is what is wrong and what to do: "is a directory: give the path of a file".
	Problem string
	// Permanent is true if reading again does not help until the file, its permissions or the
	// path are changed.
	Permanent bool
	// Err is the cause, without the path; nil if there is none. It is [fs.ErrNotExist] for a
	// missing file.
	Err error
}

// Error returns the problem.
func (e *Error) Error() string { return e.Problem }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Opener opens a file for [ReadWith]. It must not block on a named pipe.
type Opener func(path string) (*os.File, error)

// Read reads the file at path. A ctx that has ended gives its own error, before the file is
// touched; any other error is an [*Error]. A read that the operating system has started cannot
// be interrupted: on a network file system that hangs, Read hangs too.
func Read(ctx context.Context, path string) (File, error) { return ReadWith(ctx, Open, path) }

// ReadWith is [Read] with another way to open the file.
func ReadWith(ctx context.Context, open Opener, path string) (File, error) {
	if err := ctx.Err(); err != nil {
		return File{}, err
	}
	if path == "" {
		return File{}, &Error{Problem: "path is empty", Permanent: true}
	}
	opened, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Kubernetes swaps the ..data link. Between resolving it and opening its target the
		// target may disappear; the second try finds the new one.
		opened, err = open(path)
	}
	if err != nil {
		return File{}, explain(err)
	}
	defer func() { _ = opened.Close() }()
	// Asking the open file, not the path, avoids a race with the file being replaced.
	info, err := opened.Stat()
	if err != nil {
		return File{}, explain(err)
	}
	if problem := refuse(info); problem != "" {
		return File{}, &Error{Problem: problem, Permanent: true}
	}
	if err := ctx.Err(); err != nil {
		return File{}, err
	}
	content, err := readAll(opened)
	if err != nil {
		return File{}, explain(err)
	}
	if len(content) > MaxSize {
		return File{}, &Error{Problem: tooLarge, Permanent: true}
	}
	return File{Content: content, Info: info}, nil
}

const tooLarge = "file is larger than 64 KiB: it does not hold a single secret"

// refuse returns why the file must not be read, or "".
func refuse(info fs.FileInfo) (problem string) {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "is a directory: give the path of a file in it"
	case mode&fs.ModeNamedPipe != 0:
		return "is a named pipe: give the path of a regular file"
	case mode&fs.ModeDevice != 0:
		return "is a device: give the path of a regular file"
	case !mode.IsRegular():
		return "is not a regular file: give the path of one"
	case info.Size() > MaxSize:
		return tooLarge
	}
	return ""
}

// explain turns an error of the operating system into one without the path, which the caller
// knows and may have to hide.
func explain(err error) *Error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Problem: "no such file", Err: err}
	case errors.Is(err, fs.ErrPermission):
		return &Error{
			Problem:   "permission denied: let the user of this process read it",
			Permanent: true, Err: err,
		}
	case unopenable(err):
		return &Error{Problem: "cannot be opened: " + err.Error(), Permanent: true, Err: err}
	default:
		return &Error{Problem: "cannot be read: " + err.Error(), Err: err}
	}
}

// readAll reads up to one byte more than MaxSize. It does not trust the size from Stat, which is 0
// on some file systems and may be out of date on others.
func readAll(r io.Reader) ([]byte, error) {
	content := make([]byte, 0, 512)
	for len(content) <= MaxSize {
		n, err := r.Read(content[len(content):min(cap(content), MaxSize+1)])
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
