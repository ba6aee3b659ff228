package vault_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

func TestASecretInPlaceOfAPathIsNotShown(t *testing.T) {
	const shown = "file:(…): this is a secret where the path of a file should be: put it into a file, or use Value"
	for name, secret := range map[string]string{
		"a Vault token":            "hvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW",
		"a batch token":            "hvb.AAAAAQLqZ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW_-x",
		"a Vault token of old":     "s.J4kLQmrUcwzeR8sB2k7Hn2c5",
		"a secret id":              "9f0d3c1a-52b7-4f0e-8a41-2c6d1b7e9a10",
		"a wrapping token, copied": " hvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW\n",
		"a JWT":                    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzZXJ2aWNlIn0.MEUCIQDx-x_1",
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFakeVault()
			p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.Token(vault.File(secret))))
			require.NoError(t, err)
			_, err = p.Token(t.Context())
			require.ErrorContains(t, err, shown)
			assert.ErrorIs(t, err, credentials.ErrInvalid)
			assert.NotContains(t, err.Error(), secret[4:12])
			assert.Zero(t, fake.count())
		})
	}
	for _, path := range []string{"/nowhere/hvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW", "s.conf", "hvs.token", "eyJ", "secret-id"} {
		t.Run(path+" is a path", func(t *testing.T) {
			p, err := vault.New(clientOf(t, newFakeVault()), kv2, vault.WithAuth(vault.Token(vault.File(path))))
			require.NoError(t, err)
			_, err = p.Token(t.Context())
			assert.ErrorContains(t, err, "file:"+path+": the file does not exist")
		})
	}
}
