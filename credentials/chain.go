package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Chain returns a [Provider] that asks providers in their order and delivers the first token.
// It goes on to the next one only at [ErrNotFound]; any other failure stops it, because a token
// of another source would hide it. The error is a [*ChainError].
//
// The source that has delivered first is kept: from then on no other is asked, and when its token
// is missing for a moment the error is of neither kind, so that the service keeps the token
// it has. No providers, or a nil one among them, give an error that wraps [ErrInvalid].
//
// A Chain is also a [Describer], which names the source that it keeps, and before that all of
// them; and a [Poller], which asks those of its sources that are.
func Chain(providers ...Provider) Provider { return newChain(providers) }

// ChainError is the error of a [Chain] and of [Default]. It wraps [ErrNotFound] if no source
// has a token; else it wraps the error of the source that stopped the chain, and only that.
type ChainError struct {
	// Attempts are the sources that were asked, in order.
	Attempts []Attempt

	advice string // what to do when there is no token anywhere
}

// Attempt is one source that a [Chain] asked in vain.
type Attempt struct {
	Source string // by the rules of [Describe]
	Err    error  // why there is no token from it; never nil
}

// Error lists every attempt, in one line. What stopped the chain comes first.
func (e *ChainError) Error() string {
	stop := slices.IndexFunc(e.Attempts, func(a Attempt) bool { return !errors.Is(a.Err, ErrNotFound) })
	if stop >= 0 {
		text := prefix + e.Attempts[stop].text()
		if stop > 0 {
			text += " (asked before: " + list(e.Attempts[:stop]) + ")"
		}
		return text
	}
	text := ErrNotFound.Error()
	if len(e.Attempts) > 0 {
		text += ": " + list(e.Attempts)
	}
	if e.advice != "" {
		text += "; " + e.advice
	}
	return text
}

// Unwrap returns the errors that decide what the chain's error is.
func (e *ChainError) Unwrap() []error { return decisive(attemptErrors(e.Attempts)) }

func list(attempts []Attempt) string {
	texts := make([]string, len(attempts))
	for i, a := range attempts {
		texts[i] = a.text()
	}
	return strings.Join(texts, "; ")
}

func (a Attempt) text() string {
	text := plain(a.Err)
	switch e := a.Err.(type) {
	case *sourceError:
		if e.source != "" {
			return text
		}
	case *ChainError: // names its own sources
		if errors.Is(e, ErrNotFound) {
			return list(e.Attempts)
		}
		return text
	}
	if strings.HasPrefix(text, a.Source+":") {
		return text
	}
	return a.Source + ": " + text
}

func attemptErrors(attempts []Attempt) []error {
	errs := make([]error, len(attempts))
	for i, a := range attempts {
		errs[i] = a.Err
	}
	return errs
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
)

func newChain(providers []Provider) *chain {
	return &chain{providers: slices.Clone(providers)}
}

func (c *chain) Token(ctx context.Context) (Token, error) {
	if err := c.ready(ctx); err != nil {
		return Token{}, err
	}
	if kept := c.kept.Load(); kept != nil {
		token, err := deliver(ctx, *kept)
		if err != nil {
			return Token{}, c.failed(Attempt{Describe(*kept), formerly(err)})
		}
		return token, nil
	}
	var attempts []Attempt
	for _, p := range c.providers {
		token, err := deliver(ctx, p)
		if err == nil {
			c.kept.CompareAndSwap(nil, &p)
			return token, nil
		}
		attempts = append(attempts, Attempt{Describe(p), err})
		if !errors.Is(err, ErrNotFound) {
			break
		}
	}
	return Token{}, c.failed(attempts...)
}

// Poll skips the sources that are no Pollers: before the first delivery it cannot know more of
// them without the whole cost of Token, and after it they do not change between two checks.
func (c *chain) Poll(ctx context.Context) (changed bool, err error) {
	if err := c.ready(ctx); err != nil {
		return false, err
	}
	if kept := c.kept.Load(); kept != nil {
		changed, err := poll(ctx, *kept)
		if err != nil {
			return false, c.failed(Attempt{Describe(*kept), formerly(err)})
		}
		return changed, nil
	}
	var attempts []Attempt
	for _, p := range c.providers {
		changed, err := poll(ctx, p)
		switch {
		case changed:
			return true, nil
		case err == nil:
			continue
		}
		attempts = append(attempts, Attempt{Describe(p), err})
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
		return Describe(*kept)
	}
	return describeAll(c.providers)
}

func (c *chain) ready(ctx context.Context) error {
	if len(c.providers) == 0 {
		return &sourceError{problem: "chain has no providers", kind: ErrInvalid}
	}
	if i := slices.Index(c.providers, nil); i >= 0 {
		return &sourceError{problem: fmt.Sprintf("provider %d of %d in the chain is nil", i+1, len(c.providers)), kind: ErrInvalid}
	}
	return contextError(ctx, c.Describe())
}

func (c *chain) failed(attempts ...Attempt) error {
	failure := &ChainError{Attempts: attempts, advice: c.advice}
	for _, a := range attempts {
		if inner, ok := a.Err.(*ChainError); ok && failure.advice == "" {
			failure.advice = inner.advice
		}
	}
	return failure
}

// poll asks p if it can be asked.
func poll(ctx context.Context, p Provider) (changed bool, err error) {
	if poller, ok := p.(Poller); ok {
		return poller.Poll(ctx)
	}
	return false, nil
}
