package credentials_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// several is a provider of several tokens.
type several struct {
	fake
	tokens []credentials.Token
}

func (s *several) Tokens(context.Context) ([]credentials.Token, error) { return s.tokens, s.err }

func TestFailover(t *testing.T) {
	a, b, c := parse(t, oldToken), parse(t, newToken), parse(t, apiKey)
	notFound := credentials.ErrNotFound

	t.Run("offers the primary's token and then the secondary's", func(t *testing.T) {
		p := credentials.Failover(&fake{token: a}, &fake{token: b})
		wantTokens(t, p, "", a, b)
		wantValue(t, p, oldToken)
	})

	t.Run("offers one token that both have once", func(t *testing.T) {
		wantTokens(t, credentials.Failover(&fake{token: a}, &fake{token: a}), "", a)
		wantTokens(t, credentials.Failover(&fake{token: a}, &fake{token: a.WithScheme(credentials.SchemeOAuth)}), "", a, a.WithScheme(credentials.SchemeOAuth))
	})

	t.Run("offers what can be read, and says why the rest cannot", func(t *testing.T) {
		primary, secondary := &fake{name: "a", err: notFound}, &fake{name: "b", token: b}
		p := credentials.Failover(primary, secondary)
		err := wantTokens(t, p, "credentials: primary: no token found", b)
		wantKind(t, err, notFound)
		wantValue(t, p, newToken)

		primary.err, primary.token = nil, a
		wantTokens(t, p, "", a, b)

		secondary.err = errSealed
		err = wantTokens(t, p, "credentials: secondary: vault is sealed (its last token is still offered)", a, b)
		require.ErrorIs(t, err, errSealed)
		wantValue(t, p, oldToken)
	})

	t.Run("offers what was last read of one that is gone for the moment", func(t *testing.T) {
		primary, secondary := newSecretFile(t, oldToken), newSecretFile(t, newToken)
		p := credentials.Failover(credentials.File(primary.path), credentials.File(secondary.path))
		wantTokens(t, p, "", a, b)
		primary.remove()
		err := wantTokens(t, p, "credentials: primary: file:"+primary.path+": no such file (its last token is still offered)", a, b)
		wantKind(t, err, nil)
		wantValue(t, p, newToken) // Token has nothing that cannot be read now
		secondary.remove()
		err = wantTokens(t, p, "credentials: primary: file:"+primary.path+": no such file (its last token is still offered); secondary: file:"+secondary.path+": no such file (its last token is still offered)", a, b)
		wantKind(t, err, nil)
		_, err = p.Token(t.Context())
		require.EqualError(t, err, "credentials: primary: file:"+primary.path+": no such file; secondary: file:"+secondary.path+": no such file")
		wantKind(t, err, nil)
		primary.write(apiKey)
		wantTokens(t, p, "credentials: secondary: file:"+secondary.path+": no such file (its last token is still offered)", c, b)
	})

	t.Run("a variable that was unset later is not now, not missing", func(t *testing.T) {
		primary := &fake{name: "a", token: a}
		p := credentials.Failover(primary, &fake{name: "b", err: notFound})
		wantKind(t, wantTokens(t, p, "credentials: secondary: no token found", a), notFound)
		primary.token, primary.err = credentials.Token{}, notFound
		err := wantTokens(t, p, "credentials: primary: no token found; there was a token before (its last token is still offered); secondary: no token found", a)
		wantKind(t, err, nil)
	})

	t.Run("without any token its error is what both together mean", func(t *testing.T) {
		invalid := credentials.ErrInvalid
		for _, tt := range []struct {
			name                     string
			primary, secondary, kind error
		}{
			{"neither has one", notFound, notFound, notFound},
			{"one is invalid, one has none", invalid, notFound, invalid},
			{"one has none, one is invalid", notFound, invalid, invalid},
			{"one does not answer now, one has none", errSealed, notFound, nil},
			{"one is invalid, one does not answer now", invalid, errSealed, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				p := credentials.Failover(&fake{err: tt.primary}, &fake{err: tt.secondary})
				_, err := p.Token(t.Context())
				require.Error(t, err)
				wantKind(t, err, tt.kind)
				tokens, err := p.(credentials.MultiProvider).Tokens(t.Context())
				assert.Empty(t, tokens)
				wantKind(t, err, tt.kind)
			})
		}
	})

	t.Run("a nil provider is invalid", func(t *testing.T) {
		for _, tt := range []struct {
			p       credentials.Provider
			message string
		}{
			{credentials.Failover(nil, &fake{token: a}), "credentials: primary of the failover is nil"},
			{credentials.Failover(&fake{token: a}, nil), "credentials: secondary of the failover is nil"},
		} {
			_, err := tt.p.Token(t.Context())
			require.EqualError(t, err, tt.message)
			wantKind(t, err, credentials.ErrInvalid)
			wantTokens(t, tt.p, tt.message)
			_, err = poll(t, tt.p)
			require.EqualError(t, err, tt.message)
		}
	})

	t.Run("of a failover offers all the tokens", func(t *testing.T) {
		last := &fake{name: "c", token: c}
		p := credentials.Failover(&fake{token: a}, credentials.Failover(&fake{token: b}, last))
		wantTokens(t, p, "", a, b, c)
		last.err = errSealed
		wantTokens(t, p, "credentials: secondary's secondary: vault is sealed (its last token is still offered)", a, b, c)
	})

	t.Run("offers all the tokens of a provider that has several", func(t *testing.T) {
		many := &several{tokens: []credentials.Token{a, {}, b}}
		p := credentials.Failover(many, &fake{token: c})
		wantTokens(t, p, "", a, b, c)
		many.err = errSealed
		wantTokens(t, p, "credentials: primary: vault is sealed", a, b, c)
		many.tokens, many.err = nil, nil
		wantTokens(t, p, "credentials: primary: provider returned neither tokens nor an error (its last token is still offered)", a, b, c)
	})

	t.Run("a provider that gives neither a token nor an error is invalid", func(t *testing.T) {
		err := wantTokens(t, credentials.Failover(&fake{name: "a"}, &fake{token: b}), "credentials: primary: a: provider returned neither a token nor an error", b)
		wantKind(t, err, credentials.ErrInvalid)
	})

	t.Run("one that hangs does not hold the other back beyond the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hung := credentials.ProviderFunc(func(ctx context.Context) (credentials.Token, error) {
				<-ctx.Done()
				return credentials.Token{}, ctx.Err()
			})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			began := time.Now()
			tokens, err := credentials.Failover(hung, credentials.Static(newToken)).(credentials.MultiProvider).Tokens(ctx)
			require.EqualError(t, err, "credentials: primary: context deadline exceeded")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Len(t, tokens, 1)
			assert.True(t, tokens[0].Equal(b))
			assert.Equal(t, 5*time.Second, time.Since(began))
		})
	})

	t.Run("asks nobody for a caller who has left", func(t *testing.T) {
		primary := &fake{name: "a", token: a}
		p := credentials.Failover(primary, &fake{name: "b", token: b})
		wantTokens(t, p, "", a, b)
		tokens, err := p.(credentials.MultiProvider).Tokens(cancelled(t))
		require.EqualError(t, err, "credentials: a, b: context canceled")
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, tokens)
		assert.Equal(t, 1, primary.calls)
	})
}

func TestFailoverPoll(t *testing.T) {
	for _, tt := range []struct {
		name               string
		primary, secondary credentials.Provider
		changed            bool
		message            string
	}{
		{"neither changed", &fake{}, &fake{}, false, ""},
		{"the primary changed", &fake{changed: true}, &fake{}, true, ""},
		{"the secondary changed", &fake{}, &fake{changed: true}, true, ""},
		{"one changed and one cannot be read: reading will tell", &fake{pollErr: errSealed}, &fake{changed: true}, true, ""},
		{"one cannot be read", &fake{}, &fake{pollErr: errSealed}, false, "credentials: secondary: vault is sealed"},
		{"neither can be polled", credentials.Static(oldToken), missing, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed, err := poll(t, credentials.Failover(tt.primary, tt.secondary))
			assert.Equal(t, tt.changed, changed)
			if tt.message == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.message)
			require.ErrorIs(t, err, errSealed)
		})
	}

	t.Run("follows two files", func(t *testing.T) {
		primary, secondary := newSecretFile(t, oldToken), newSecretFile(t, newToken)
		p := credentials.Failover(credentials.File(primary.path), credentials.Chain(missing, credentials.File(secondary.path)))
		wantPoll(t, p, true)
		wantTokens(t, p, "", parse(t, oldToken), parse(t, newToken))
		wantPoll(t, p, false)
		secondary.replace(apiKey)
		wantPoll(t, p, true)
		wantTokens(t, p, "", parse(t, oldToken), parse(t, apiKey))
		wantPoll(t, p, false)
	})
}

// wantTokens checks the tokens, in order, and the error's text, which is empty for none.
func wantTokens(t *testing.T, p credentials.Provider, message string, want ...credentials.Token) error {
	t.Helper()
	tokens, err := p.(credentials.MultiProvider).Tokens(t.Context())
	if message == "" {
		require.NoError(t, err)
	} else {
		require.EqualError(t, err, message)
	}
	require.Len(t, tokens, len(want))
	for i, token := range tokens {
		assert.True(t, token.Equal(want[i]), "token %d is %v, want %v", i, token, want[i])
	}
	return err
}
