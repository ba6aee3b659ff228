package credentials

import (
	"context"
	"errors"
	"strings"
)

const prefix = "credentials: "

var (
	// ErrNotFound means that a source has no token: the variable is not set, the file does
	// not exist. A [Chain] continues with its next source.
	ErrNotFound = errors.New("credentials: no token found")

	// ErrInvalid means that a source, or what it holds, cannot give a token until someone
	// changes it: an empty file, a directory, a file without read permission, a value that is
	// not a token, an option that makes no sense. A [Chain] stops and returns it.
	ErrInvalid = errors.New("credentials: token source is invalid")
)

// sourceError says which source failed and how. Its text leaves out the texts of kind and
// cause, because problem says the same in words that fit the source.
type sourceError struct {
	source  string // as the user knows it: "env:TOLOKA_TOKEN"; empty if there is none
	problem string // what is wrong and, where it helps, what to do
	kind    error  // ErrNotFound, ErrInvalid, or nil for a transient error
	cause   error  // may be nil
}

// Advised reports whether the text says what to do, so that package health does not say it again.
func (e *sourceError) Advised() bool { return e.kind == ErrInvalid }

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

// contextError returns nil while ctx is alive. Every provider calls it first, so that a caller
// whose context has ended always gets the context's error.
func contextError(ctx context.Context, source string) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	return &sourceError{source: source, problem: err.Error(), cause: err}
}

// transient turns an error that wraps [ErrNotFound], of a source that delivered before, into
// one of neither kind: the token may come back, and no other should be used instead.
func transient(err error) error {
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

// decisive returns those of errs that decide what all of them mean together. A transient error
// comes first, because waiting may help; then an invalid source, which someone has to change.
// Only if every source has no token are all of them returned.
func decisive(errs []error) []error {
	var temporary, invalid []error
	for _, err := range errs {
		switch {
		case errors.Is(err, ErrInvalid):
			invalid = append(invalid, err)
		case !errors.Is(err, ErrNotFound):
			temporary = append(temporary, err)
		}
	}
	switch {
	case temporary != nil:
		return temporary
	case invalid != nil:
		return invalid
	default:
		return errs
	}
}

// plain is the text of err as a part of another error of this package.
func plain(err error) string { return strings.TrimPrefix(err.Error(), prefix) }
