package middleware

import (
	"errors"
	"fmt"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// Snapshotter is what this package needs of a checker. [*health.Checker] implements it.
//
// Snapshot is called for every request, by any number of goroutines at once: it must not wait. It
// should return the same pointer until something changes, because answers are rendered once per
// snapshot. A nil snapshot counts as fail.
//
// Tests can use a fake that returns a [health.NewSnapshot]. A fake gives handlers only the account
// that its state contains: set State.Account, for example to a [requester.ParseAccount]. Without
// one, [AccountFrom] returns false even if the fake is verified.
type Snapshotter interface {
	Snapshot() *health.Snapshot
}

var _ Snapshotter = (*health.Checker)(nil)

// unknown is used in place of a nil snapshot.
var unknown = health.NewSnapshot(health.State{})

var errNilChecker = errors.New("the checker is nil; handle the error of health.New first")

// checkNotNil returns an error if one of the checkers is nil or an interface around a nil pointer.
func checkNotNil(checkers ...Snapshotter) error {
	for _, c := range checkers {
		if isnil.Value(c) {
			return errNilChecker
		}
	}
	return nil
}

// apply applies options to a config and returns all errors, joined.
func apply[C any, O ~func(*C) error](config *C, opts []O) error {
	var errs []error
	for _, opt := range opts {
		if opt == nil {
			errs = append(errs, errors.New("nil option"))
		} else if err := opt(config); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// wiringError prefixes the errors of a constructor with its name. It returns nil if all are nil.
func wiringError(constructor string, errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("middleware: %s: %w", constructor, err)
	}
	return nil
}
