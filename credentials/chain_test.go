package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/describe"
)

// fake is a provider with fixed answers that counts its calls.
type fake struct {
	name    string
	token   credentials.Token
	err     error
	changed bool
	pollErr error
	calls   int
}

func (f *fake) Token(context.Context) (credentials.Token, error) {
	f.calls++
	return f.token, f.err
}

func (f *fake) Describe() string { return f.name }

func (f *fake) Poll(context.Context, []credentials.Token) (bool, error) {
	return f.changed, f.pollErr
}

var errSealed = errors.New("vault is sealed")

// none is a provider that has no token.
func none(name string) *fake {
	return &fake{name: name, err: fmt.Errorf("nothing there: %w", credentials.ErrNotFound)}
}

// found is a provider that has a token.
func found(t *testing.T, name, value string) *fake {
	return &fake{name: name, token: parse(t, value)}
}

func TestChain(t *testing.T) {
	t.Run("delivers the first token", func(t *testing.T) {
		a, b, c := none("a"), found(t, "b", oldToken), found(t, "c", newToken)
		p := credentials.Chain(a, b, c)
		wantValue(t, p, oldToken)
		assert.Equal(t, []int{1, 1, 0}, []int{a.calls, b.calls, c.calls})
		assert.Equal(t, "b", describe.Of(p))
	})

	t.Run("keeps the source that delivered", func(t *testing.T) {
		a, b, c := none("a"), found(t, "b", oldToken), found(t, "c", newToken)
		p := credentials.Chain(a, b, c)
		wantValue(t, p, oldToken)
		*a = *found(t, "a", newToken)
		wantValue(t, p, oldToken)
		assert.Equal(t, 0, a.calls)

		b.token, b.err = credentials.Token{}, credentials.ErrNotFound
		_, err := p.Token(t.Context())
		require.EqualError(t, err, "credentials: b: no token found; there was a token before")
		wantKind(t, err, nil)
		assert.Equal(t, 0, a.calls+c.calls)

		b.err = errSealed
		_, err = p.Token(t.Context())
		require.EqualError(t, err, "credentials: b: vault is sealed")
		require.ErrorIs(t, err, errSealed)
		assert.Equal(t, "b", describe.Of(p))

		*b = *found(t, "b", newToken)
		wantValue(t, p, newToken)
	})

	t.Run("copies the caller's slice", func(t *testing.T) {
		providers := []credentials.Provider{credentials.Static(oldToken)}
		p := credentials.Chain(providers...)
		providers[0] = nil
		wantValue(t, p, oldToken)
	})
}

func TestChainErrors(t *testing.T) {
	t.Run("no token anywhere", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		p := credentials.Chain(missing, credentials.File(path), none("keychain"))
		for range 2 {
			_, err := p.Token(t.Context())
			require.EqualError(t, err,
				"credentials: no token found: env:CREDENTIALS_TEST_UNSET: not set; file:"+path+": no such file; "+
					"keychain: nothing there: credentials: no token found")
			wantKind(t, err, credentials.ErrNotFound)
		}
		assert.Equal(t, "env:CREDENTIALS_TEST_UNSET, file:"+path+", keychain", describe.Of(p))
	})

	t.Run("stops at a broken source", func(t *testing.T) {
		for _, tt := range []struct {
			err, kind error
			text      string
		}{
			{errSealed, nil, "vault is sealed"},
			{fmt.Errorf("keychain: %w", credentials.ErrInvalid), credentials.ErrInvalid,
				"keychain: credentials: token source is invalid"},
			{context.DeadlineExceeded, nil, "context deadline exceeded"},
		} {
			after := found(t, "after", newToken)
			p := credentials.Chain(missing, none("b"), &fake{name: "c", err: tt.err}, after)
			_, err := p.Token(t.Context())
			require.EqualError(t, err,
				"credentials: c: "+tt.text+" (asked before: env:CREDENTIALS_TEST_UNSET: not set; b: nothing "+
					"there: credentials: no token found)")
			wantKind(t, err, tt.kind)
			require.ErrorIs(t, err, tt.err)
			assert.Equal(t, 0, after.calls)
		}
	})

	t.Run("broken first source", func(t *testing.T) {
		f := newSecretFile(t, "")
		_, err := credentials.Chain(credentials.File(f.path), missing).Token(t.Context())
		require.EqualError(t, err, "credentials: file:"+f.path+": file is empty")
		wantKind(t, err, credentials.ErrInvalid)
	})

	t.Run("chain in a chain", func(t *testing.T) {
		secrets := t.TempDir()
		_, err := credentials.Chain(none("a"),
			credentials.NewDefault(environment(), secrets)).Token(t.Context())
		require.EqualError(t, err,
			"credentials: no token found: a: nothing there: credentials: no token found; "+
				"env:TOLOKA_TOKEN: not set; env:TOLOKA_TOKEN_FILE: not set; "+
				"env:CREDENTIALS_DIRECTORY: not set; "+
				"file:"+filepath.Join(secrets, "toloka-token")+": no such file"+advice)
		wantKind(t, err, credentials.ErrNotFound)

		_, err = credentials.Chain(none("a"),
			credentials.Chain(missing, &fake{name: "b", err: errSealed})).Token(t.Context())
		require.EqualError(t, err,
			"credentials: b: vault is sealed (asked before: env:CREDENTIALS_TEST_UNSET: not set) (asked "+
				"before: a: nothing there: credentials: no token found)")
		wantKind(t, err, nil)

		inner := found(t, "b", oldToken)
		p := credentials.Chain(none("a"), credentials.Chain(missing, inner))
		wantValue(t, p, oldToken)
		inner.err = credentials.ErrNotFound
		_, err = p.Token(t.Context())
		require.EqualError(t, err, "credentials: b: no token found; there was a token before")
		wantKind(t, err, nil)
	})

	t.Run("error that starts with its source", func(t *testing.T) {
		_, err := credentials.Chain(&fake{name: "keychain",
			err: errors.New("keychain: is locked")}).Token(t.Context())
		require.EqualError(t, err, "credentials: keychain: is locked")
	})

	t.Run("provider without a token or an error", func(t *testing.T) {
		_, err := credentials.Chain(&fake{name: "a"}).Token(t.Context())
		require.EqualError(t, err, "credentials: a: provider returned neither a token nor an error")
		wantKind(t, err, credentials.ErrInvalid)
	})

	t.Run("no providers", func(t *testing.T) {
		p := credentials.Chain()
		_, err := p.Token(t.Context())
		require.EqualError(t, err, "credentials: chain has no providers")
		wantKind(t, err, credentials.ErrInvalid)
		_, err = poll(t, p, nil)
		wantKind(t, err, credentials.ErrInvalid)
		assert.Empty(t, describe.Of(p))
	})

	t.Run("nil provider", func(t *testing.T) {
		for want, p := range map[string]credentials.Provider{
			"provider 1 of 1 in the chain is nil": credentials.Chain(nil),
			"provider 1 of 2 in the chain is nil": credentials.Chain(nil, credentials.Static(oldToken)),
			"provider 2 of 3 in the chain is nil": credentials.Chain(credentials.Static(oldToken), nil,
				missing),
		} {
			_, err := p.Token(t.Context())
			require.EqualError(t, err, "credentials: "+want)
			wantKind(t, err, credentials.ErrInvalid)
		}
	})

	t.Run("ended context", func(t *testing.T) {
		a := found(t, "a", oldToken)
		_, err := credentials.Chain(a).Token(cancelled(t))
		require.EqualError(t, err, "credentials: a: context canceled")
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 0, a.calls)
	})
}

func TestChainOfSeveralTokens(t *testing.T) {
	a, b := parse(t, oldToken), parse(t, newToken)
	primary, secondary := newSecretFile(t, oldToken), newSecretFile(t, newToken)
	p := credentials.Chain(missing,
		credentials.Failover(credentials.File(primary.path), credentials.File(secondary.path)))
	wantTokens(t, p, "", a, b)
	wantValue(t, p, oldToken)
	wantPoll(t, p, false, a, b)

	secondary.remove()
	gone := "credentials: secondary: file:" + secondary.path + ": no such file"
	err := wantTokens(t, p, gone+" (its last token is still offered)", a, b)
	wantKind(t, err, nil)
	wantValue(t, p, oldToken)
	_, err = poll(t, p, []credentials.Token{a, b})
	require.ErrorContains(t, err, strings.TrimPrefix(gone, "credentials: "))

	secondary.write(apiKey)
	wantPoll(t, p, true, a, b)
	wantTokens(t, p, "", a, parse(t, apiKey))

	t.Run("first read is not complete", func(t *testing.T) {
		secondary.remove()
		p := credentials.Chain(missing,
			credentials.Failover(credentials.File(primary.path), credentials.File(secondary.path)))
		err := wantTokens(t, p, gone, a)
		wantKind(t, err, credentials.ErrNotFound)
		secondary.write(newToken)
		wantTokens(t, p, "", a, b)
	})
}

func TestChainPoll(t *testing.T) {
	notFound := &fake{name: "a", err: credentials.ErrNotFound, pollErr: credentials.ErrNotFound}
	sealed := &fake{name: "b", err: errSealed, pollErr: errSealed}
	changed := &fake{name: "c", token: parse(t, oldToken), changed: true}
	for _, tt := range []struct {
		name    string
		chain   []credentials.Provider
		changed bool
		message string
		kind    error
	}{
		{"new token", []credentials.Provider{notFound, changed, sealed}, true, "", nil},
		{"no token anywhere", []credentials.Provider{notFound, notFound}, false,
			"credentials: no token found: a: no token found; a: no token found", credentials.ErrNotFound},
		{"broken source", []credentials.Provider{notFound, sealed, changed}, false,
			"credentials: b: vault is sealed (asked before: a: no token found)", nil},
		{"source that is not a Poller", []credentials.Provider{notFound, missing}, false, "", nil},
	} {
		t.Run("before the first token/"+tt.name, func(t *testing.T) {
			got, err := poll(t, credentials.Chain(tt.chain...), nil)
			assert.Equal(t, tt.changed, got)
			if tt.message == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.message)
			wantKind(t, err, tt.kind)
		})
	}

	t.Run("kept source", func(t *testing.T) {
		before := &fake{name: "before", err: credentials.ErrNotFound}
		kept := &fake{name: "kept", token: parse(t, oldToken)}
		p := credentials.Chain(before, kept)
		wantValue(t, p, oldToken)
		before.changed = true
		wantPoll(t, p, false)
		kept.changed = true
		wantPoll(t, p, true)
		kept.changed, kept.pollErr = false, credentials.ErrNotFound
		_, err := poll(t, p, nil)
		require.EqualError(t, err, "credentials: kept: no token found; there was a token before")
		wantKind(t, err, nil)
	})

	t.Run("kept source that is not a Poller", func(t *testing.T) {
		p := credentials.Chain(credentials.Static(oldToken))
		wantValue(t, p, oldToken)
		wantPoll(t, p, false)
	})

	t.Run("ended context", func(t *testing.T) {
		_, err := credentials.Chain(changed).(credentials.Poller).Poll(cancelled(t), nil)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestChainErrors_carelessProviders(t *testing.T) {
	var none *textError // a nil pointer in an error is a common mistake
	t.Run("nil pointer", func(t *testing.T) {
		_, err := credentials.Chain(&fake{name: "a", err: none}).Token(t.Context())
		require.EqualError(t, err, "credentials: no token found: a: no error given")
	})
	t.Run("nil pointer and no name", func(t *testing.T) {
		_, err := credentials.Chain(&fake{err: none}).Token(t.Context())
		require.EqualError(t, err, "credentials: no token found: unnamed source: no error given")
	})
}

type textError struct{ text string }

func (e *textError) Error() string { return e.text }
