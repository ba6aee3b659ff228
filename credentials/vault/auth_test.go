package vault_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

const (
	secretID = "83d737f1-133d-5a0a-1580-d02a8b3dbb32"
	wrapping = "hvs.CAESIFCXQDMd8HE5Nx9t830iHmt7fKg"
	jwt      = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ0b2xva2EifQ.c2lnbmF0dXJl"
)

func write(t testing.TB, path, content string) string {
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestLogins(t *testing.T) {
	for _, tc := range []struct {
		name string
		auth func(t *testing.T) api.AuthMethod
		path string
		body string
	}{
		{
			name: "AppRole",
			auth: func(*testing.T) api.AuthMethod { return vault.AppRole("role-id", vault.Value(secretID)) },
			path: loginPath, body: `{"role_id":"role-id","secret_id":"` + secretID + `"}`,
		},
		{
			name: "AppRole with a file that ends in CRLF",
			auth: func(t *testing.T) api.AuthMethod {
				return vault.AppRole("role-id", vault.File(write(t, filepath.Join(t.TempDir(), "id"),
					"\ufeff"+secretID+"\r\n")))
			},
			path: loginPath, body: `{"role_id":"role-id","secret_id":"` + secretID + `"}`,
		},
		{
			name: "AppRole with a variable, at another mount",
			auth: func(t *testing.T) api.AuthMethod {
				t.Setenv("APP_SECRET_ID", secretID)
				return vault.AppRole("role-id", vault.Env("APP_SECRET_ID"), vault.AtMount("eu/approle"))
			},
			path: "/v1/auth/eu/approle/login", body: `{"role_id":"role-id","secret_id":"` + secretID + `"}`,
		},
		{
			name: "JWT",
			auth: func(*testing.T) api.AuthMethod { return vault.JWT("toloka", vault.Value(jwt)) },
			path: "/v1/auth/jwt/login", body: `{"jwt":"` + jwt + `","role":"toloka"}`,
		},
		{
			name: "Kubernetes with a projected token",
			auth: func(t *testing.T) api.AuthMethod {
				return vault.JWT("toloka", vault.File(write(t, filepath.Join(t.TempDir(), "token"),
					jwt+"\n")), vault.AtMount("kubernetes"))
			},
			path: "/v1/auth/kubernetes/login", body: `{"jwt":"` + jwt + `","role":"toloka"}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake := withSecret()
			var login request
			fake.answerFunc(tc.path, func(r request) reply {
				login = r
				return reply{status: http.StatusOK, body: loginBody("hvs.own", "3600")}
			})
			client := clientOf(t, fake)
			client.SetNamespace("team-a")
			p, err := vault.New(client, kv2, vault.WithAuth(tc.auth(t)))
			require.NoError(t, err)
			assert.Equal(t, tokenA, token(t, p))
			assert.Equal(t, "PUT", login.Method)
			assert.JSONEq(t, tc.body, login.Body)
			assert.Empty(t, login.Token)
			assert.Equal(t, "team-a", login.Namespace)
			assert.Equal(t, "hvs.own", fake.last(t).Token)
			assert.Equal(t, []string{"PUT " + tc.path, "GET " + dataPath}, fake.asked(),
				"one login and one read")
			token(t, p)
			assert.Equal(t, []string{"GET " + dataPath}, fake.asked(), "one read and no login")
		})
	}

	t.Run("Kubernetes reads the pod's service account token", func(t *testing.T) {
		p, err := vault.New(clientOf(t, newFakeVault()), kv2, vault.WithAuth(vault.Kubernetes("toloka")))
		require.NoError(t, err)
		_, err = p.Token(context.Background())
		require.EqualError(t, err, "vault: file:/var/run/secrets/kubernetes.io/serviceaccount/token: no "+
			"such file: the program that writes it may not have run yet")
	})

	t.Run("foreign login method", func(t *testing.T) {
		fake := withSecret()
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "3600"))
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(foreignLogin{}))
		require.NoError(t, err)
		assert.Equal(t, tokenA, token(t, p))
	})

	t.Run("foreign login method that changes its client", func(t *testing.T) {
		fake := withSecret()
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "3600"))
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(meddlingLogin{}))
		require.NoError(t, err)
		token(t, p)
		assert.Equal(t, "hvs.own", fake.last(t).Token)
		assert.Empty(t, fake.last(t).Namespace)
	})

	t.Run("without a provider", func(t *testing.T) {
		fake := newFakeVault()
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "3600"))
		fake.answer(lookupPath, http.StatusOK, lookupBody)
		fake.answer(unwrapPath, http.StatusOK, unwrapBody)
		for _, method := range []api.AuthMethod{
			vault.AppRole("role-id", vault.Value(secretID)),
			vault.AppRole("role-id", vault.Wrapped(vault.Value(wrapping))),
			vault.JWT("role", vault.Value(jwt), vault.AtMount("approle")),
			vault.Token(vault.Value("hvs.own")),
		} {
			client := clientOf(t, fake)
			client.ClearToken()
			_, err := client.Auth().Login(context.Background(), method)
			require.NoError(t, err)
			assert.Equal(t, "hvs.own", client.Token())
		}
		_, err := vault.Token(vault.Env("NOT_SET")).Login(context.Background(), clientOf(t, fake))
		require.EqualError(t, err, "vault: env:NOT_SET: variable is not set")
		_, err = vault.JWT("role", vault.Source{}).Login(context.Background(), clientOf(t, fake))
		require.EqualError(t, err, "vault: auth/jwt/login: the login's secret has no source: use Value, "+
			"Env or File")
	})

	t.Run("secret is read at every login", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake := withSecret()
			var sent []string
			fake.answerFunc("/v1/auth/jwt/login", func(r request) reply {
				sent = append(sent, r.Body)
				return reply{status: http.StatusOK, body: loginBody("hvs.own", "30")}
			})
			file := write(t, filepath.Join(t.TempDir(), "token"), "first")
			p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.JWT("r", vault.File(file))))
			require.NoError(t, err)
			token(t, p)
			write(t, file, "second")
			time.Sleep(time.Minute)
			token(t, p)
			assert.Equal(t, []string{`{"jwt":"first","role":"r"}`, `{"jwt":"second","role":"r"}`}, sent)
		})
	})
}

// meddlingLogin changes its client, as it may.
type meddlingLogin struct{}

func (meddlingLogin) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	client.SetToken("hvs.other")
	client.SetNamespace("elsewhere")
	return foreignLogin{}.Login(ctx, client)
}

func TestLoginErrors(t *testing.T) {
	approle := func() api.AuthMethod { return vault.AppRole("role-id", vault.Value(secretID)) }
	foreign := func() api.AuthMethod { return foreignLogin{map[string]any{"password": "hunter2"}} }
	const at = "vault: auth/approle/login at http://vault.test:8200: "
	const refused = "check the mount of the auth method, the role and its secret"
	for _, tc := range []struct {
		name   string
		auth   func() api.AuthMethod
		status int
		body   string
		want   string
		kind   error
	}{
		{
			name: "wrong secret id", auth: approle, status: 400, body: badLoginBody,
			kind: credentials.ErrInvalid,
			want: at + "login refused (400): " + refused + `; Vault says "invalid role or secret ID"`,
		},
		{
			name: "auth method not mounted", auth: approle, status: 403, body: noTokenBody,
			kind: credentials.ErrInvalid,
			want: at + "login refused (403): " + refused + `; Vault says "permission denied"`,
		},
		{
			name: "not a login path", auth: approle, status: 404, body: missingBody,
			kind: credentials.ErrInvalid,
			want: at + "login refused (404): " + refused,
		},
		{
			name: "sealed Vault", auth: approle, status: 503, body: sealedBody,
			want: at + `Vault is sealed, or down for maintenance (503): unseal it; Vault says "Vault ` +
				`is sealed"`,
		},
		{
			name: "rate limit quota", auth: approle, status: 429,
			body: `{"errors":["request path \"auth/approle/login\": rate limit quota exceeded"]}`,
			want: at + `a rate limit quota of Vault is exceeded (429): raise the quota, or check less ` +
				`often; Vault says "request path \"auth/approle/login\": rate limit quota exceeded"`,
		},
		{
			name: "internal error", auth: approle, status: 500, body: `{"errors":["internal error"]}`,
			want: at + `answered 500; Vault says "internal error"`,
		},
		{
			name: "proxy with HTML", auth: approle, status: 502, body: "<html>" + secretID + "</html>",
			want: at + "answered 502 with something that is not Vault's JSON: check the address, and " +
				"proxies in front of Vault",
		},
		{
			name: "proxy with JSON", auth: approle, status: 403, body: `{"message":"` + secretID + `"}`,
			want: at + "answered 403 with something that is not Vault's JSON: check the address, and " +
				"proxies in front of Vault",
		},
		{
			name: "proxy with 404", auth: approle, status: 404, body: "<html>not found</html>",
			want: at + "answered with something that is not Vault's JSON: check the address, and proxies in " +
				"front of Vault",
		},
		{
			name: "login page", auth: approle, status: 200, body: "<html>Sign in</html>",
			want: at + "answered with something that is not Vault's JSON: check the address, and proxies in " +
				"front of Vault",
		},
		{
			name: "echoed secret id", auth: approle, status: 400, body: `{"errors":["bad ` + secretID +
				`"]}`, kind: credentials.ErrInvalid,
			want: at + "login refused (400): " + refused + `; Vault says "bad [redacted]"`,
		},
		{
			name: "no Vault token in the response", auth: approle, status: 200, body: kv1Body(`{"a":"b"}`),
			kind: credentials.ErrInvalid,
			want: at + "login returned no Vault token: check that this is the login path of an auth method",
		},
		{
			name: "no content", auth: approle, status: 204, kind: credentials.ErrInvalid,
			want: at + "login returned no Vault token: check that this is the login path of an auth method",
		},
		{
			name: "MFA", auth: approle, status: 200, kind: credentials.ErrInvalid,
			body: `{"request_id":"1","auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"d0c9",` +
				`"mfa_constraints":{}}}}`,
			want: at + "login requires MFA, which a service cannot do: exempt the role from MFA",
		},
		{
			name: "foreign method refused", auth: foreign, status: 400,
			body: `{"errors":["bad password hunter2"]}`, kind: credentials.ErrInvalid,
			want: "vault: login by vault_test.foreignLogin at http://vault.test:8200: login " +
				"refused (400): " + refused,
		},
		{
			name: "foreign method and sealed Vault", auth: foreign, status: 503, body: sealedBody,
			want: "vault: login by vault_test.foreignLogin at http://vault.test:8200: Vault is sealed, or " +
				"down for maintenance (503): unseal it",
		},
		{
			name: "foreign method and internal error", auth: foreign, status: 500, body: `{"errors":["x"]}`,
			want: "vault: login by vault_test.foreignLogin at http://vault.test:8200: answered 500",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake := withSecret()
			fake.answer(loginPath, tc.status, tc.body)
			p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(tc.auth()))
			require.NoError(t, err)
			_, err = p.Token(context.Background())
			require.EqualError(t, err, tc.want)
			if tc.kind == nil {
				assert.NotErrorIs(t, err, credentials.ErrInvalid)
			} else {
				assert.ErrorIs(t, err, tc.kind)
			}
			assert.NotErrorIs(t, err, credentials.ErrNotFound)
			assert.Equal(t, 1, fake.count(), "no retry")
		})
	}
}

func TestGivenVaultToken(t *testing.T) {
	t.Run("sink is read at every call", func(t *testing.T) {
		fake := withSecret()
		sink := write(t, filepath.Join(t.TempDir(), "sink"), "hvs.first\n")
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.Token(vault.File(sink))))
		require.NoError(t, err)
		token(t, p)
		assert.Equal(t, "hvs.first", fake.last(t).Token)
		write(t, sink, "hvs.second\n")
		token(t, p)
		assert.Equal(t, "hvs.second", fake.last(t).Token)
		assert.Equal(t, []string{"GET " + dataPath, "GET " + dataPath}, fake.asked())
	})

	t.Run("sink is read again after a refusal", func(t *testing.T) {
		fake := withSecret()
		sink := write(t, filepath.Join(t.TempDir(), "sink"), "hvs.revoked")
		fake.answerFunc(dataPath, func(r request) reply {
			if r.Token == "hvs.revoked" {
				return reply{status: http.StatusForbidden, body: badTokenBody}
			}
			return reply{status: http.StatusOK, body: kv2Body(tokenField(tokenA))}
		})
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.Token(vault.File(sink))))
		require.NoError(t, err)
		_, err = p.Token(context.Background())
		require.ErrorContains(t, err, "permission denied")
		assert.Equal(t, []string{"GET " + dataPath}, fake.asked())

		// The Agent writes its new token between the read of the sink and Vault's answer.
		fake.answerFunc(dataPath, func(r request) reply {
			if r.Token == "hvs.revoked" {
				write(t, sink, "hvs.new")
				return reply{status: http.StatusForbidden, body: badTokenBody}
			}
			return reply{status: http.StatusOK, body: kv2Body(tokenField(tokenA))}
		})
		assert.Equal(t, tokenA, token(t, p))
		assert.Equal(t, []string{"GET " + dataPath, "GET " + dataPath}, fake.asked())
	})

	t.Run("sink removed during a refusal", func(t *testing.T) {
		fake := newFakeVault()
		sink := write(t, filepath.Join(t.TempDir(), "sink"), "hvs.revoked")
		fake.answerFunc(dataPath, func(request) reply {
			assert.NoError(t, os.Remove(sink))
			return reply{status: http.StatusForbidden, body: badTokenBody}
		})
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.Token(vault.File(sink))))
		require.NoError(t, err)
		_, err = p.Token(context.Background())
		require.EqualError(t, err, "vault: file:"+sink+": no such file: the program that writes it may "+
			"not have run yet")
		assert.NotErrorIs(t, err, credentials.ErrNotFound, "a chain must stop: the secret may exist")
	})
}

func TestSourcesPrintNothing(t *testing.T) {
	for _, printed := range []any{vault.Value(secretID), vault.AppRole("r", vault.Value(secretID)),
		vault.JWT("r", vault.Value(secretID)), vault.Token(vault.Value(secretID))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			assert.NotContains(t, fmt.Sprintf(verb, printed), "83d737f1")
			assert.NotContains(t, fmt.Sprintf(verb, printed), fmt.Sprintf("%x", "83d737f1"))
		}
	}
}
