package health

import (
	"context"
	"errors"
)

// PublicReadiness is for health frameworks that show errors to their clients. It returns nil while
// the service should get traffic, as /healthz and /readyz show it: while the status is pass or
// warn, or [ReadyWhileUnreachable] keeps the service ready, and the service does not drain. The
// text of its error has the status and the meaning of the primary reason only, for example "fail:
// the platform refuses the token". Snapshot has the reason of a warning.
//
// The method answers from the snapshot and ignores ctx. The error cannot be unwrapped, because some
// frameworks show the causes of an error too; errors.As finds the [*Error] for a log.
func (c *Checker) PublicReadiness(context.Context) error {
	s := c.Snapshot()
	switch {
	case s.Ready():
		return nil
	case s.state.Draining && s.Reason() != ReasonClosed:
		return errDraining
	default:
		return publicError(s.Check())
	}
}

// public is an error whose text any client may see. It has no Unwrap method on purpose.
type public struct {
	text    string
	verdict *Error // nil while the service drains
}

var errDraining = &public{text: StatusFail.String() + ": the service is shutting down"}

func publicError(err error) error {
	var verdict *Error
	if !errors.As(err, &verdict) {
		return nil
	}
	return &public{text: StatusFail.String() + ": " + verdict.Reason.Meaning(), verdict: verdict}
}

func (e *public) Error() string { return e.text }

// As makes the verdict available to errors.As.
func (e *public) As(target any) bool {
	verdict, ok := target.(**Error)
	if !ok || e.verdict == nil {
		return false
	}
	*verdict = e.verdict
	return true
}
