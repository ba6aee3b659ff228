package credentials

import (
	"context"
	"errors"
	"strings"
)

const prefix = "credentials: "

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

func (e *sourceError) Error() string {
	if e.source == "" {
		return prefix + e.problem
	}
	return prefix + e.source + ": " + e.problem
}

func (e *sourceError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
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

// formerly turns an error that wraps [ErrNotFound], of a source that has delivered before, into
// one of neither kind: the token may come back, and nobody should look for another instead.
func formerly(err error) error {
	const note = "; there was a token before"
	switch e, ok := err.(*sourceError); {
	case !errors.Is(err, ErrNotFound):
		return err
	case ok:
		return &sourceError{source: e.source, problem: e.problem + note}
	default:
		return &sourceError{problem: plain(err) + note}
	}
}

// decisive returns those of errs that tell what to do about all of them together. As long as one
// source may answer later, waiting may help; else one that is invalid must be mended; only when
// no source has a token is there none.
func decisive(errs []error) []error {
	var notNow, invalid []error
	for _, err := range errs {
		switch {
		case errors.Is(err, ErrInvalid):
			invalid = append(invalid, err)
		case !errors.Is(err, ErrNotFound):
			notNow = append(notNow, err)
		}
	}
	switch {
	case notNow != nil:
		return notNow
	case invalid != nil:
		return invalid
	default:
		return errs
	}
}

// plain is the text of err as part of another error's of this package.
func plain(err error) string { return strings.TrimPrefix(err.Error(), prefix) }
