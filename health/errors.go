package health

import (
	"errors"
	"fmt"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

var (
	// ErrClosed is returned by every method that needs a live checker after Close.
	ErrClosed = errors.New("health: the checker is closed")
	// ErrNotStarted is returned by Refresh before Start has been called and after it has failed.
	ErrNotStarted = errors.New("health: the checker is not started: call Start first")
	// ErrStarted is returned by a second Start while the first is under way or has succeeded.
	ErrStarted = errors.New("health: the checker is started already")
)

// Error says that the credential is not good: the error of Check, Token and Account while the status is fail, and of
// Start and Refresh for a verdict. It unwraps to the cause, so that errors.Is finds, for example,
// credentials.ErrNotFound, and errors.As an *requester.APIError.
type Error struct {
	// Name is the checker's name, empty by default.
	Name string
	// Reason is the primary reason.
	Reason Reason
	// Err is the cause, nil where the reason says it all.
	Err error
}

// Error returns the reason's constant, what it means, the cause, and what to do about it.
func (e *Error) Error() string {
	prefix := "health"
	if e.Name != "" {
		prefix += " " + e.Name
	}
	if e.Err == nil {
		return fmt.Sprintf("%s: %s: %s; %s", prefix, e.Reason, e.Reason.Meaning(), e.Reason.Advice())
	}
	return fmt.Sprintf("%s: %s: %s: %v; %s", prefix, e.Reason, e.Reason.Meaning(), e.Err, e.Reason.Advice())
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is ErrClosed and the checker is closed.
func (e *Error) Is(target error) bool { return target == ErrClosed && e.Reason == ReasonClosed }

// NotAskedError says that the platform was not asked, because the circuit breaker is open or a rate limit has to be
// waited out. It says nothing about the credential.
type NotAskedError struct {
	// Wait is how long nothing will be asked, zero when that is not known.
	Wait time.Duration
	// Why is "circuit breaker open", "circuit breaker half-open and busy" or "rate limited by the platform".
	Why string
}

// Error says why, and how long to wait.
func (e *NotAskedError) Error() string {
	if e.Wait <= 0 {
		return fmt.Sprintf("health: the platform was not asked: %s", e.Why)
	}
	return fmt.Sprintf("health: the platform was not asked: %s; try again in %s", e.Why, e.Wait.Round(time.Millisecond))
}

// Class returns requester.NotAsked.
func (e *NotAskedError) Class() requester.Class { return requester.NotAsked }
