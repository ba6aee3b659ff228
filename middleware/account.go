package middleware

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// AccountFrom returns the service's own account, as the nearest gate with [WithAccountInContext]
// found it when it let the request through. It stays the same for the whole request, even if the
// checker has a new snapshot since. It returns false if there is no such gate.
func AccountFrom(ctx context.Context) (*requester.Account, bool) {
	if node, ok := ctx.Value(nodeKey{}).(*accountContext); ok && node.account != nil {
		return node.account, true
	}
	return nil, false
}

// AccountOf is [AccountFrom] for the gate of one checker. Use it where gates of several checkers
// are stacked, so that the order of the gates does not decide whose account a handler works on.
// It returns false for a fake checker of a type that == cannot compare.
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

// nodeKey finds the nearest accountContext. Its size is zero, so that a lookup allocates nothing.
type nodeKey struct{}

// accountContext carries an account in one allocation; context.WithValue needs two. It returns
// itself for nodeKey, and AccountOf continues with its parent.
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

// String keeps printed contexts short.
func (c *accountContext) String() string { return fmt.Sprint(c.Context) + ".WithTolokaAccount" }

// withAccount returns a copy of r that carries the snapshot's account.
func withAccount(r *http.Request, checker any, s *health.Snapshot) *http.Request {
	account, _ := s.Account() // the snapshot is open, so there is no error
	ctx := &accountContext{Context: r.Context(), checker: checker, account: account}
	return r.WithContext(ctx)
}

// comparableChecker returns the checker for AccountOf to compare, or nil where == would panic.
func comparableChecker(c Snapshotter) any {
	if !reflect.ValueOf(c).Comparable() {
		return nil
	}
	return c
}
