package credentials

import (
	"context"
	"slices"
	"strings"

	"github.com/tolokacheck/tolokacheck/internal/describe"
)

// Provider reads a token from its source.
type Provider interface {
	// Token returns the current token. It reads the source at every call and does not cache,
	// so that a rotated token is seen. It returns early, with an error that wraps the
	// context's error, when ctx ends. It is safe for concurrent use.
	//
	// An error that wraps [ErrNotFound] means that this source has no token; another source
	// may be tried. One that wraps [ErrInvalid] is permanent until someone changes the source.
	// Any other error is transient. No error shows a token, and with an error the Token is zero.
	// If an error says what to do, it can have a method Advised() bool that returns true: then
	// package health adds no advice of its own.
	Token(ctx context.Context) (Token, error)
}

// Describer is an optional interface of a [Provider]. Without it logs and errors name the
// provider's Go type.
type Describer interface {
	// Describe names the source in a few words for logs and errors, without a secret:
	// "env:TOLOKA_TOKEN", "file:/etc/toloka/token". It does no I/O and is safe for
	// concurrent use.
	Describe() string
}

// Poller is an optional interface of a [Provider] whose source is cheap to look at, such as a
// file. Its users call Poll every few seconds, and Token only after a change.
type Poller interface {
	// Poll reports whether Token, or Tokens of a [MultiProvider], would now return something
	// other than have: the tokens that the caller read last, or none if its last read failed. If
	// Token would return an error, Poll returns that error and false. Both hold as far as can be
	// seen cheaply. The provider keeps no state between calls, so several users can poll it.
	// Safe for concurrent use.
	Poll(ctx context.Context, have []Token) (changed bool, err error)
}

// Warner is an optional interface of a [Provider] that notices problems which do not prevent
// it from reading the token, such as a file that every user can read.
type Warner interface {
	// Warnings returns a sentence for each problem that the last read found, with the source
	// and what to do: "file:/etc/token: mode 0644 lets …". It does no I/O and is safe for
	// concurrent use. Users log each sentence once.
	Warnings() []string
}

// MultiProvider is an optional interface of a [Provider] that has several tokens which are all
// meant to work, such as [Failover].
type MultiProvider interface {
	// Tokens returns the tokens without duplicates, the preferred one first. It may return
	// tokens together with an error that says which sources could not be read. It is safe
	// for concurrent use.
	Tokens(ctx context.Context) ([]Token, error)
}

// ProviderFunc makes a [Provider] of a function, for a source that this package does not
// support. The function must do what [Provider] says of Token. A nil ProviderFunc returns an
// error that wraps [ErrInvalid].
type ProviderFunc func(ctx context.Context) (Token, error)

var _ Provider = ProviderFunc(nil)

// Token calls f, unless ctx has ended.
func (f ProviderFunc) Token(ctx context.Context) (Token, error) {
	if f == nil {
		return Token{}, &sourceError{problem: "ProviderFunc is nil", kind: ErrInvalid}
	}
	if err := contextError(ctx, describe.Of(f)); err != nil {
		return Token{}, err
	}
	return f(ctx)
}

// deliver calls p.Token and rejects a zero token without an error.
func deliver(ctx context.Context, p Provider) (Token, error) {
	token, err := p.Token(ctx)
	if err != nil {
		return Token{}, err
	}
	if token.IsZero() {
		return Token{}, &sourceError{
			source: describe.Of(p), problem: "provider returned neither a token nor an error",
			kind: ErrInvalid,
		}
	}
	return token, nil
}

// poll polls p, which never changes if it is not a Poller.
func poll(ctx context.Context, p Provider, have []Token) (changed bool, err error) {
	if poller, ok := p.(Poller); ok {
		return poller.Poll(ctx, have)
	}
	return false, nil
}

// sameTokens reports whether both are the same tokens in the same order.
func sameTokens(a, b []Token) bool { return slices.EqualFunc(a, b, Token.Equal) }

// warnings returns what p warns of, if it is a Warner.
func warnings(p Provider) []string {
	if w, ok := p.(Warner); ok {
		return w.Warnings()
	}
	return nil
}

// warningsOf returns the warnings of several providers, each once.
func warningsOf(providers []Provider) []string {
	var all []string
	for _, p := range providers {
		for _, w := range warnings(p) {
			if !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	return all
}

// describeAll names several sources as one.
func describeAll(providers []Provider) string {
	names := make([]string, len(providers))
	for i, p := range providers {
		names[i] = describe.Of(p)
	}
	return strings.Join(names, ", ")
}
