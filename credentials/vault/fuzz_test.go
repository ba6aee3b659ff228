package vault_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

// FuzzRead feeds the provider arbitrary responses. It must return a token, or an error of one line
// that does not show the Vault token, after one request.
func FuzzRead(f *testing.F) {
	for _, status := range []int{200, 403, 404, 500} {
		for _, body := range []string{
			kv2Body(tokenField(tokenA)), kv1Body(tokenField(tokenA)), missingBody, noMountBody, deniedBody,
			deletedBody, destroyedBody, v1OnV2Body,
			"", "null", "[]", `{"data":7,"request_id":"1"}`, `{"errors":{}}`, `{"errors":["` + vaultToken +
				`\n"]}`, `{"request_id":"1","data":{"metadata":null,"data":{"to\u0007ken":{}}}}`,
		} {
			f.Add(status, body, 1)
			f.Add(status, body, 2)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body string, version int) {
		if status < 200 || status > 599 {
			return // not a final status of net/http
		}
		fake := newFakeVault()
		fake.answer(dataPath, status, body)
		secret := kv2
		if version == 1 {
			secret = vault.KVv1("secret", "data/toloka")
		}
		p, err := vault.New(clientOf(t, fake), secret)
		require.NoError(t, err)
		token, err := p.Token(context.Background())
		require.Equal(t, 1, fake.count())
		if err == nil {
			require.Equal(t, http.StatusOK, status)
			require.False(t, token.IsZero())
			return
		}
		require.True(t, token.IsZero())
		require.NotContains(t, err.Error(), vaultToken)
		require.False(t, strings.ContainsAny(err.Error(), "\r\n"), "%q", err)
	})
}
