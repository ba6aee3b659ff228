package credentials

import (
	"context"
	"errors"
)

var (
	// ErrNotFound says that a source has no token: the variable is not set, the file does
	// not exist. A [Chain] goes on to its next source.
	ErrNotFound = errors.New("credentials: no token found")

	// ErrInvalid says that a source, or what it holds, can never give a token as it
	// stands: an empty file, a directory, a file that may not be read, a value with white
	// space inside. Waiting cannot mend it, a person must; a [Chain] stops and says so.
	ErrInvalid = errors.New("credentials: token source is invalid")
)

// sourceError says which source failed and how. Its text leaves out the texts of kind and
// cause: problem says the same in words that fit the source.
type sourceError struct {
	source  string // as its user knows it: "env:TOLOKA_TOKEN"; empty when there is none
	problem string // what is wrong and, where it helps, what to do
	kind    error  // ErrNotFound, ErrInvalid, or nil: not now
	cause   error  // may be nil
}

func (e *sourceError) Error() string { return "credentials: " + e.detail() }

func (e *sourceError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (e *sourceError) detail() string {
	if e.source == "" {
		return e.problem
	}
	return e.source + ": " + e.problem
}

// contextError returns nil while ctx is alive. Every provider asks it first: work for a
// caller who has left is wasted, and a file or a server must not decide what comes back.
func contextError(ctx context.Context, source string) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	return &sourceError{source: source, problem: err.Error(), cause: err}
}
