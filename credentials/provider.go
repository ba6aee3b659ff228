package credentials

import (
	"context"
	"fmt"
	"strings"
)

// Provider reads a token from where it is kept.
type Provider interface {
	// Token reads the token as it is now. Implementations do not cache: rotation is seen
	// because every call looks. They return early, with the context's error wrapped, when
	// ctx ends, and are safe for concurrent use.
	//
	// The error is one of three kinds. One that wraps [ErrNotFound]: this source has no
	// token, and another may be asked. One that wraps [ErrInvalid]: a person has to mend
	// something. Any other: the source does not answer now, and may later.
	// No error shows a token, and with an error there is no token.
	Token(ctx context.Context) (Token, error)
}

// Describer is what a [Provider] may also be: one that can name its source in a few words
// without a secret, for logs and errors: "env:TOLOKA_TOKEN", "file:/etc/toloka/token".
// Describe does no I/O and is safe for concurrent use.
type Describer interface {
	Describe() string
}

// Poller is what a [Provider] may also be: one that tells cheaply whether it is worth while to
// call Token again.
type Poller interface {
	// Poll reports whether Token would now deliver another token than at its last call, or
	// would deliver one where its last call failed or never came. The error is the one
	// that Token would return now, if it would return one; changed is false then. Both
	// are as far as can be seen cheaply. Poll itself is not a call of Token: it says
	// true until Token is called. Safe for concurrent use.
	Poll(ctx context.Context) (changed bool, err error)
}

// MultiProvider is what a [Provider] may also be: one that keeps several tokens which are all
// meant to work, such as [Failover].
type MultiProvider interface {
	// Tokens returns them, the preferred one first, without duplicates. It may return
	// tokens together with an error: what could be read, and why the rest could not.
	// Safe for concurrent use.
	Tokens(ctx context.Context) ([]Token, error)
}

// ProviderFunc makes a [Provider] of a function, for a source that this package does not
// know. The function must keep to what [Provider] says of Token. A nil ProviderFunc gives an
// error that wraps [ErrInvalid].
type ProviderFunc func(ctx context.Context) (Token, error)

var _ Provider = ProviderFunc(nil)

// Token calls f, unless ctx has ended.
func (f ProviderFunc) Token(ctx context.Context) (Token, error) {
	if f == nil {
		return Token{}, &sourceError{problem: "ProviderFunc is nil", kind: ErrInvalid}
	}
	if err := contextError(ctx, Describe(f)); err != nil {
		return Token{}, err
	}
	return f(ctx)
}

// Describe names the source of p: by its own word where it is a [Describer], else by its Go
// type.
func Describe(p Provider) string {
	if d, ok := p.(Describer); ok {
		return d.Describe()
	}
	return fmt.Sprintf("%T", p)
}

// deliver reads p and holds it to its contract: what a composite passes on is a token or an
// error.
func deliver(ctx context.Context, p Provider) (Token, error) {
	token, err := p.Token(ctx)
	if err != nil {
		return Token{}, err
	}
	if token.IsZero() {
		return Token{}, &sourceError{source: Describe(p), problem: "provider returned neither a token nor an error", kind: ErrInvalid}
	}
	return token, nil
}

// describeAll names several sources as one.
func describeAll(providers []Provider) string {
	names := make([]string, len(providers))
	for i, p := range providers {
		names[i] = Describe(p)
	}
	return strings.Join(names, ", ")
}
