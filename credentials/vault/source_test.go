package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

// readSource returns the secret in src.
func readSource(ctx context.Context, src vault.Source) (string, error) {
	secret, err := vault.Token(src).Login(ctx, nil)
	if err != nil {
		return "", err
	}
	return secret.Auth.ClientToken, nil
}

func TestSource(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) vault.Source {
		return vault.File(write(t, filepath.Join(dir, name), content))
	}
	t.Setenv("SOURCE_EMPTY", " ")
	t.Setenv("SOURCE_SET", " hvs.env\r\n")

	for _, tc := range []struct {
		name   string
		source vault.Source
		want   string
	}{
		{"Value", vault.Value("hvs.value\n"), "hvs.value"},
		{"Env", vault.Env("SOURCE_SET"), "hvs.env"},
		{"File/BOM and CRLF", file("bom", "\ufeffhvs.file\r\n"), "hvs.file"},
		{"File/64 KiB", file("full", "hvs.full"+strings.Repeat("\n", 64<<10-8)), "hvs.full"},
		{"File/hidden path", file(secretID, "hvs.uuid"), "hvs.uuid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			secret, err := readSource(t.Context(), tc.source)
			require.NoError(t, err)
			assert.Equal(t, tc.want, secret)
		})
	}

	for _, tc := range []struct {
		name    string
		source  vault.Source
		want    string
		invalid bool
	}{
		{"Value/empty", vault.Value("\n"), "the login's secret is empty", true},
		{"Env/empty", vault.Env("SOURCE_EMPTY"), "env:SOURCE_EMPTY: variable is not set", true},
		{"File/missing", vault.File("/nowhere/sink"),
			"file:/nowhere/sink: no such file: the program that writes it may not have run yet", false},
		{"File/with a space", vault.File("/no where/sink"),
			`file:"/no where/sink": no such file: the program that writes it may not have run yet`, false},
		{"File/empty", file("empty", "\n"), "file:" + dir +
			"/empty: file is empty: the program that writes it may not have run yet", false},
		{"File/no path", vault.File(""), "file:: path is empty", true},
		{"File/directory", vault.File(dir), "file:" + dir +
			": is a directory: give the path of a file in it", true},
		{"File/too large", file("large", strings.Repeat("x", 64<<10+1)), "file:" + dir +
			"/large: file is larger than 64 KiB: it does not hold a single secret", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := readSource(t.Context(), tc.source)
			require.EqualError(t, err, "vault: "+tc.want)
			assert.Equal(t, tc.invalid, errors.Is(err, credentials.ErrInvalid))
			assert.NotErrorIs(t, err, credentials.ErrNotFound)
		})
	}

	t.Run("File/ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("shutting down")
		cancel(cause)
		_, err := readSource(ctx, vault.File("/nowhere/sink"))
		require.EqualError(t, err, "vault: file:/nowhere/sink: shutting down")
		require.ErrorIs(t, err, cause)
		assert.NotErrorIs(t, err, credentials.ErrInvalid)
	})
}

// TestSecretAsName passes a login's secret where the name of its variable or file belongs.
func TestSecretAsName(t *testing.T) {
	const looks = "looks like a secret"
	for _, tc := range []struct{ name, secret, env, file string }{
		{"Vault token", "hvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW", looks, looks},
		{"batch token", "hvb.AAAAAQLqZ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW_-x", looks, looks},
		{"old Vault token", "s.J4kLQmrUcwzeR8sB2k7Hn2c5", looks, looks},
		{"secret id", "9f0d3c1a-52b7-4f0e-8a41-2c6d1b7e9a10", looks, looks},
		{"JWT", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzZXJ2aWNlIn0.MEUCIQDx-x_1", looks, looks},
		{"line end", "hvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW\n", "has a line break", "has a line break"},
		{"second line", "wrapping_token:\nhvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW", "has a line break",
			"has a line break"},
		{"quotes", `"hvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW"`, "has quotes", "has quotes"},
		{"env line", "export SECRET_ID=x9f0d3c1a", "looks like a line NAME=value of an env file",
			"looks like a line NAME=value of an env file"},
		{"header", "Bearer hvs.CAESIJ4kLQmr", "starts like an Authorization header",
			"starts like an Authorization header"},
		{"spaces around it", " hvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW ", looks, looks},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for kind, source := range map[string]struct {
				vault.Source
				want string
			}{
				"env": {vault.Env(tc.secret), "vault: env:(hidden): the name of a variable belongs here, " +
					"but this " + tc.env},
				"file": {vault.File(tc.secret), "vault: file:(hidden): no such file: the path of a file " +
					"belongs here, but this " + tc.file},
			} {
				fake := newFakeVault()
				p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.Token(source.Source)))
				require.NoError(t, err)
				_, err = p.Token(t.Context())
				require.EqualError(t, err, source.want+": use Value for the secret itself", kind)
				assert.ErrorIs(t, err, credentials.ErrInvalid)
				assert.Zero(t, fake.count())
			}
		})
	}

	for _, path := range []string{"s.conf", "hvs.token", "eyJ", "secret-id", "/var/lib/" + secretID +
		"/token"} {
		t.Run("path/"+path, func(t *testing.T) {
			_, err := readSource(t.Context(), vault.File(path))
			assert.ErrorContains(t, err, "file:"+path+": no such file")
			assert.NotErrorIs(t, err, credentials.ErrInvalid)
		})
	}

	t.Run("file with a hidden path is empty", func(t *testing.T) {
		t.Chdir(t.TempDir())
		require.NoError(t, os.WriteFile(secretID, nil, 0o600))
		_, err := readSource(t.Context(), vault.File(secretID))
		require.EqualError(t, err, "vault: file:(hidden): file is empty: the program that writes it may "+
			"not have run yet")
	})
}
