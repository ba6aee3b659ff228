package middleware

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// AccountFrom returns the service's own account as the nearest gate with [WithAccountInContext] verified it: the account
// that belongs to the verdict by which the request was let through, even if the checker has moved on since. It returns
// false where there is no such gate.
func AccountFrom(ctx context.Context) (*requester.Account, bool) {
	if node, ok := ctx.Value(nodeKey{}).(*accountContext); ok && node.account != nil {
		return node.account, true
	}
	return nil, false
}

// AccountOf is like [AccountFrom] for the gates of one checker, where gates of several are stacked. A fake checker of a
// type that cannot be compared, such as a func, is never found.
func AccountOf(ctx context.Context, c Snapshotter) (*requester.Account, bool) {
	for {
		node, ok := ctx.Value(nodeKey{}).(*accountContext)
		if !ok {
			return nil, false
		}
		if node.checker != nil && node.checker == any(c) {
			return node.account, node.account != nil
		}
		ctx = node.Context
	}
}

// nodeKey finds the nearest accountContext. Its size is zero, so that looking it up allocates nothing.
type nodeKey struct{}

// accountContext is a context with an account, in one allocation where context.WithValue would need two: it answers
// nodeKey with itself, and AccountOf walks on from there.
type accountContext struct {
	context.Context
	checker any // nil if it cannot be compared
	account *requester.Account
}

func (c *accountContext) Value(key any) any {
	if _, ok := key.(nodeKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// String keeps whoever prints a context from printing a whole checker.
func (c *accountContext) String() string { return fmt.Sprint(c.Context) + ".WithTolokaAccount" }

// withAccount returns a copy of r that carries the snapshot's account.
func withAccount(r *http.Request, checker any, s *health.Snapshot) *http.Request {
	account, _ := s.Account() // no error: the snapshot is open
	return r.WithContext(&accountContext{Context: r.Context(), checker: checker, account: account})
}

// comparableChecker returns the checker for AccountOf to compare, nil where == would panic.
func comparableChecker(c Snapshotter) any {
	if !reflect.ValueOf(c).Comparable() {
		return nil
	}
	return c
}
