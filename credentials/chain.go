package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tolokacheck/tolokacheck/internal/describe"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// Chain returns a [Provider] that asks providers in order and delivers the first token. It
// continues with the next one only after [ErrNotFound]. Any other failure stops it, because a
// token of another source would hide that failure. The error lists the sources that were asked. It
// wraps the error of the source that stopped the chain, or ErrNotFound if no source has a token.
//
// The first source that delivers is kept: no other is asked from then on, and if its token is
// missing for a moment the error is transient, so that the service keeps the token it has. No
// providers, or a nil one among them, give an error that wraps [ErrInvalid].
//
// The Provider is also a [MultiProvider], whose Tokens are all those of the source it keeps, a
// [Describer], a [Poller] and a [Warner]. Before it keeps a source it describes all of them.
func Chain(providers ...Provider) Provider { return newChain(providers) }

// chainError is the error of [Chain] and of [Default].
type chainError struct {
	attempts []attempt // in the order in which the sources were asked
	advice   string    // what to do if no source has a token
}

// attempt is one source that had no token or failed.
type attempt struct {
	source string // what the source's Describe returned, or its Go type
	err    error  // why there is no token from it
}

// Error lists every attempt, in one line. The one that stopped the chain comes first.
func (e *chainError) Error() string {
	stop := slices.IndexFunc(e.attempts, func(a attempt) bool {
		return !isnil.Value(a.err) && !errors.Is(a.err, ErrNotFound)
	})
	if stop >= 0 {
		text := prefix + e.attempts[stop].text()
		if stop > 0 {
			text += " (asked before: " + list(e.attempts[:stop]) + ")"
		}
		return text
	}
	text := ErrNotFound.Error()
	if len(e.attempts) > 0 {
		text += ": " + list(e.attempts)
	}
	if e.advice != "" {
		text += "; " + e.advice
	}
	return text
}

// Advised reports whether the text says what to do, so that package health does not say it again.
func (e *chainError) Advised() bool {
	return errors.Is(e, ErrInvalid) || e.advice != "" && errors.Is(e, ErrNotFound)
}

// Unwrap returns the errors that decide what the chain's error is.
func (e *chainError) Unwrap() []error {
	var errs []error
	for _, a := range e.attempts {
		if !isnil.Value(a.err) {
			errs = append(errs, a.err)
		}
	}
	return decisive(errs)
}

func list(attempts []attempt) string {
	texts := make([]string, len(attempts))
	for i, a := range attempts {
		texts[i] = a.text()
	}
	return strings.Join(texts, "; ")
}

func (a attempt) text() string {
	source := a.source
	if source == "" {
		source = "unnamed source"
	}
	if isnil.Value(a.err) {
		return source + ": no error given"
	}
	text := plain(a.err)
	switch e := a.err.(type) {
	case *sourceError:
		if e.source != "" {
			return text
		}
	case *chainError: // it names its own sources
		if errors.Is(e, ErrNotFound) {
			return list(e.attempts)
		}
		return text
	}
	if strings.HasPrefix(text, source+":") {
		return text
	}
	return source + ": " + text
}

type chain struct {
	providers []Provider
	advice    string
	kept      atomic.Pointer[Provider] // the source that delivered first
}

var (
	_ Provider  = (*chain)(nil)
	_ Describer = (*chain)(nil)
	_ Poller    = (*chain)(nil)
	_ Warner    = (*chain)(nil)

	_ MultiProvider = (*chain)(nil)
)

func newChain(providers []Provider) *chain {
	return &chain{providers: slices.Clone(providers)}
}

func (c *chain) Token(ctx context.Context) (Token, error) {
	tokens, err := c.deliver(ctx, func(p Provider) ([]Token, error) {
		token, err := deliver(ctx, p)
		if err != nil {
			return nil, err
		}
		return []Token{token}, nil
	})
	if len(tokens) == 0 {
		return Token{}, err
	}
	return tokens[0], nil
}

func (c *chain) Tokens(ctx context.Context) ([]Token, error) {
	return c.deliver(ctx, func(p Provider) ([]Token, error) { return tokensOf(ctx, p) })
}

// deliver reads the kept source, or the sources in order until one delivers. An error that comes
// with tokens is the source's own: the chain did not fail.
func (c *chain) deliver(
	ctx context.Context, read func(Provider) ([]Token, error),
) ([]Token, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	if kept := c.kept.Load(); kept != nil {
		tokens, err := read(*kept)
		if len(tokens) > 0 {
			return tokens, err
		}
		return nil, c.failed(attempt{describe.Of(*kept), transient(err)})
	}
	var attempts []attempt
	for _, p := range c.providers {
		tokens, err := read(p)
		if len(tokens) > 0 {
			c.kept.CompareAndSwap(nil, &p)
			return tokens, err
		}
		attempts = append(attempts, attempt{describe.Of(p), err})
		if !errors.Is(err, ErrNotFound) {
			break
		}
	}
	return nil, c.failed(attempts...)
}

// Poll passes over sources that are not Pollers: before the first delivery it could know more of
// them only at the full cost of Token.
func (c *chain) Poll(ctx context.Context, have []Token) (changed bool, err error) {
	if err := c.ready(ctx); err != nil {
		return false, err
	}
	if kept := c.kept.Load(); kept != nil {
		changed, err := poll(ctx, *kept, have)
		if err != nil {
			return false, c.failed(attempt{describe.Of(*kept), transient(err)})
		}
		return changed, nil
	}
	var attempts []attempt
	for _, p := range c.providers {
		changed, err := poll(ctx, p, have)
		switch {
		case changed:
			return true, nil
		case err == nil:
			continue
		}
		attempts = append(attempts, attempt{describe.Of(p), err})
		if !errors.Is(err, ErrNotFound) {
			return false, c.failed(attempts...)
		}
	}
	if len(attempts) == len(c.providers) {
		return false, c.failed(attempts...)
	}
	return false, nil
}

func (c *chain) Describe() string {
	if kept := c.kept.Load(); kept != nil {
		return describe.Of(*kept)
	}
	return describeAll(c.providers)
}

func (c *chain) Warnings() []string {
	if kept := c.kept.Load(); kept != nil {
		return warnings(*kept)
	}
	return warningsOf(c.providers)
}

func (c *chain) ready(ctx context.Context) error {
	if len(c.providers) == 0 {
		return &sourceError{problem: "chain has no providers", kind: ErrInvalid}
	}
	if i := slices.Index(c.providers, nil); i >= 0 {
		return &sourceError{
			problem: fmt.Sprintf("provider %d of %d in the chain is nil", i+1, len(c.providers)),
			kind:    ErrInvalid,
		}
	}
	return contextError(ctx, c.Describe())
}

func (c *chain) failed(attempts ...attempt) error {
	failure := &chainError{attempts: attempts, advice: c.advice}
	for _, a := range attempts {
		if inner, ok := a.err.(*chainError); ok && failure.advice == "" {
			failure.advice = inner.advice
		}
	}
	return failure
}
