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

// several is a provider with several tokens.
type several struct {
	fake
	tokens []credentials.Token
}

func (s *several) Tokens(context.Context) ([]credentials.Token, error) { return s.tokens, s.err }

func TestFailover(t *testing.T) {
	a, b, c := parse(t, oldToken), parse(t, newToken), parse(t, apiKey)
	notFound := credentials.ErrNotFound

	t.Run("order of the tokens", func(t *testing.T) {
		p := credentials.Failover(&fake{token: a}, &fake{token: b})
		wantTokens(t, p, "", a, b)
		wantValue(t, p, oldToken)
	})

	t.Run("same token twice", func(t *testing.T) {
		wantTokens(t, credentials.Failover(&fake{token: a}, &fake{token: a}), "", a)
		wantTokens(t,
			credentials.Failover(&fake{token: a},
				&fake{token: a.WithScheme(credentials.SchemeOAuth)}), "", a, a.WithScheme(credentials.SchemeOAuth))
	})

	t.Run("one cannot be read", func(t *testing.T) {
		primary, secondary := &fake{name: "a", err: notFound}, &fake{name: "b", token: b}
		p := credentials.Failover(primary, secondary)
		err := wantTokens(t, p, "credentials: primary: no token found", b)
		wantKind(t, err, notFound)
		wantValue(t, p, newToken)

		primary.err, primary.token = nil, a
		wantTokens(t, p, "", a, b)

		secondary.err = errSealed
		err = wantTokens(t, p,
			"credentials: secondary: vault is sealed (its last token is still offered)", a, b)
		require.ErrorIs(t, err, errSealed)
		wantValue(t, p, oldToken)
	})

	t.Run("one is missing for a moment", func(t *testing.T) {
		primary, secondary := newSecretFile(t, oldToken), newSecretFile(t, newToken)
		p := credentials.Failover(credentials.File(primary.path), credentials.File(secondary.path))
		wantTokens(t, p, "", a, b)
		primary.remove()
		err := wantTokens(t, p,
			"credentials: primary: file:"+primary.path+": no such file (its last token is still offered)", a, b)
		wantKind(t, err, nil)
		wantValue(t, p, newToken) // Token returns only what can be read now
		secondary.remove()
		err = wantTokens(t, p,
			"credentials: primary: file:"+primary.path+": no such file (its last token is still "+
				"offered); secondary: file:"+secondary.path+": no such file (its last token is still offered)", a, b)
		wantKind(t, err, nil)
		_, err = p.Token(t.Context())
		require.EqualError(t, err,
			"credentials: primary: file:"+primary.path+": no such file; "+
				"secondary: file:"+secondary.path+": no such file")
		wantKind(t, err, nil)
		primary.write(apiKey)
		wantTokens(t, p,
			"credentials: secondary: file:"+secondary.path+": no such file (its last token is still "+
				"offered)", c, b)
	})

	t.Run("variable that was unset later", func(t *testing.T) {
		primary := &fake{name: "a", token: a}
		p := credentials.Failover(primary, &fake{name: "b", err: notFound})
		wantKind(t, wantTokens(t, p, "credentials: secondary: no token found", a), notFound)
		primary.token, primary.err = credentials.Token{}, notFound
		err := wantTokens(t, p,
			"credentials: primary: no token found; there was a token before (its last token is still "+
				"offered); secondary: no token found", a)
		wantKind(t, err, nil)
	})

	t.Run("kind of the error without any token", func(t *testing.T) {
		invalid := credentials.ErrInvalid
		for _, tt := range []struct {
			name                     string
			primary, secondary, kind error
		}{
			{"neither has a token", notFound, notFound, notFound},
			{"primary invalid", invalid, notFound, invalid},
			{"secondary invalid", notFound, invalid, invalid},
			{"primary transient", errSealed, notFound, nil},
			{"primary invalid, secondary transient", invalid, errSealed, nil},
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
}

func TestFailoverProviders(t *testing.T) {
	a, b, c := parse(t, oldToken), parse(t, newToken), parse(t, apiKey)

	t.Run("nil provider", func(t *testing.T) {
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
			_, err = poll(t, tt.p, nil)
			require.EqualError(t, err, tt.message)
		}
	})

	t.Run("failover in a failover", func(t *testing.T) {
		last := &fake{name: "c", token: c}
		p := credentials.Failover(&fake{token: a}, credentials.Failover(&fake{token: b}, last))
		wantTokens(t, p, "", a, b, c)
		last.err = errSealed
		wantTokens(t, p,
			"credentials: secondary's secondary: vault is sealed (its last token is still offered)", a, b, c)
	})

	t.Run("provider with several tokens", func(t *testing.T) {
		many := &several{tokens: []credentials.Token{a, {}, b}}
		p := credentials.Failover(many, &fake{token: c})
		wantTokens(t, p, "", a, b, c)
		many.err = errSealed
		wantTokens(t, p, "credentials: primary: vault is sealed", a, b, c)
		many.tokens, many.err = nil, nil
		wantTokens(t, p,
			"credentials: primary: provider returned neither tokens nor an error (its last token is "+
				"still offered)", a, b, c)
	})

	t.Run("provider without a token or an error", func(t *testing.T) {
		err := wantTokens(t, credentials.Failover(&fake{name: "a"}, &fake{token: b}),
			"credentials: primary: a: provider returned neither a token nor an error", b)
		wantKind(t, err, credentials.ErrInvalid)
	})

	t.Run("one hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hung := credentials.ProviderFunc(func(ctx context.Context) (credentials.Token, error) {
				<-ctx.Done()
				return credentials.Token{}, ctx.Err()
			})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			began := time.Now()
			tokens, err := credentials.Failover(hung,
				credentials.Static(newToken)).(credentials.MultiProvider).Tokens(ctx)
			require.EqualError(t, err, "credentials: primary: context deadline exceeded")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Len(t, tokens, 1)
			assert.True(t, tokens[0].Equal(b))
			assert.Equal(t, 5*time.Second, time.Since(began))
		})
	})

	t.Run("ended context", func(t *testing.T) {
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
		{"one changed, one cannot be read", &fake{pollErr: errSealed}, &fake{changed: true}, true, ""},
		{"one cannot be read", &fake{}, &fake{pollErr: errSealed}, false,
			"credentials: secondary: vault is sealed"},
		{"neither can be polled", credentials.Static(oldToken), missing, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed, err := poll(t, credentials.Failover(tt.primary, tt.secondary), nil)
			assert.Equal(t, tt.changed, changed)
			if tt.message == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.message)
			require.ErrorIs(t, err, errSealed)
		})
	}

	t.Run("two files and two callers", func(t *testing.T) {
		a, b, c := parse(t, oldToken), parse(t, newToken), parse(t, apiKey)
		primary, secondary := newSecretFile(t, oldToken), newSecretFile(t, newToken)
		p := credentials.Failover(credentials.File(primary.path),
			credentials.Chain(missing, credentials.File(secondary.path)))
		wantPoll(t, p, true)
		wantTokens(t, p, "", a, b)
		wantPoll(t, p, false, a, b)

		secondary.replace(apiKey)
		wantPoll(t, p, true, a, b)
		wantTokens(t, p, "", a, c)
		wantPoll(t, p, false, a, c)
		wantPoll(t, p, true, a, b) // the other caller has not read it

		primary.replace(apiKey)
		secondary.replace(oldToken)
		wantPoll(t, p, true, a, c) // the same tokens in another order
		wantTokens(t, p, "", c, a)
		wantPoll(t, p, true, a, c)
		wantPoll(t, p, false, c, a)
	})

	t.Run("one of two files is missing", func(t *testing.T) {
		a, b := parse(t, oldToken), parse(t, newToken)
		primary, secondary := newSecretFile(t, oldToken), newSecretFile(t, newToken)
		p := credentials.Failover(credentials.File(primary.path), credentials.File(secondary.path))
		wantTokens(t, p, "", a, b)
		primary.remove()
		changed, err := poll(t, p, []credentials.Token{a, b})
		require.EqualError(t, err, "credentials: primary: file:"+primary.path+": no such file")
		assert.False(t, changed)
		primary.write(oldToken)
		wantPoll(t, p, false, a, b)
	})
}

// wantTokens checks the tokens, in order, and the text of the error; "" means no error.
func wantTokens(t *testing.T, p credentials.Provider, message string,
	want ...credentials.Token) error {
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
