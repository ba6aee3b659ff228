package credentials

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Failover returns a [Provider] for teams that keep two live tokens, so that the service has
// another one when the platform refuses the first: a [MultiProvider] whose Tokens are the
// primary's and then the secondary's, once if they are the same. A provider that is itself a
// MultiProvider gives all of its tokens.
//
// Both are read at the same time, so that one which hangs does not hold back the other beyond
// ctx. When one of them cannot be read, the tokens that were last read of it are still offered,
// and the error of Tokens says so. Token gives the first of Tokens, and an error only if there is
// none. That error wraps [ErrNotFound] if neither has a token, and [ErrInvalid] if one is invalid
// and the other may not answer later either. A nil provider gives [ErrInvalid].
//
// It is also a [Describer], and a [Poller] that reports a change of either.
func Failover(primary, secondary Provider) Provider {
	return &failover{members: []*member{{role: "primary", provider: primary}, {role: "secondary", provider: secondary}}}
}

type failover struct {
	members []*member
}

type member struct {
	role     string
	provider Provider

	mu   sync.Mutex // never held during I/O
	last []Token    // what was last read
}

// failoverError says of which members it could not read, and what that means.
type failoverError struct {
	problems []string
	causes   []error
}

var (
	_ Provider      = (*failover)(nil)
	_ Describer     = (*failover)(nil)
	_ Poller        = (*failover)(nil)
	_ MultiProvider = (*failover)(nil)
)

func (f *failover) Token(ctx context.Context) (Token, error) {
	tokens, err := f.Tokens(ctx)
	if len(tokens) > 0 {
		return tokens[0], nil
	}
	return Token{}, err
}

func (f *failover) Tokens(ctx context.Context) ([]Token, error) {
	if err := f.ready(ctx); err != nil {
		return nil, err
	}
	tokens := make([][]Token, len(f.members))
	errs := make([]error, len(f.members))
	var reads sync.WaitGroup
	for i, m := range f.members {
		reads.Go(func() { tokens[i], errs[i] = m.read(ctx) })
	}
	reads.Wait()

	var all []Token
	failure := new(failoverError)
	for i, m := range f.members {
		for _, t := range tokens[i] {
			if !slices.ContainsFunc(all, t.Equal) {
				all = append(all, t)
			}
		}
		failure.add(m.role, errs[i])
	}
	return all, failure.orNil()
}

func (f *failover) Poll(ctx context.Context) (changed bool, err error) {
	if err := f.ready(ctx); err != nil {
		return false, err
	}
	failure := new(failoverError)
	for _, m := range f.members {
		c, err := poll(ctx, m.provider)
		changed = changed || c
		failure.add(m.role, m.known(err))
	}
	if changed {
		return true, nil // reading it will tell what is wrong with the other
	}
	return false, failure.orNil()
}

func (f *failover) Describe() string {
	return Describe(f.members[0].provider) + ", " + Describe(f.members[1].provider)
}

func (f *failover) ready(ctx context.Context) error {
	for _, m := range f.members {
		if m.provider == nil {
			return &sourceError{problem: m.role + " of the failover is nil", kind: ErrInvalid}
		}
	}
	return contextError(ctx, f.Describe())
}

// read returns the tokens of now or, with the reason, those of the last read.
func (m *member) read(ctx context.Context) ([]Token, error) {
	tokens, err := tokensOf(ctx, m.provider)
	err = m.known(err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(tokens) > 0 {
		m.last = tokens
		return tokens, err
	}
	if len(m.last) > 0 {
		return m.last, &sourceError{problem: plain(err) + " (its last token is still offered)", cause: err}
	}
	return nil, err
}

// known is err in the light of what was read before.
func (m *member) known(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && len(m.last) > 0 {
		return formerly(err)
	}
	return err
}

func (e *failoverError) add(role string, err error) {
	if err != nil {
		e.problems = append(e.problems, role+": "+plain(err))
		e.causes = append(e.causes, err)
	}
}

func (e *failoverError) orNil() error {
	if len(e.causes) == 0 {
		return nil
	}
	return e
}

func (e *failoverError) Error() string { return prefix + strings.Join(e.problems, "; ") }

func (e *failoverError) Unwrap() []error { return decisive(e.causes) }

// tokensOf reads all the tokens of p. With none there is an error.
func tokensOf(ctx context.Context, p Provider) ([]Token, error) {
	multi, ok := p.(MultiProvider)
	if !ok {
		token, err := deliver(ctx, p)
		if err != nil {
			return nil, err
		}
		return []Token{token}, nil
	}
	tokens, err := multi.Tokens(ctx)
	tokens = slices.DeleteFunc(slices.Clone(tokens), Token.IsZero)
	if len(tokens) == 0 && err == nil {
		err = &sourceError{source: Describe(p), problem: "provider returned neither tokens nor an error", kind: ErrInvalid}
	}
	return tokens, err
}
