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
// MultiProvider, such as another Failover, gives all of its tokens.
//
// Both are read at the same time, so that one which hangs does not hold back the other beyond
// ctx. When one of them cannot be read, Tokens still offers what was last read of it, together with
// an error that says so. Token gives the first token that can be read now, and an error only if
// none can. An error wraps [ErrNotFound] if no failed provider has a token, [ErrInvalid] if one of
// them is invalid and none may answer later. A nil provider gives [ErrInvalid].
//
// It is also a [Describer], and a [Poller] that reports a change of either.
func Failover(primary, secondary Provider) Provider {
	return &failover{members: slices.Concat(membersOf("primary", primary), membersOf("secondary", secondary))}
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

type memberRead struct {
	fresh []Token // read now
	stale []Token // else what was last read
	err   error
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
	reads, err := f.read(ctx)
	if err != nil {
		return Token{}, err
	}
	failure := new(failoverError)
	for i, m := range f.members {
		if len(reads[i].fresh) > 0 {
			return reads[i].fresh[0], nil
		}
		failure.add(m.role, reads[i].err, "")
	}
	return Token{}, failure
}

func (f *failover) Tokens(ctx context.Context) ([]Token, error) {
	reads, err := f.read(ctx)
	if err != nil {
		return nil, err
	}
	var tokens []Token
	failure := new(failoverError)
	for i, m := range f.members {
		note := ""
		if len(reads[i].stale) > 0 {
			note = " (its last token is still offered)"
		}
		failure.add(m.role, reads[i].err, note)
		for _, t := range slices.Concat(reads[i].fresh, reads[i].stale) {
			if !slices.ContainsFunc(tokens, t.Equal) {
				tokens = append(tokens, t)
			}
		}
	}
	return tokens, failure.orNil()
}

func (f *failover) Poll(ctx context.Context) (changed bool, err error) {
	if err := f.ready(ctx); err != nil {
		return false, err
	}
	failure := new(failoverError)
	for _, m := range f.members {
		c, err := poll(ctx, m.provider)
		changed = changed || c
		failure.add(m.role, m.known(err), "")
	}
	if changed {
		return true, nil // reading it will tell what is wrong with the other
	}
	return false, failure.orNil()
}

func (f *failover) Describe() string {
	providers := make([]Provider, len(f.members))
	for i, m := range f.members {
		providers[i] = m.provider
	}
	return describeAll(providers)
}

func (f *failover) ready(ctx context.Context) error {
	for _, m := range f.members {
		if m.provider == nil {
			return &sourceError{problem: m.role + " of the failover is nil", kind: ErrInvalid}
		}
	}
	return contextError(ctx, f.Describe())
}

// membersOf is p or, for a failover, what p is made of: its members know better than p can tell
// which tokens were read now.
func membersOf(role string, p Provider) []*member {
	inner, ok := p.(*failover)
	if !ok {
		return []*member{{role: role, provider: p}}
	}
	var members []*member
	for _, m := range inner.members {
		members = append(members, &member{role: role + "'s " + m.role, provider: m.provider})
	}
	return members
}

// read asks every member.
func (f *failover) read(ctx context.Context) ([]memberRead, error) {
	if err := f.ready(ctx); err != nil {
		return nil, err
	}
	reads := make([]memberRead, len(f.members))
	var members sync.WaitGroup
	for i, m := range f.members {
		members.Go(func() { reads[i] = m.read(ctx) })
	}
	members.Wait()
	return reads, nil
}

func (m *member) read(ctx context.Context) memberRead {
	tokens, err := tokensOf(ctx, m.provider)
	err = m.known(err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(tokens) > 0 {
		m.last = tokens
		return memberRead{fresh: tokens, err: err}
	}
	return memberRead{stale: m.last, err: err}
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

func (e *failoverError) add(role string, err error, note string) {
	if err != nil {
		e.problems = append(e.problems, role+": "+plain(err)+note)
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
