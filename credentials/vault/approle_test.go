package vault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

const (
	lookupPath = "/v1/sys/wrapping/lookup"
	unwrapPath = "/v1/sys/wrapping/unwrap"
	lookup     = "PUT " + lookupPath
	unwrap     = "PUT " + unwrapPath
)

func TestWrappedSecretID(t *testing.T) {
	setup := func(t *testing.T, src vault.Source) (*fakeVault, *vault.Provider) {
		fake := withSecret()
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "30"))
		fake.answer(lookupPath, http.StatusOK, lookupBody)
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
		p, err := vault.New(clientOf(t, fake), kv2,
			vault.WithAuth(vault.AppRole("role-id", vault.Wrapped(src))))
		require.NoError(t, err)
		return fake, p
	}

	t.Run("unwrapped once and kept for later logins", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, p := setup(t, vault.Value(wrapping))
			token(t, p)
			assert.Equal(t, []string{lookup, unwrap, login, read}, fake.asked())
			time.Sleep(time.Hour)
			token(t, p)
			assert.Equal(t, []string{login, read}, fake.asked())
		})
	})

	t.Run("another wrapping token is unwrapped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			file := write(t, filepath.Join(t.TempDir(), "wrapped"), wrapping+"1")
			fake, p := setup(t, vault.File(file))
			token(t, p)
			fake.asked()
			write(t, file, wrapping+"2")
			time.Sleep(time.Hour)
			token(t, p)
			assert.Equal(t, []string{lookup, unwrap, login, read}, fake.asked())
		})
	})

	for name, spoil := range map[string]func(t *testing.T, file string){
		"is removed": func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) },
		"is emptied": func(t *testing.T, file string) { write(t, file, "") },
	} {
		t.Run("kept after the file with the wrapping token "+name, func(t *testing.T) {
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
				assert.Equal(t, []string{lookup, unwrap, login, read}, fake.asked())
			})
		})
	}

	t.Run("missing file before the first login", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "wrapped")
		fake, p := setup(t, vault.File(file))
		_, err := p.Token(context.Background())
		require.EqualError(t, err, "vault: file:"+file+": no such file: the program that writes it may "+
			"not have run yet")
		assert.Empty(t, fake.asked())
	})

	t.Run("already used", func(t *testing.T) {
		fake, p := setup(t, vault.Value(wrapping))
		token(t, p)
		again, err := vault.New(clientOf(t, fake), kv2,
			vault.WithAuth(vault.AppRole("role-id", vault.Wrapped(vault.Value(wrapping)))))
		require.NoError(t, err)
		_, err = again.Token(context.Background())
		require.EqualError(t, err, "vault: sys/wrapping/unwrap at http://vault.test:8200: the wrapping "+
			"token is expired or was already used: if you did not unwrap it, someone else has the secret "+
			"id; revoke the secret id and issue a new one"+
			`; Vault says "wrapping token is not valid or does not exist"`)
		require.ErrorIs(t, err, credentials.ErrInvalid)
	})

	t.Run("response without a secret id", func(t *testing.T) {
		fake, p := setup(t, vault.Value(wrapping))
		for _, body := range []string{kv1Body(`{"password":"x"}`), kv1Body(`{"secret_id":7}`), ""} {
			fake.answer(unwrapPath, http.StatusOK, body)
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "the wrapping token holds no secret id: wrap the response of "+
				"auth/approle/role/ROLE/secret-id")
			require.ErrorIs(t, err, credentials.ErrInvalid)
		}
	})

	t.Run("sealed Vault", func(t *testing.T) {
		fake, p := setup(t, vault.Value(wrapping))
		fake.answer(unwrapPath, http.StatusServiceUnavailable, sealedBody)
		_, err := p.Token(context.Background())
		require.EqualError(t, err, "vault: sys/wrapping/unwrap at http://vault.test:8200: "+
			`Vault is sealed, or down for maintenance (503): unseal it; Vault says "Vault is sealed"`)
	})

	t.Run("two providers that share the method unwrap once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake := withSecret()
			fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "30"))
			fake.answer(lookupPath, http.StatusOK, lookupBody)
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
				assert.EqualError(t, err, "vault: auth/approle/login at http://vault.test:8200: context "+
					"deadline exceeded")
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

func TestWrappingLookup(t *testing.T) {
	setup := func(t *testing.T, status int, body string, opts ...vault.AuthOption) (*fakeVault,
		*vault.Provider) {
		fake := withSecret()
		fake.answer("/v1/auth/eu/approle/login", http.StatusOK, loginBody("hvs.own", "30"))
		fake.answer(lookupPath, status, body)
		fake.answer(unwrapPath, http.StatusOK, unwrapBody)
		opts = append([]vault.AuthOption{vault.AtMount("eu/approle")}, opts...)
		client := clientOf(t, fake)
		client.SetNamespace("team-a")
		p, err := vault.New(client, kv2, vault.WithAuth(vault.AppRole("role-id",
			vault.Wrapped(vault.Value(wrapping)), opts...)))
		require.NoError(t, err)
		return fake, p
	}
	creation := func(path string) string { return kv1Body(`{"creation_path":"` + path + `","creation_ttl":60}`) }

	t.Run("expected path", func(t *testing.T) {
		fake, p := setup(t, http.StatusOK, creation("auth/eu/approle/role/any role/secret-id"))
		token(t, p)
		asked := fake.requests[0]
		assert.Equal(t, lookup, asked.String())
		assert.JSONEq(t, `{"token":"`+wrapping+`"}`, asked.Body)
		assert.Empty(t, asked.Token)
		assert.Equal(t, "team-a", asked.Namespace)
		assert.Equal(t, []string{lookup, unwrap, "PUT /v1/auth/eu/approle/login", read}, fake.asked())
	})

	const refused = "vault: sys/wrapping/lookup at http://vault.test:8200: the wrapping token was " +
		"created by %s, not by auth/eu/approle/role/ROLE/secret-id: " +
		"it may have been intercepted and replaced. It was not unwrapped. Check how it was delivered and " +
		"the mount of the auth method, and issue a new one"
	for body, by := range map[string]string{
		creation("sys/wrapping/wrap"):                       "sys/wrapping/wrap",
		creation("secret/data/my secret"):                   `"secret/data/my secret"`,
		creation("auth/approle/role/toloka/secret-id"):      "auth/approle/role/toloka/secret-id",
		creation("auth/eu/approle/role//secret-id"):         "auth/eu/approle/role//secret-id",
		creation("auth/eu/approle/role/a/b/secret-id"):      "auth/eu/approle/role/a/b/secret-id",
		creation("auth/eu/approle/role/a/custom-secret-id"): "auth/eu/approle/role/a/custom-secret-id",
		creation("auth/eu/approle/role/a/secret-id/lookup"): "auth/eu/approle/role/a/secret-id/lookup",
		creation("x/auth/eu/approle/role/a/secret-id"):      "x/auth/eu/approle/role/a/secret-id",
		creation("cubbyhole/" + wrapping):                   "cubbyhole/[redacted]",
		creation("cubbyhole/" + secretID):                   "(hidden)",
		creation("a\\nb"):                                   "(hidden)",
		creation(""):                                        "an unknown request",
		kv1Body(`{"creation_path":7}`):                      "an unknown request",
		kv1Body("null"):                                     "an unknown request",
		"":                                                  "an unknown request",
	} {
		t.Run("unexpected path/"+by, func(t *testing.T) {
			fake, p := setup(t, http.StatusOK, body)
			_, err := p.Token(t.Context())
			require.EqualError(t, err, fmt.Sprintf(refused, by))
			require.ErrorIs(t, err, credentials.ErrInvalid)
			assert.Equal(t, []string{lookup}, fake.asked(), "the token is not spent")
		})
	}

	t.Run("unexpected path/is looked up again after the backoff", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, p := setup(t, http.StatusOK, creation("sys/wrapping/wrap"))
			for range 2 {
				_, err := p.Token(t.Context())
				require.ErrorIs(t, err, credentials.ErrInvalid)
			}
			assert.Equal(t, []string{lookup}, fake.asked())
			fake.answer(lookupPath, http.StatusOK, creation("auth/eu/approle/role/toloka/secret-id"))
			time.Sleep(time.Second)
			assert.Equal(t, tokenA, token(t, p))
		})
	})

	for name, tc := range map[string]struct {
		status  int
		body    string
		want    string
		invalid bool
	}{
		"already used": {400, usedWrapBody, "the wrapping token is expired or was already used", true},
		"sealed":       {503, sealedBody, "Vault is sealed", false},
		"denied": {403, deniedBody, "the wrapping token was refused (403): check the namespace",
			true},
		"proxy": {400, "<html>", "answered 400 with something that is not Vault's JSON", false},
		"echo": {400, `{"errors":["bad token ` + wrapping + `"]}`,
			`Vault says "bad token [redacted]"`, true},
	} {
		t.Run("failed lookup/"+name, func(t *testing.T) {
			fake, p := setup(t, tc.status, tc.body)
			_, err := p.Token(t.Context())
			require.ErrorContains(t, err, "vault: sys/wrapping/lookup at http://vault.test:8200: ")
			require.ErrorContains(t, err, tc.want)
			assert.Equal(t, tc.invalid, errors.Is(err, credentials.ErrInvalid))
			assert.Equal(t, []string{lookup}, fake.asked())
		})
	}
}

func TestRefusedSecretID(t *testing.T) {
	const refusedText = "vault: auth/approle/login at http://vault.test:8200: login refused (400): " +
		"check the mount of the auth method, the role and its secret" +
		`; Vault says "invalid role or secret ID"`
	// setup returns a provider whose secret id is in a file, and a func that makes n calls a
	// minute apart and counts their logins.
	setup := func(t *testing.T) (fake *fakeVault, p *vault.Provider, file string, logins func(n int) int) {
		fake = withSecret()
		fake.answer(loginPath, http.StatusBadRequest, badLoginBody)
		file = write(t, filepath.Join(t.TempDir(), "id"), secretID)
		p, err := vault.New(clientOf(t, fake), kv2,
			vault.WithAuth(vault.AppRole("role-id", vault.File(file))))
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

	t.Run("sent twice, then not for 16 minutes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, p, _, logins := setup(t)
			_, err := p.Token(context.Background())
			require.EqualError(t, err, refusedText)
			time.Sleep(time.Minute)
			_, err = p.Token(context.Background())
			require.EqualError(t, err, refusedText)
			time.Sleep(time.Minute)
			_, err = p.Token(context.Background())
			require.EqualError(t, err, refusedText+" (not sent again for 15m0s unless it changes: Vault "+
				"locks a role after 5 refusals)")
			require.ErrorIs(t, err, credentials.ErrInvalid)
			assert.Equal(t, []string{login, login}, fake.asked())
			assert.Equal(t, 0, logins(15))
			assert.Equal(t, 1, logins(1))
			assert.Equal(t, 0, logins(15))
			assert.Equal(t, 1, logins(1))
			// A successful login resets the count.
			fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "30"))
			assert.Equal(t, 1, logins(16))
			fake.answer(loginPath, http.StatusBadRequest, badLoginBody)
			assert.Equal(t, 2, logins(10))
		})
	})

	t.Run("another secret id is sent immediately", func(t *testing.T) {
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
			// The earlier refusals no longer count.
			fake.answer(loginPath, http.StatusForbidden, noTokenBody)
			assert.Equal(t, 2, logins(5))
		})
	})

	t.Run("refusal by a proxy does not count", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, _, _, logins := setup(t)
			fake.answer(loginPath, http.StatusForbidden, "<html>blocked</html>")
			assert.Equal(t, 10, logins(10))
		})
	})

	t.Run("sealed Vault does not count", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, _, _, logins := setup(t)
			fake.answer(loginPath, http.StatusServiceUnavailable, sealedBody)
			assert.Equal(t, 10, logins(10))
		})
	})
}
