package vault_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
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
			name: "AppRole with a plain secret id",
			auth: func(*testing.T) api.AuthMethod { return vault.AppRole("role-id", vault.Value(secretID)) },
			path: loginPath, body: `{"role_id":"role-id","secret_id":"` + secretID + `"}`,
		},
		{
			name: "AppRole with a secret id from a file that ends in CRLF",
			auth: func(t *testing.T) api.AuthMethod {
				return vault.AppRole("role-id", vault.File(write(t, filepath.Join(t.TempDir(), "id"), "\ufeff"+secretID+"\r\n")))
			},
			path: loginPath, body: `{"role_id":"role-id","secret_id":"` + secretID + `"}`,
		},
		{
			name: "AppRole with a secret id from the environment, at another mount",
			auth: func(t *testing.T) api.AuthMethod {
				t.Setenv("APP_SECRET_ID", secretID)
				return vault.AppRole("role-id", vault.Env("APP_SECRET_ID"), vault.AtMount("eu/approle"), nil)
			},
			path: "/v1/auth/eu/approle/login", body: `{"role_id":"role-id","secret_id":"` + secretID + `"}`,
		},
		{
			name: "JWT",
			auth: func(*testing.T) api.AuthMethod { return vault.JWT("toloka", vault.Value(jwt)) },
			path: "/v1/auth/jwt/login", body: `{"jwt":"` + jwt + `","role":"toloka"}`,
		},
		{
			name: "Kubernetes, with a projected token",
			auth: func(t *testing.T) api.AuthMethod {
				return vault.JWT("toloka", vault.File(write(t, filepath.Join(t.TempDir(), "token"), jwt+"\n")), vault.AtMount("kubernetes"))
			},
			path: "/v1/auth/kubernetes/login", body: `{"jwt":"` + jwt + `","role":"toloka"}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clearEnv(t)
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
			assert.Equal(t, []string{"PUT " + tc.path, "GET " + dataPath}, fake.asked(), "one login and one read")
			token(t, p)
			assert.Equal(t, []string{"GET " + dataPath}, fake.asked(), "one read and no login")
		})
	}

	t.Run("Kubernetes reads the pod's service account token", func(t *testing.T) {
		clearEnv(t)
		p, err := vault.New(clientOf(t, newFakeVault()), kv2, vault.WithAuth(vault.Kubernetes("toloka")))
		require.NoError(t, err)
		_, err = p.Token(context.Background())
		require.EqualError(t, err, "vault: file:/var/run/secrets/kubernetes.io/serviceaccount/token: the file does not exist: what writes it may not have run yet")
	})

	t.Run("a login method of somebody else's", func(t *testing.T) {
		clearEnv(t)
		fake := withSecret()
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "3600"))
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(foreignLogin{}))
		require.NoError(t, err)
		assert.Equal(t, tokenA, token(t, p))
	})

	t.Run("a login method of somebody else's that changes its client changes no other", func(t *testing.T) {
		clearEnv(t)
		fake := withSecret()
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "3600"))
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(meddlingLogin{}))
		require.NoError(t, err)
		token(t, p)
		assert.Equal(t, "hvs.own", fake.last(t).Token)
		assert.Empty(t, fake.last(t).Namespace)
	})

	t.Run("each is an api.AuthMethod that works without this package's provider", func(t *testing.T) {
		clearEnv(t)
		fake := newFakeVault()
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "3600"))
		fake.answer("/v1/sys/wrapping/unwrap", http.StatusOK, unwrapBody)
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
		require.EqualError(t, err, "vault: env:NOT_SET: the variable is not set")
		_, err = vault.JWT("role", vault.Source{}).Login(context.Background(), clientOf(t, fake))
		require.EqualError(t, err, "vault: no source is given for the login's secret: use Value, Env or File")
	})

	t.Run("secrets are read again at every login", func(t *testing.T) {
		clearEnv(t)
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

// meddlingLogin uses its client as if it were its own, which it is.
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
	const refused = "check that the auth method is mounted there, the role, and its secret"
	for _, tc := range []struct {
		name   string
		auth   func() api.AuthMethod
		status int
		body   string
		want   string
		kind   error
	}{
		{
			name: "a wrong secret id", auth: approle, status: 400, body: badLoginBody, kind: credentials.ErrInvalid,
			want: at + "login refused (400): " + refused + `; Vault says "invalid role or secret ID"`,
		},
		{
			name: "an auth method that is not mounted", auth: approle, status: 403, body: noTokenBody, kind: credentials.ErrInvalid,
			want: at + "login refused (403): " + refused + `; Vault says "permission denied"`,
		},
		{
			name: "a path that is no login", auth: approle, status: 404, body: missingBody, kind: credentials.ErrInvalid,
			want: at + "login refused (404): " + refused,
		},
		{
			name: "a sealed Vault", auth: approle, status: 503, body: sealedBody,
			want: at + `Vault is sealed, or down for maintenance (503): unseal it; Vault says "Vault is sealed"`,
		},
		{
			name: "a rate limit quota", auth: approle, status: 429, body: `{"errors":["request path \"auth/approle/login\": rate limit quota exceeded"]}`,
			want: at + `a rate limit quota of Vault is exceeded (429): raise the quota, or check less often; Vault says "request path \"auth/approle/login\": rate limit quota exceeded"`,
		},
		{
			name: "an internal error", auth: approle, status: 500, body: `{"errors":["internal error"]}`,
			want: at + `answered 500; Vault says "internal error"`,
		},
		{
			name: "a proxy's page", auth: approle, status: 502, body: "<html>" + secretID + "</html>",
			want: at + "answered 502 with something that is not Vault's JSON: check the address, and proxies in front of Vault",
		},
		{
			name: "a proxy's JSON", auth: approle, status: 403, body: `{"message":"` + secretID + `"}`,
			want: at + "answered 403 with something that is not Vault's JSON: check the address, and proxies in front of Vault",
		},
		{
			name: "a proxy's 404", auth: approle, status: 404, body: "<html>not found</html>",
			want: at + "answered with something that is not Vault's JSON: check the address, and proxies in front of Vault",
		},
		{
			name: "a login page", auth: approle, status: 200, body: "<html>Sign in</html>",
			want: at + "answered with something that is not Vault's JSON: check the address, and proxies in front of Vault",
		},
		{
			name: "a secret id that is echoed", auth: approle, status: 400, body: `{"errors":["bad ` + secretID + `"]}`, kind: credentials.ErrInvalid,
			want: at + "login refused (400): " + refused + `; Vault says "bad [redacted]"`,
		},
		{
			name: "an answer without a Vault token", auth: approle, status: 200, body: kv1Body(`{"a":"b"}`), kind: credentials.ErrInvalid,
			want: at + "login gave no Vault token: is this an auth method's login path?",
		},
		{
			name: "no content", auth: approle, status: 204, kind: credentials.ErrInvalid,
			want: at + "login gave no Vault token: is this an auth method's login path?",
		},
		{
			name: "a second factor", auth: approle, status: 200, kind: credentials.ErrInvalid,
			body: `{"request_id":"1","auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"d0c9","mfa_constraints":{}}}}`,
			want: at + "login asks for a second factor, which a service cannot give: take the role out of the MFA enforcement",
		},
		{
			name: "a refused login of somebody else's method, which may show anything", auth: foreign, status: 400, body: `{"errors":["bad password hunter2"]}`, kind: credentials.ErrInvalid,
			want: "vault: login by vault_test.foreignLogin at http://vault.test:8200: login refused (400): " + refused,
		},
		{
			name: "a sealed Vault at a login of somebody else's method", auth: foreign, status: 503, body: sealedBody,
			want: "vault: login by vault_test.foreignLogin at http://vault.test:8200: Vault is sealed, or down for maintenance (503): unseal it",
		},
		{
			name: "an internal error at a login of somebody else's method", auth: foreign, status: 500, body: `{"errors":["x"]}`,
			want: "vault: login by vault_test.foreignLogin at http://vault.test:8200: answered 500",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clearEnv(t)
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
			assert.Equal(t, 1, fake.count(), "it must not be tried again")
		})
	}
}

func TestGivenVaultToken(t *testing.T) {
	t.Run("a Vault Agent's sink is read at every refresh", func(t *testing.T) {
		clearEnv(t)
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

	t.Run("the sink is read once more when Vault refuses the token, and the same token is not tried twice", func(t *testing.T) {
		clearEnv(t)
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

	t.Run("a sink that goes away while Vault refuses the token", func(t *testing.T) {
		clearEnv(t)
		fake := newFakeVault()
		sink := write(t, filepath.Join(t.TempDir(), "sink"), "hvs.revoked")
		fake.answerFunc(dataPath, func(request) reply {
			assert.NoError(t, os.Remove(sink))
			return reply{status: http.StatusForbidden, body: badTokenBody}
		})
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.Token(vault.File(sink))))
		require.NoError(t, err)
		_, err = p.Token(context.Background())
		require.EqualError(t, err, "vault: file:"+sink+": the file does not exist: what writes it may not have run yet")
		assert.NotErrorIs(t, err, credentials.ErrNotFound, "a chain must not go on: the secret may well be there")
	})
}

func TestWrappedSecretID(t *testing.T) {
	const unwrapPath = "/v1/sys/wrapping/unwrap"
	setup := func(t *testing.T, src vault.Source) (*fakeVault, *vault.Provider) {
		fake := withSecret()
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "30"))
		used := map[string]bool{}
		var mu sync.Mutex
		fake.answerFunc(unwrapPath, func(r request) reply {
			mu.Lock()
			defer mu.Unlock()
			if used[r.Token] {
				return reply{status: http.StatusBadRequest, body: usedWrapBody}
			}
			used[r.Token] = true
			return reply{status: http.StatusOK, body: unwrapBody}
		})
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.AppRole("role-id", vault.Wrapped(src))))
		require.NoError(t, err)
		return fake, p
	}

	t.Run("is unwrapped once, and kept for the logins to come", func(t *testing.T) {
		clearEnv(t)
		synctest.Test(t, func(t *testing.T) {
			fake, p := setup(t, vault.Value(wrapping))
			token(t, p)
			assert.Equal(t, []string{"PUT " + unwrapPath, "PUT " + loginPath, "GET " + dataPath}, fake.asked())
			time.Sleep(time.Hour)
			token(t, p)
			assert.Equal(t, []string{"PUT " + loginPath, "GET " + dataPath}, fake.asked())
		})
	})

	t.Run("is unwrapped anew when there is another wrapping token", func(t *testing.T) {
		clearEnv(t)
		synctest.Test(t, func(t *testing.T) {
			file := write(t, filepath.Join(t.TempDir(), "wrapped"), wrapping+"1")
			fake, p := setup(t, vault.File(file))
			token(t, p)
			fake.asked()
			write(t, file, wrapping+"2")
			time.Sleep(time.Hour)
			token(t, p)
			assert.Equal(t, []string{"PUT " + unwrapPath, "PUT " + loginPath, "GET " + dataPath}, fake.asked())
		})
	})

	for name, spoil := range map[string]func(t *testing.T, file string){
		"is gone":    func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) },
		"is emptied": func(t *testing.T, file string) { write(t, file, "") },
	} {
		t.Run("is kept when the file with the wrapping token "+name, func(t *testing.T) {
			clearEnv(t)
			synctest.Test(t, func(t *testing.T) {
				file := write(t, filepath.Join(t.TempDir(), "wrapped"), wrapping+"1")
				fake, p := setup(t, vault.File(file))
				token(t, p)
				fake.asked()
				spoil(t, file)

				// Both ways to a login: the lease ends, or Vault revokes its token.
				time.Sleep(time.Hour)
				assert.Equal(t, tokenA, token(t, p))
				assert.Equal(t, []string{login, read}, fake.asked())
				fake.answerFunc(dataPath, func(request) reply {
					fake.answer(dataPath, http.StatusOK, kv2Body(tokenField(tokenA)))
					return reply{status: http.StatusForbidden, body: badTokenBody}
				})
				assert.Equal(t, tokenA, token(t, p))
				assert.Equal(t, []string{read, login, read}, fake.asked())

				write(t, file, wrapping+"2")
				time.Sleep(time.Hour)
				assert.Equal(t, tokenA, token(t, p))
				assert.Equal(t, []string{"PUT " + unwrapPath, login, read}, fake.asked())
			})
		})
	}

	t.Run("is an error without the file as long as nothing was unwrapped", func(t *testing.T) {
		clearEnv(t)
		file := filepath.Join(t.TempDir(), "wrapped")
		fake, p := setup(t, vault.File(file))
		_, err := p.Token(context.Background())
		require.EqualError(t, err, "vault: file:"+file+": the file does not exist: what writes it may not have run yet")
		assert.Empty(t, fake.asked())
	})

	t.Run("used by somebody else before is an alarm", func(t *testing.T) {
		clearEnv(t)
		fake, p := setup(t, vault.Value(wrapping))
		token(t, p)
		again, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.AppRole("role-id", vault.Wrapped(vault.Value(wrapping)))))
		require.NoError(t, err)
		_, err = again.Token(context.Background())
		require.EqualError(t, err, "vault: sys/wrapping/unwrap at http://vault.test:8200: the wrapping token is expired or has been used: if nobody of yours has unwrapped it, somebody else holds the secret id; revoke it and issue a new one"+
			`; Vault says "wrapping token is not valid or does not exist"`)
		require.ErrorIs(t, err, credentials.ErrInvalid)
	})

	t.Run("that is not a secret id", func(t *testing.T) {
		clearEnv(t)
		fake, p := setup(t, vault.Value(wrapping))
		for _, body := range []string{kv1Body(`{"password":"x"}`), kv1Body(`{"secret_id":7}`), ""} {
			fake.answer(unwrapPath, http.StatusOK, body)
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "there is no secret id in the wrapping token: wrap the answer of auth/approle/role/…/secret-id")
			require.ErrorIs(t, err, credentials.ErrInvalid)
		}
	})

	t.Run("while Vault is sealed", func(t *testing.T) {
		clearEnv(t)
		fake, p := setup(t, vault.Value(wrapping))
		fake.answer(unwrapPath, http.StatusServiceUnavailable, sealedBody)
		_, err := p.Token(context.Background())
		require.EqualError(t, err, `vault: sys/wrapping/unwrap at http://vault.test:8200: Vault is sealed, or down for maintenance (503): unseal it; Vault says "Vault is sealed"`)
	})

	t.Run("is not unwrapped twice by two providers that share the method", func(t *testing.T) {
		clearEnv(t)
		synctest.Test(t, func(t *testing.T) {
			fake := withSecret()
			fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "30"))
			fake.answerFunc(unwrapPath, func(request) reply {
				time.Sleep(2 * time.Second)
				return reply{status: http.StatusOK, body: unwrapBody}
			})
			auth := vault.WithAuth(vault.AppRole("role-id", vault.Wrapped(vault.Value(wrapping))))
			var callers sync.WaitGroup
			for range 2 {
				p, err := vault.New(clientOf(t, fake), kv2, auth)
				require.NoError(t, err)
				callers.Go(func() { assert.Equal(t, tokenA, token(t, p)) })
			}
			impatient, err := vault.New(clientOf(t, fake), kv2, auth)
			require.NoError(t, err)
			callers.Go(func() {
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(context.Background(), time.Second/2)
				defer cancel()
				_, err := impatient.Token(ctx)
				assert.EqualError(t, err, "vault: auth/approle/login at http://vault.test:8200: context deadline exceeded")
			})
			callers.Wait()
			unwraps := 0
			for _, r := range fake.asked() {
				if r == "PUT "+unwrapPath {
					unwraps++
				}
			}
			assert.Equal(t, 1, unwraps)
		})
	})
}

func TestRefusedSecretID(t *testing.T) {
	const refusedText = "vault: auth/approle/login at http://vault.test:8200: login refused (400): check that the auth method is mounted there, the role, and its secret" +
		`; Vault says "invalid role or secret ID"`
	// setup returns a provider whose secret id is in a file, and a func that makes n calls a
	// minute apart and returns how many logins they took.
	setup := func(t *testing.T) (fake *fakeVault, p *vault.Provider, file string, logins func(n int) int) {
		fake = withSecret()
		fake.answer(loginPath, http.StatusBadRequest, badLoginBody)
		file = write(t, filepath.Join(t.TempDir(), "id"), secretID)
		p, err := vault.New(clientOf(t, fake), kv2, vault.WithAuth(vault.AppRole("role-id", vault.File(file))))
		require.NoError(t, err)
		return fake, p, file, func(n int) (count int) {
			for range n {
				_, _ = p.Token(context.Background())
				for _, r := range fake.asked() {
					if r == login {
						count++
					}
				}
				time.Sleep(time.Minute)
			}
			return count
		}
	}

	t.Run("is sent twice and then not for 16 minutes, as Vault locks the role at the fifth time", func(t *testing.T) {
		clearEnv(t)
		synctest.Test(t, func(t *testing.T) {
			fake, p, _, logins := setup(t)
			_, err := p.Token(context.Background())
			require.EqualError(t, err, refusedText)
			time.Sleep(time.Minute)
			_, err = p.Token(context.Background())
			require.EqualError(t, err, refusedText)
			time.Sleep(time.Minute)
			_, err = p.Token(context.Background())
			require.EqualError(t, err, refusedText+" (not sent again for 15m0s unless it changes: Vault locks a role after 5 refusals)")
			require.ErrorIs(t, err, credentials.ErrInvalid)
			assert.Equal(t, []string{login, login}, fake.asked())
			assert.Equal(t, 0, logins(15))
			assert.Equal(t, 1, logins(1))
			assert.Equal(t, 0, logins(15))
			assert.Equal(t, 1, logins(1))
			// Once it was good it has two more.
			fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "30"))
			assert.Equal(t, 1, logins(16))
			fake.answer(loginPath, http.StatusBadRequest, badLoginBody)
			assert.Equal(t, 2, logins(10))
		})
	})

	t.Run("makes way for another one at once", func(t *testing.T) {
		clearEnv(t)
		synctest.Test(t, func(t *testing.T) {
			fake, p, file, logins := setup(t)
			assert.Equal(t, 2, logins(5))
			write(t, file, "another")
			assert.Equal(t, 2, logins(5))
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "not sent again for 12m0s")
			write(t, file, "a good one")
			fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "60"))
			assert.Equal(t, tokenA, token(t, p))
			fake.asked()
			// And what was before is forgotten.
			fake.answer(loginPath, http.StatusForbidden, noTokenBody)
			assert.Equal(t, 2, logins(5))
		})
	})

	t.Run("is not one that somebody in front of Vault has turned down", func(t *testing.T) {
		clearEnv(t)
		synctest.Test(t, func(t *testing.T) {
			fake, _, _, logins := setup(t)
			fake.answer(loginPath, http.StatusForbidden, "<html>blocked</html>")
			assert.Equal(t, 10, logins(10))
		})
	})

	t.Run("is not one that a sealed Vault did not look at", func(t *testing.T) {
		clearEnv(t)
		synctest.Test(t, func(t *testing.T) {
			fake, _, _, logins := setup(t)
			fake.answer(loginPath, http.StatusServiceUnavailable, sealedBody)
			assert.Equal(t, 10, logins(10))
		})
	})
}

func TestSourcesPrintNothing(t *testing.T) {
	for _, printed := range []any{vault.Value(secretID), vault.AppRole("r", vault.Value(secretID)), vault.JWT("r", vault.Value(secretID)), vault.Token(vault.Value(secretID))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			assert.NotContains(t, fmt.Sprintf(verb, printed), "83d737f1")
			assert.NotContains(t, fmt.Sprintf(verb, printed), fmt.Sprintf("%x", "83d737f1"))
		}
	}
}
