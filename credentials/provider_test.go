package credentials_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func TestProviderFunc(t *testing.T) {
	t.Run("the function's token and error are passed on", func(t *testing.T) {
		sealed := errors.New("keychain is locked")
		for _, want := range []error{nil, sealed} {
			p := credentials.ProviderFunc(func(context.Context) (credentials.Token, error) { return parse(t, apiKey), want })
			_, err := p.Token(t.Context())
			require.ErrorIs(t, err, want)
		}
	})

	t.Run("a nil function is invalid", func(t *testing.T) {
		_, err := credentials.ProviderFunc(nil).Token(t.Context())
		require.EqualError(t, err, "credentials: ProviderFunc is nil")
		require.ErrorIs(t, err, credentials.ErrInvalid)
	})

	t.Run("the function is not called for a caller who has left", func(t *testing.T) {
		p := credentials.ProviderFunc(func(context.Context) (credentials.Token, error) {
			t.Error("called")
			return credentials.Token{}, nil
		})
		_, err := p.Token(cancelled(t))
		require.EqualError(t, err, "credentials: credentials.ProviderFunc: context canceled")
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestDescribe(t *testing.T) {
	unset := credentials.Env("CREDENTIALS_TEST_UNSET")
	for _, tt := range []struct {
		name string
		p    credentials.Provider
		want string
	}{
		{"a static token", credentials.Static(apiKey), "static"},
		{"a variable", credentials.Env("TOLOKA_TOKEN"), "env:TOLOKA_TOKEN"},
		{"a file", credentials.File("/etc/toloka/token"), "file:/etc/toloka/token"},
		{"a token in place of a path", credentials.File(apiKey), "file:(AQVN…#69e59752)"},
		{"a chain before its first token", credentials.Chain(unset, credentials.File("/a")), "env:CREDENTIALS_TEST_UNSET, file:/a"},
		{"a failover", credentials.Failover(credentials.File("/a"), credentials.File("/b")), "file:/a, file:/b"},
		{"a failover of nothing", credentials.Failover(nil, nil), "<nil>, <nil>"},
		{"a provider that does not say", credentials.ProviderFunc(nil), "credentials.ProviderFunc"},
		{"no provider", nil, "<nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, credentials.Describe(tt.p)) })
	}
}

func TestStatic(t *testing.T) {
	t.Run("a value that is no token is refused at every call", func(t *testing.T) {
		p := credentials.Static("AQVN abcd")
		for range 2 {
			_, err := p.Token(t.Context())
			require.EqualError(t, err, "credentials: static: token has white space inside, at byte 5: only ApiKey or OAuth may stand before a space")
			require.ErrorIs(t, err, credentials.ErrInvalid)
		}
	})

	t.Run("an empty value is invalid, not missing", func(t *testing.T) {
		_, err := credentials.Static("").Token(t.Context())
		require.EqualError(t, err, "credentials: static: token is empty")
		require.ErrorIs(t, err, credentials.ErrInvalid)
		require.NotErrorIs(t, err, credentials.ErrNotFound)
	})
}

func TestEnv(t *testing.T) {
	const name = "CREDENTIALS_TEST_TOKEN"
	for _, tt := range []struct {
		name, value, message string
		kind                 error
	}{
		{"an empty variable is a missing token", "", "credentials: env:CREDENTIALS_TEST_TOKEN: empty", credentials.ErrNotFound},
		{"a blank variable is invalid", " ", "credentials: env:CREDENTIALS_TEST_TOKEN: token is empty", credentials.ErrInvalid},
		{"a token with a letter outside ASCII is invalid", "AQVÑ", "credentials: env:CREDENTIALS_TEST_TOKEN: token has a character outside ASCII, at byte 4", credentials.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(name, tt.value)
			_, err := credentials.Env(name).Token(t.Context())
			require.EqualError(t, err, tt.message)
			require.ErrorIs(t, err, tt.kind)
		})
	}

	t.Run("a variable that is not set is a missing token", func(t *testing.T) {
		_, err := credentials.Env("CREDENTIALS_TEST_UNSET").Token(t.Context())
		require.EqualError(t, err, "credentials: env:CREDENTIALS_TEST_UNSET: not set")
		require.ErrorIs(t, err, credentials.ErrNotFound)
		require.NotErrorIs(t, err, credentials.ErrInvalid)
	})

	t.Run("an empty name is invalid", func(t *testing.T) {
		_, err := credentials.Env("").Token(t.Context())
		require.EqualError(t, err, "credentials: env:: name of the variable is empty")
		require.ErrorIs(t, err, credentials.ErrInvalid)
	})
}

// cancelled is a context that has ended.
func cancelled(tb testing.TB) context.Context {
	ctx, cancel := context.WithCancel(tb.Context())
	cancel()
	return ctx
}
