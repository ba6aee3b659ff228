package vault_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials/credentialstest"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

func TestConformance(t *testing.T) {
	kv1 := vault.KVv1("secret", "data/toloka")
	approle := vault.WithAuth(vault.AppRole("role-id", vault.Value(secretID)))
	for name, options := range map[string][]vault.Option{
		"KV v1 with the client's token": {kv1},
		"KV v2 with the client's token": {kv2},
		"KV v2 with a login":            {kv2, approle},
	} {
		t.Run(name, func(t *testing.T) {
			body := kv2Body
			if name == "KV v1 with the client's token" {
				body = kv1Body
			}
			credentialstest.Run(t, func(tb testing.TB, value string) credentialstest.Driver {
				fake := newFakeVault()
				fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "60"))
				set := func(value string) { fake.answer(dataPath, http.StatusOK, body(tokenField(value))) }
				set(value)
				p, err := vault.New(clientOf(tb, fake), options...)
				require.NoError(tb, err)
				return credentialstest.Driver{
					Provider: p,
					Set:      set,
					Remove:   func() { fake.answer(dataPath, http.StatusNotFound, missingBody) },
					Break:    func() { fake.answer(dataPath, http.StatusServiceUnavailable, sealedBody) },
					Reads:    fake.count,
				}
			})
		})
	}
}
