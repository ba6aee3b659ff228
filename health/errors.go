package health

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

var (
	// ErrClosed is returned by every method that needs a live checker after Close.
	ErrClosed = errors.New("health: the checker is closed")
	// ErrNotStarted is returned by Refresh before Start has returned nil. It is the cause of the
	// *Error of a checker whose Start was not called.
	ErrNotStarted = errors.New("health: Start has not been called")
	// ErrStarted is returned by a second Start during or after a successful one.
	ErrStarted = errors.New("health: the checker is started already")
)

func errNilContext(method string) error {
	return fmt.Errorf("health: %s: the context is nil; use context.Background()", method)
}

// Error says that the credential cannot be used: the error of Check, Token and Account while the
// status is fail, and of Start and Refresh for a verdict. It unwraps to the cause, so that
// errors.Is finds, for example, credentials.ErrNotFound, and errors.As a *requester.APIError.
//
// Its text is for logs and operators. It contains no secret, but may name hosts, paths and the
// token's fingerprint.
type Error struct {
	// Name is the checker's name, empty by default.
	Name string
	// Reason is the primary reason.
	Reason Reason
	// Err is the cause, nil if the reason has everything.
	Err error
}

// Error returns the reason's constant, its meaning, the cause, and what to do. Where the cause
// says itself what to do, the general advice of the reason is left out.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("health")
	if e.Name != "" {
		b.WriteString(" " + e.Name)
	}
	fmt.Fprintf(&b, ": %s: %s", e.Reason, e.meaning())
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if advice := adviceFor(e.Reason, e.Err); advice != "" {
		b.WriteString("; " + advice)
	}
	return b.String()
}

// meaning is that of the reason, unless the cause says more.
func (e *Error) meaning() string {
	switch {
	case e.Reason == ReasonStarting && errors.Is(e.Err, ErrNotStarted):
		return "the credential is not monitored"
	case e.Reason != ReasonUnreachable:
		return e.Reason.Meaning()
	case requester.ClassOf(e.Err) == requester.Misdirected:
		return "something else than the platform answers"
	default:
		return e.Reason.Meaning()
	}
}

// adviceFor returns what to do about a reason, "" where the text of its cause says so.
func adviceFor(r Reason, cause error) string {
	var source interface{ Advised() bool } // an error of package credentials or vault
	var api *requester.APIError
	switch {
	case r == ReasonStarting && errors.Is(cause, ErrNotStarted):
		return "call Start, in a service as soon as its server listens"
	case r == ReasonNoCredential && errors.As(cause, &source) && source.Advised():
		return ""
	case (r == ReasonRejected || r == ReasonUnreachable) && errors.As(cause, &api):
		return ""
	}
	return r.Advice()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is ErrClosed and the checker is closed.
func (e *Error) Is(target error) bool { return target == ErrClosed && e.Reason == ReasonClosed }

// NotAskedError says that no call was made, because the circuit breaker is open or a rate limit
// holds. It says nothing about the credential.
type NotAskedError struct {
	// Wait is how long no call will be made.
	Wait time.Duration
	why  string // says which of the two it is
}

// Error says why, and how long to wait.
func (e *NotAskedError) Error() string {
	if e.Wait <= 0 {
		return fmt.Sprintf("health: the platform was not asked: %s", e.why)
	}
	wait := e.Wait.Round(time.Millisecond)
	return fmt.Sprintf("health: the platform was not asked: %s; try again in %s", e.why, wait)
}

// Class returns requester.NotAsked.
func (e *NotAskedError) Class() requester.Class { return requester.NotAsked }
