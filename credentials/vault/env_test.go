package vault_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

func fromEnv(t *testing.T, opts ...vault.Option) *vault.Provider {
	t.Helper()
	p, err := vault.FromEnv(opts...)
	require.NoError(t, err)
	t.Cleanup(p.CloseIdleConnections)
	return p
}

func TestFromEnv(t *testing.T) {
	setup := func(t *testing.T) *fakeVault {
		fake := withSecret()
		fake.answer("/v1/kv/a/b", http.StatusOK, kv1Body(`{"api_key":"`+tokenB+`"}`))
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "60"))
		t.Setenv("VAULT_ADDR", serve(t, fake).URL)
		t.Setenv("VAULT_TOKEN", vaultToken)
		return fake
	}

	t.Run("path and KV version are enough", func(t *testing.T) {
		fake := setup(t)
		t.Setenv("TOLOKA_VAULT_PATH", "toloka")
		t.Setenv("TOLOKA_VAULT_KV", "2")
		p := fromEnv(t)
		assert.Equal(t, "vault:secret/data/toloka#token", p.Describe())
		assert.Equal(t, tokenA, token(t, p))
		assert.Equal(t, vaultToken, fake.last(t).Token)
		assert.Empty(t, fake.last(t).Namespace)
	})

	t.Run("all variables", func(t *testing.T) {
		fake := setup(t)
		t.Setenv("TOLOKA_VAULT_PATH", " /a/b ")
		t.Setenv("TOLOKA_VAULT_KV", "1")
		t.Setenv("TOLOKA_VAULT_MOUNT", "kv/")
		t.Setenv("TOLOKA_VAULT_FIELD", "api_key")
		t.Setenv("VAULT_NAMESPACE", "team-a")
		p := fromEnv(t)
		assert.Equal(t, "vault:kv/a/b#api_key", p.Describe())
		assert.Equal(t, tokenB, token(t, p))
		assert.Equal(t, "team-a", fake.last(t).Namespace)
	})

	t.Run("VAULT_AGENT_ADDR beats VAULT_ADDR, as for every Vault client", func(t *testing.T) {
		setup(t)
		agent := withSecret()
		t.Setenv("VAULT_AGENT_ADDR", serve(t, agent).URL)
		t.Setenv("VAULT_TOKEN", "")
		p := fromEnv(t, kv2)
		assert.Equal(t, tokenA, token(t, p))
		assert.Empty(t, agent.last(t).Token, "an Agent adds the token by itself")
	})

	t.Run("an option beats its variable", func(t *testing.T) {
		fake := setup(t)
		t.Setenv("TOLOKA_VAULT_PATH", "elsewhere")
		t.Setenv("TOLOKA_VAULT_MOUNT", "elsewhere")
		t.Setenv("TOLOKA_VAULT_KV", "nonsense")
		t.Setenv("TOLOKA_VAULT_FIELD", "elsewhere")
		t.Setenv("VAULT_NAMESPACE", "elsewhere")
		t.Setenv("VAULT_CLIENT_TIMEOUT", "1ns")
		p := fromEnv(t, kv2, vault.WithField("token"), vault.WithNamespace("team-b"), vault.WithTimeout(time.Minute),
			vault.WithAuth(vault.AppRole("role", vault.Value("id"))))
		assert.Equal(t, tokenA, token(t, p))
		assert.Equal(t, "team-b", fake.last(t).Namespace)
		assert.Equal(t, "hvs.own", fake.last(t).Token)
	})

	t.Run("VAULT_CLIENT_TIMEOUT bounds a call", func(t *testing.T) {
		setup(t)
		t.Setenv("VAULT_CLIENT_TIMEOUT", "1ns")
		_, err := fromEnv(t, kv2).Token(context.Background())
		require.ErrorContains(t, err, "no answer within 1ns")
	})

	for _, tc := range []struct {
		name string
		set  map[string]string
		want string
		kind error
	}{
		{
			name: "nothing is set up", want: "vault: TOLOKA_VAULT_PATH is not set: it is the path of the secret in Vault", kind: credentials.ErrNotFound,
		},
		{
			name: "the KV version is not guessed", set: map[string]string{"TOLOKA_VAULT_PATH": "toloka"}, kind: credentials.ErrInvalid,
			want: "vault: TOLOKA_VAULT_KV is not set: say 1 or 2; 'vault secrets list -detailed' shows the version of each mount",
		},
		{
			name: "a KV version that there is none of", set: map[string]string{"TOLOKA_VAULT_PATH": "toloka", "TOLOKA_VAULT_KV": "v2"}, kind: credentials.ErrInvalid,
			want: `vault: TOLOKA_VAULT_KV is "v2": say 1 or 2`,
		},
		{
			name: "a path that is none", set: map[string]string{"TOLOKA_VAULT_PATH": "a/../b", "TOLOKA_VAULT_KV": "2"}, kind: credentials.ErrInvalid,
			want: `vault: path "a/../b": it has an empty segment, or one that is only dots`,
		},
		{
			name: "an address that is none", set: map[string]string{"TOLOKA_VAULT_PATH": "toloka", "TOLOKA_VAULT_KV": "2", "VAULT_ADDR": "vault.example.com"}, kind: credentials.ErrInvalid,
			want: `vault: the address of Vault is "vault.example.com": it must be like https://vault.example.com:8200`,
		},
		{
			name: "an address that does not parse, with a password", set: map[string]string{"TOLOKA_VAULT_PATH": "toloka", "TOLOKA_VAULT_KV": "2", "VAULT_ADDR": "http://u:hunter2@vault:port"}, kind: credentials.ErrInvalid,
			want: `vault: Vault's environment variables: invalid port ":port" after host`,
		},
		{
			name: "a proxy that does not parse, with a password", set: map[string]string{"TOLOKA_VAULT_PATH": "toloka", "TOLOKA_VAULT_KV": "2", "VAULT_PROXY_ADDR": "http://u:hunter2@proxy:port"}, kind: credentials.ErrInvalid,
			want: `vault: Vault's environment variables: invalid port ":port" after host`,
		},
		{
			name: "a CA file that is not there", set: map[string]string{"TOLOKA_VAULT_PATH": "toloka", "TOLOKA_VAULT_KV": "2", "VAULT_CACERT": "/nowhere/ca.pem"}, kind: credentials.ErrInvalid,
			want: "vault: Vault's environment variables: Error loading CA File: open /nowhere/ca.pem: no such file or directory",
		},
		{
			name: "headers that are no JSON", set: map[string]string{"TOLOKA_VAULT_PATH": "toloka", "TOLOKA_VAULT_KV": "2", "VAULT_HEADERS": "hunter2"}, kind: credentials.ErrInvalid,
			want: "vault: Vault's environment variables: could not unmarshal environment-supplied headers",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, value := range tc.set {
				t.Setenv(name, value)
			}
			_, err := vault.FromEnv()
			require.EqualError(t, err, tc.want)
			require.ErrorIs(t, err, tc.kind)
		})
	}

	t.Run("VAULT_CACERT and VAULT_CLIENT_TIMEOUT reach the connection", func(t *testing.T) {
		fake := withSecret()
		server := serveTLS(t, fake)
		t.Setenv("VAULT_ADDR", server.URL)
		t.Setenv("VAULT_TOKEN", vaultToken)
		_, err := fromEnv(t, kv2).Token(context.Background())
		require.ErrorContains(t, err, "cannot be reached: tls: failed to verify certificate")
		t.Setenv("VAULT_CACERT_BYTES", certificate(server))
		assert.Equal(t, tokenA, token(t, fromEnv(t, kv2)))
	})
}
