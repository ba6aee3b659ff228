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

// source reads the provider in a goroutine of its own, so that one that hangs (NFS, Vault) holds up nothing: whoever waits
// gives up in time, and while the provider is still busy it is not called again.
type source struct {
	provider credentials.Provider
	busy     chan struct{}            // holds one element while the provider is being called
	late     chan []credentials.Token // holds what a read has brought that nobody waited for any more
	name     atomic.Pointer[string]
	warnings atomic.Pointer[[]string] // what the provider warned of last
}

func newSource(p credentials.Provider) *source {
	s := &source{provider: p, busy: make(chan struct{}, 1), late: make(chan []credentials.Token, 1)}
	name := fmt.Sprintf("%T", p)
	s.name.Store(&name)
	s.describe()
	return s
}

// read returns the tokens that the provider has, most preferred first. It may return tokens and an error, see
// [credentials.MultiProvider]. When it has given up after patience and tokens do come, they are in late: the provider has
// delivered them, and a look at it will say that nothing has changed.
func (s *source) read(ctx context.Context, patience time.Duration) ([]credentials.Token, error) {
	type reading struct {
		tokens []credentials.Token
		err    error
	}
	r, err := call(ctx, s, patience, func(ctx context.Context) reading {
		select {
		case <-s.late: // older than what comes now
		default:
		}
		tokens, err := s.tokens(ctx)
		return reading{tokens, err}
	}, func(r reading) {
		if len(r.tokens) > 0 {
			s.late <- r.tokens // there is room: reads come one after the other, and each begins by making some
		}
	})
	if err != nil {
		return nil, err
	}
	return r.tokens, r.err
}

// poll asks a provider that can tell cheaply whether a read is worth while.
func (s *source) poll(
	ctx context.Context, patience time.Duration, p credentials.Poller, have []credentials.Token,
) (changed bool, err error) {
	type look struct {
		changed bool
		err     error
	}
	l, err := call(ctx, s, patience, func(ctx context.Context) look {
		changed, err := p.Poll(ctx, have)
		return look{changed, err}
	}, func(look) {})
	if err != nil {
		return false, err
	}
	return l.changed, l.err
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
	if tokens, bad := s.checked(tokens); bad != nil {
		return tokens, bad
	}
	return tokens, err
}

// checked catches what a careless provider could return without an error.
func (s *source) checked(tokens []credentials.Token) ([]credentials.Token, error) {
	if len(tokens) == 0 {
		return nil, fmt.Errorf("health: %s returned neither a token nor an error: %w", s, credentials.ErrNotFound)
	}
	for _, t := range tokens {
		if t.IsZero() {
			return nil, fmt.Errorf("health: %s returned an empty token without an error: %w", s, credentials.ErrInvalid)
		}
	}
	return tokens, nil
}

// String names the provider for logs and errors, as it named itself last.
func (s *source) String() string { return *s.name.Load() }

// describe asks the provider for its name. That is foreign code, which may hang, panic or call the checker: it runs where
// reads run, and never under a lock.
func (s *source) describe() {
	defer func() { _ = recover() }() // then it keeps the name that it had
	name := describe.Of(s.provider)
	s.name.Store(&name)
	if w, ok := s.provider.(credentials.Warner); ok {
		warnings := w.Warnings()
		s.warnings.Store(&warnings)
	}
}

var (
	// errNoAnswer: the provider took longer than it may.
	errNoAnswer = errors.New("no answer")
	// errBusy: it ignores its context, too, and has not come back from an earlier call.
	errBusy = errors.New("an earlier read has not returned yet")
)

// hangs reports whether an error of the source means that waiting for it is likely to be in vain the next time too.
func hangs(err error) bool { return errors.Is(err, errNoAnswer) || errors.Is(err, errBusy) }

// call runs f apart from the caller, one at a time, and waits for it as long as patience and ctx allow. What f returns after
// that goes to late, in f's goroutine.
func call[T any](ctx context.Context, s *source, patience time.Duration, f func(context.Context) T, late func(T)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("health: %s: %w", s, err)
	}
	select {
	case s.busy <- struct{}{}:
	default:
		return none, fmt.Errorf("health: %s: %w", s, errBusy)
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1) // buffered: a late outcome is not waited for
	var settled atomic.Bool       // by whoever comes first: f with an outcome in time, or the caller, who leaves
	go func() {
		o := outcome{err: fmt.Errorf("health: %s: the provider ended its goroutine", s)}
		defer func() {
			if p := recover(); p != nil {
				// By type only: the value may hold what must not be shown.
				o.err = fmt.Errorf("health: %s: the provider panicked with a %T", s, p)
			}
			// An error from a provider that ran out of time is that it ran out of time, in other words.
			inTime := bounded.Err() == nil && settled.CompareAndSwap(false, true)
			if !inTime && o.err == nil {
				late(o.value)
			}
			<-s.busy
			if inTime {
				done <- o
			}
		}()
		o = outcome{value: f(bounded)}
		s.describe()
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-bounded.Done():
		if !settled.CompareAndSwap(false, true) {
			o := <-done
			return o.value, o.err
		}
	}
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("health: %s: %w", s, err)
	}
	if patience > time.Second {
		patience = patience.Round(10 * time.Millisecond) // what was left, not what was set, has any number of digits
	}
	return none, fmt.Errorf("health: %s: %w within %s", s, errNoAnswer, patience)
}
