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

	t.Run("path and KV version", func(t *testing.T) {
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

	t.Run("VAULT_AGENT_ADDR overrides VAULT_ADDR", func(t *testing.T) {
		setup(t)
		agent := withSecret()
		t.Setenv("VAULT_AGENT_ADDR", serve(t, agent).URL)
		t.Setenv("VAULT_TOKEN", "")
		p := fromEnv(t, kv2)
		assert.Equal(t, tokenA, token(t, p))
		assert.Empty(t, agent.last(t).Token, "the Agent adds the token")
	})

	t.Run("options override variables", func(t *testing.T) {
		fake := setup(t)
		t.Setenv("TOLOKA_VAULT_PATH", "elsewhere")
		t.Setenv("TOLOKA_VAULT_MOUNT", "elsewhere")
		t.Setenv("TOLOKA_VAULT_KV", "nonsense")
		t.Setenv("TOLOKA_VAULT_FIELD", "elsewhere")
		t.Setenv("VAULT_NAMESPACE", "elsewhere")
		t.Setenv("VAULT_CLIENT_TIMEOUT", "1ns")
		p := fromEnv(t, kv2, vault.WithField("token"), vault.WithNamespace("team-b"),
			vault.WithTimeout(time.Minute),
			vault.WithAuth(vault.AppRole("role", vault.Value("id"))))
		assert.Equal(t, tokenA, token(t, p))
		assert.Equal(t, "team-b", fake.last(t).Namespace)
		assert.Equal(t, "hvs.own", fake.last(t).Token)
	})

	t.Run("VAULT_CLIENT_TIMEOUT", func(t *testing.T) {
		setup(t)
		t.Setenv("VAULT_CLIENT_TIMEOUT", "1ns")
		_, err := fromEnv(t, kv2).Token(context.Background())
		require.ErrorContains(t, err, "no answer within 1ns")
	})

	t.Run("VAULT_CACERT_BYTES", func(t *testing.T) {
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

func TestFromEnvErrors(t *testing.T) {
	const (
		secret = "hvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW"
		noURL  = "vault: Vault's environment variables: an address (VAULT_ADDR, VAULT_AGENT_ADDR, " +
			"VAULT_PROXY_ADDR) is not a URL"
		example = "it must look like https://vault.example.com:8200"
	)
	for _, tc := range []struct {
		name string
		set  map[string]string // in addition to a path and KV version 2
		want string
		kind error // ErrInvalid by default
	}{
		{
			name: "no path", set: map[string]string{"TOLOKA_VAULT_PATH": ""}, kind: credentials.ErrNotFound,
			want: "vault: TOLOKA_VAULT_PATH is not set: set it to the path of the secret in Vault",
		},
		{
			name: "no KV version", set: map[string]string{"TOLOKA_VAULT_KV": ""},
			want: "vault: TOLOKA_VAULT_KV is not set: set it to 1 or 2; 'vault secrets list -detailed' " +
				"shows the version of each mount",
		},
		{
			name: "wrong KV version", set: map[string]string{"TOLOKA_VAULT_KV": "v2"},
			want: `vault: TOLOKA_VAULT_KV is "v2": set it to 1 or 2`,
		},
		{
			name: "secret as KV version", set: map[string]string{"TOLOKA_VAULT_KV": secret},
			want: "vault: TOLOKA_VAULT_KV looks like a secret: set it to 1 or 2",
		},
		{
			name: "path with dots", set: map[string]string{"TOLOKA_VAULT_PATH": "a/../b"},
			want: `vault: TOLOKA_VAULT_PATH "a/../b": it has a segment that is empty or only dots`,
		},
		{
			name: "secret with slashes as path", set: map[string]string{"TOLOKA_VAULT_PATH": "x//" + secret},
			want: "vault: TOLOKA_VAULT_PATH (hidden): it has a segment that is empty or only dots",
		},
		{
			name: "mount with dots", set: map[string]string{"TOLOKA_VAULT_MOUNT": ".."},
			want: `vault: TOLOKA_VAULT_MOUNT "..": it has a segment that is empty or only dots`,
		},
		{
			name: "address without a scheme", set: map[string]string{"VAULT_ADDR": "vault.example.com"},
			want: `vault: the address of Vault is "vault.example.com": ` + example,
		},
		{
			name: "secret as address", set: map[string]string{"VAULT_ADDR": secret},
			want: "vault: the address of Vault is (hidden): " + example,
		},
		{
			name: "malformed address with a password",
			set:  map[string]string{"VAULT_ADDR": "http://u:" + secret + "/@vault"},
			want: noURL,
		},
		{
			name: "malformed proxy with a password",
			set:  map[string]string{"VAULT_PROXY_ADDR": "http://u:" + secret + "/@proxy"},
			want: noURL,
		},
		{
			name: "missing CA file", set: map[string]string{"VAULT_CACERT": "/nowhere/ca.pem"},
			want: "vault: Vault's environment variables: Error loading CA File: open /nowhere/ca.pem: no " +
				"such file or directory",
		},
		{
			name: "secret as CA file", set: map[string]string{"VAULT_CACERT": secret},
			want: "vault: Vault's environment variables: Error loading CA File: open (hidden): no such file " +
				"or directory",
		},
		{
			name: "secret as number", set: map[string]string{"VAULT_MAX_RETRIES": secret},
			want: "vault: Vault's environment variables: VAULT_MAX_RETRIES is not a number",
		},
		{
			name: "secret as rate limit", set: map[string]string{"VAULT_RATE_LIMIT": secret},
			want: "vault: Vault's environment variables: VAULT_RATE_LIMIT was provided but incorrectly " +
				"formatted",
		},
		{
			name: "headers that are not JSON", set: map[string]string{"VAULT_HEADERS": secret},
			want: "vault: Vault's environment variables: could not unmarshal environment-supplied headers",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("TOLOKA_VAULT_PATH", "toloka")
			t.Setenv("TOLOKA_VAULT_KV", "2")
			for name, value := range tc.set {
				t.Setenv(name, value)
			}
			_, err := vault.FromEnv()
			require.EqualError(t, err, tc.want)
			kind := tc.kind
			if kind == nil {
				kind = credentials.ErrInvalid
			}
			require.ErrorIs(t, err, kind)
		})
	}

	t.Run("nil option", func(t *testing.T) {
		_, err := vault.FromEnv(nil)
		require.EqualError(t, err, "vault: an Option is nil")
		require.ErrorIs(t, err, credentials.ErrInvalid)
	})
}
