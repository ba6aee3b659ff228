package health

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/describe"
)

// source calls the provider, one call at a time. A provider is foreign code: it may hang, panic
// or end its goroutine, so the calls run in goroutines of their own.
type source struct {
	provider credentials.Provider
	timeout  time.Duration
	busy     chan struct{} // holds one element while the provider is being called
	naming   chan struct{} // likewise for its name
	name     atomic.Pointer[string]

	have []credentials.Token // what the last read delivered; used by the call that is going on
}

func newSource(p credentials.Provider, timeout time.Duration) *source {
	s := &source{
		provider: p,
		timeout:  timeout,
		busy:     make(chan struct{}, 1),
		naming:   make(chan struct{}, 1),
	}
	s.setName(fmt.Sprintf("%T", p)) // until the provider was called
	return s
}

func (s *source) setName(name string) { s.name.Store(&name) }

// String returns the name of the provider for logs and errors.
func (s *source) String() string { return *s.name.Load() }

// polls reports whether the provider can be polled.
func (s *source) polls() bool {
	_, ok := s.provider.(credentials.Poller)
	return ok
}

// reading is what a read delivered. It may have tokens and an error, see
// [credentials.MultiProvider].
type reading struct {
	tokens    []credentials.Token
	warnings  []string
	err       error
	holdsNone bool // err says that there is no token, or none that can be one
}

// polled is the result of a poll.
type polled struct {
	changed bool
	err     error
}

// read hands what the provider holds to deliver, when the provider returns.
func (s *source) read(ctx context.Context, deliver func(reading)) {
	var r reading
	s.call(ctx, func(ctx context.Context) {
		s.have = nil
		r.tokens, r.err = s.tokens(ctx)
		s.have = r.tokens
		r.holdsNone = holdsNone(r.err)
		if w, ok := s.provider.(credentials.Warner); ok {
			r.warnings = w.Warnings()
		}
	}, func(err error) {
		if err != nil {
			r = reading{err: err}
		}
		deliver(r)
	})
}

// poll reports to deliver whether a read would now give something else than the last one.
func (s *source) poll(ctx context.Context, deliver func(polled)) {
	var p polled
	s.call(ctx, func(ctx context.Context) {
		p.changed, p.err = s.provider.(credentials.Poller).Poll(ctx, s.have)
	}, func(err error) {
		if err != nil {
			p = polled{err: err}
		}
		deliver(p)
	})
}

func (s *source) tokens(ctx context.Context) ([]credentials.Token, error) {
	multi, ok := s.provider.(credentials.MultiProvider)
	if !ok {
		token, err := s.provider.Token(ctx)
		if err != nil {
			return nil, err
		}
		return s.checked([]credentials.Token{token})
	}
	tokens, err := multi.Tokens(ctx)
	if err != nil && len(tokens) == 0 {
		return nil, err
	}
	if checked, bad := s.checked(tokens); bad != nil {
		return checked, bad
	}
	return tokens, err
}

// checked rejects results that a careless provider could return without an error.
func (s *source) checked(tokens []credentials.Token) ([]credentials.Token, error) {
	if len(tokens) == 0 {
		return nil, fmt.Errorf("health: %s returned neither a token nor an error: %w",
			s, credentials.ErrNotFound)
	}
	for _, t := range tokens {
		if t.IsZero() {
			return nil, fmt.Errorf("health: %s returned an empty token without an error: %w",
				s, credentials.ErrInvalid)
		}
	}
	return tokens, nil
}

var (
	// errSilent: the provider took longer than it may.
	errSilent = errors.New("no answer")
	// errBusy: the provider has not returned from a call of an earlier Start.
	errBusy = errors.New("an earlier read has not returned yet")
)

// silence is the error of a source that did not answer in time.
func silence(source string, limit time.Duration) error {
	return fmt.Errorf("health: %s: %w within %s", source, errSilent, limit)
}

// call runs f, which calls the provider, and then end, also if f panics or ends the goroutine.
func (s *source) call(ctx context.Context, f func(context.Context), end func(error)) {
	if ctx.Err() != nil {
		return // Start or the checker has ended in the meantime
	}
	select {
	case s.busy <- struct{}{}:
	default:
		end(fmt.Errorf("health: %s: %w", s, errBusy))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := errors.New("the provider ended its goroutine")
	defer func() {
		if p := recover(); p != nil {
			// By type only: the value may hold a secret.
			err = fmt.Errorf("the provider panicked with a %T", p)
		}
		<-s.busy
		if err != nil {
			err = fmt.Errorf("health: %s: %w", s, err)
		}
		end(err)
	}()
	s.describe() // for the errors of this call
	f(ctx)
	s.describe() // a chain names the source that delivered
	err = nil
}

// describe asks the provider for its name, which may change. A provider that does not answer
// keeps the name that it had.
func (s *source) describe() {
	select {
	case s.naming <- struct{}{}:
	default:
		return // it has not returned from an earlier call
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			_ = recover()
			<-s.naming
		}()
		s.setName(describe.Of(s.provider))
	}()
	timer := time.NewTimer(s.timeout / 10)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// holdsNone reports whether a source's error says that it holds no token, or none that can be
// one. Any other error may be temporary.
func holdsNone(err error) bool {
	return errors.Is(err, credentials.ErrNotFound) || errors.Is(err, credentials.ErrInvalid)
}
