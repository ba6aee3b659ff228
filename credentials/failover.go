package credentials

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/tolokacheck/tolokacheck/internal/describe"
)

// Failover returns a [Provider] for services that keep two live tokens, so that another one is
// there when the platform refuses the first. It is a [MultiProvider] whose Tokens are the
// primary's and then the secondary's, without duplicates. All tokens of a provider that is itself
// a MultiProvider, such as another Failover, are included.
//
// Both are read at the same time, so that one which hangs does not delay the other beyond
// ctx. If one of them cannot be read, Tokens returns what was last read of it together with
// an error that says so. Token returns the first token that can be read now, and an error only if
// there is none. An error wraps [ErrNotFound] if no failed provider has a token, and [ErrInvalid]
// if one of them is invalid and none failed temporarily. A nil provider is [ErrInvalid].
//
// The Provider is also a [Describer], a [Poller] and a [Warner], for both.
func Failover(primary, secondary Provider) Provider {
	return &failover{
		members: slices.Concat(membersOf("primary", primary), membersOf("secondary", secondary)),
	}
}

type failover struct {
	members []*member
}

type member struct {
	role     string
	provider Provider

	mu   sync.Mutex // not held during I/O
	last []Token    // as last read
}

type memberRead struct {
	fresh []Token // read now
	stale []Token // if nothing could be read now, what was last read
	err   error
}

// failoverError lists the members that could not be read.
type failoverError struct {
	problems []string
	causes   []error
}

var (
	_ Provider      = (*failover)(nil)
	_ Describer     = (*failover)(nil)
	_ Poller        = (*failover)(nil)
	_ Warner        = (*failover)(nil)
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
	offered := make([][]Token, len(f.members))
	failure := new(failoverError)
	for i, m := range f.members {
		note := ""
		if len(reads[i].stale) > 0 {
			note = " (its last token is still offered)"
		}
		failure.add(m.role, reads[i].err, note)
		offered[i] = slices.Concat(reads[i].fresh, reads[i].stale)
	}
	return distinct(offered), failure.orNil()
}

// Poll first compares have with what any caller has read last: another caller may have read a
// change that this one has not seen.
func (f *failover) Poll(ctx context.Context, have []Token) (changed bool, err error) {
	if err := f.ready(ctx); err != nil {
		return false, err
	}
	lasts := make([][]Token, len(f.members))
	for i, m := range f.members {
		lasts[i] = m.lastRead()
	}
	if !sameTokens(have, distinct(lasts)) {
		return true, nil
	}
	failure := new(failoverError)
	for i, m := range f.members {
		c, err := poll(ctx, m.provider, lasts[i])
		changed = changed || c
		failure.add(m.role, m.known(err), "")
	}
	if changed {
		return true, nil // the read after it says what is wrong with the other
	}
	return false, failure.orNil()
}

func (f *failover) Describe() string { return describeAll(f.providers()) }

func (f *failover) Warnings() []string { return warningsOf(f.providers()) }

func (f *failover) providers() []Provider {
	providers := make([]Provider, len(f.members))
	for i, m := range f.members {
		providers[i] = m.provider
	}
	return providers
}

func (f *failover) ready(ctx context.Context) error {
	for _, m := range f.members {
		if m.provider == nil {
			return &sourceError{problem: m.role + " of the failover is nil", kind: ErrInvalid}
		}
	}
	return contextError(ctx, f.Describe())
}

// membersOf returns p or, for a failover, its members: they know which tokens were read now, and
// p does not tell.
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

func (m *member) lastRead() []Token {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// known makes ErrNotFound transient if a token was read before.
func (m *member) known(err error) error {
	if err != nil && len(m.lastRead()) > 0 {
		return transient(err)
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

// tokensOf reads all the tokens of p. Without any it returns an error.
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
		err = &sourceError{
			source: describe.Of(p), problem: "provider returned neither tokens nor an error",
			kind: ErrInvalid,
		}
	}
	return tokens, err
}

// distinct returns the tokens of all lists in order, each once.
func distinct(lists [][]Token) []Token {
	var tokens []Token
	for _, list := range lists {
		for _, t := range list {
			if !slices.ContainsFunc(tokens, t.Equal) {
				tokens = append(tokens, t)
			}
		}
	}
	return tokens
}
