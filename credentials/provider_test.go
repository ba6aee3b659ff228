package credentials_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/describe"
)

func TestProviderFunc(t *testing.T) {
	t.Run("passes on token and error", func(t *testing.T) {
		sealed := errors.New("keychain is locked")
		for _, want := range []error{nil, sealed} {
			p := credentials.ProviderFunc(func(context.Context) (credentials.Token, error) {
				return parse(t, apiKey), want
			})
			_, err := p.Token(t.Context())
			require.ErrorIs(t, err, want)
		}
	})

	t.Run("nil function", func(t *testing.T) {
		_, err := credentials.ProviderFunc(nil).Token(t.Context())
		require.EqualError(t, err, "credentials: ProviderFunc is nil")
		require.ErrorIs(t, err, credentials.ErrInvalid)
	})

	t.Run("ended context", func(t *testing.T) {
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
		{"static", credentials.Static(apiKey), "static"},
		{"variable", credentials.Env("TOLOKA_TOKEN"), "env:TOLOKA_TOKEN"},
		{"file", credentials.File("/etc/toloka/token"), "file:/etc/toloka/token"},
		{"token in place of a path", credentials.File(apiKey), "file:(hidden)"},
		{"token in place of a variable", credentials.Env(apiKey), "env:(hidden)"},
		{"path with a space", credentials.File("/a b"), `file:"/a b"`},
		{"chain before its first token", credentials.Chain(unset, credentials.File("/a")),
			"env:CREDENTIALS_TEST_UNSET, file:/a"},
		{"failover", credentials.Failover(credentials.File("/a"), credentials.File("/b")),
			"file:/a, file:/b"},
		{"failover of nothing", credentials.Failover(nil, nil), "<nil>, <nil>"},
		{"provider without Describe", credentials.ProviderFunc(nil), "credentials.ProviderFunc"},
		{"no provider", nil, "<nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, describe.Of(tt.p)) })
	}
}

func TestStatic(t *testing.T) {
	t.Run("invalid value", func(t *testing.T) {
		p := credentials.Static("AQVN abcd")
		for range 2 {
			_, err := p.Token(t.Context())
			require.EqualError(t, err,
				"credentials: static: token has white space inside, at byte 5: only ApiKey or OAuth may "+
					"stand before a space")
			require.ErrorIs(t, err, credentials.ErrInvalid)
		}
	})

	t.Run("empty value", func(t *testing.T) {
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
		{"empty variable", "", "credentials: env:CREDENTIALS_TEST_TOKEN: empty", credentials.ErrNotFound},
		{"blank variable", " ", "credentials: env:CREDENTIALS_TEST_TOKEN: token is empty",
			credentials.ErrInvalid},
		{"letter outside ASCII", "AQVÑ",
			"credentials: env:CREDENTIALS_TEST_TOKEN: token has a character outside ASCII, at byte 4: " +
				"copy it again", credentials.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(name, tt.value)
			_, err := credentials.Env(name).Token(t.Context())
			require.EqualError(t, err, tt.message)
			require.ErrorIs(t, err, tt.kind)
		})
	}

	t.Run("variable that is not set", func(t *testing.T) {
		_, err := credentials.Env("CREDENTIALS_TEST_UNSET").Token(t.Context())
		require.EqualError(t, err, "credentials: env:CREDENTIALS_TEST_UNSET: not set")
		require.ErrorIs(t, err, credentials.ErrNotFound)
		require.NotErrorIs(t, err, credentials.ErrInvalid)
	})

	t.Run("token in place of the name", func(t *testing.T) {
		for written, looks := range map[string]string{
			apiKey: "looks like a secret", canaryToken: "looks like a secret",
			`"` + apiKey + `"`:       "has quotes",
			"ApiKey " + apiKey:       "starts like an Authorization header",
			"TOLOKA_TOKEN=" + apiKey: "looks like a line NAME=value of an env file",
		} {
			_, err := credentials.Env(written).Token(t.Context())
			require.EqualError(t, err,
				"credentials: env:(hidden): the name of a variable belongs here, but this "+looks+
					": give a name such as TOLOKA_TOKEN, not the token")
			wantKind(t, err, credentials.ErrInvalid)
		}
	})

	t.Run("variable whose name looks like a secret", func(t *testing.T) {
		const name = "AbC1dEf2GhI3jKl4MnO5"
		t.Setenv(name, apiKey)
		wantValue(t, credentials.Env(name), apiKey)
		t.Setenv(name, "a b")
		_, err := credentials.Env(name).Token(t.Context())
		require.ErrorContains(t, err, "credentials: env:(hidden): token has white space inside")
	})

	t.Run("empty name", func(t *testing.T) {
		_, err := credentials.Env("").Token(t.Context())
		require.EqualError(t, err,
			"credentials: env:: name of the variable is empty: give one such as TOLOKA_TOKEN")
		require.ErrorIs(t, err, credentials.ErrInvalid)
	})
}

// cancelled returns a context that has ended.
func cancelled(tb testing.TB) context.Context {
	ctx, cancel := context.WithCancel(tb.Context())
	cancel()
	return ctx
}
