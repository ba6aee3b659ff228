package vault_test

import (
	"context"
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
		file := filepath.Join(t.TempDir(), "wrapped")
		fake, p := setup(t, vault.File(file))
		_, err := p.Token(context.Background())
		require.EqualError(t, err, "vault: file:"+file+": the file does not exist: what writes it may not have run yet")
		assert.Empty(t, fake.asked())
	})

	t.Run("used by somebody else before is an alarm", func(t *testing.T) {
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
		fake, p := setup(t, vault.Value(wrapping))
		for _, body := range []string{kv1Body(`{"password":"x"}`), kv1Body(`{"secret_id":7}`), ""} {
			fake.answer(unwrapPath, http.StatusOK, body)
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "there is no secret id in the wrapping token: wrap the answer of auth/approle/role/…/secret-id")
			require.ErrorIs(t, err, credentials.ErrInvalid)
		}
	})

	t.Run("while Vault is sealed", func(t *testing.T) {
		fake, p := setup(t, vault.Value(wrapping))
		fake.answer(unwrapPath, http.StatusServiceUnavailable, sealedBody)
		_, err := p.Token(context.Background())
		require.EqualError(t, err, `vault: sys/wrapping/unwrap at http://vault.test:8200: Vault is sealed, or down for maintenance (503): unseal it; Vault says "Vault is sealed"`)
	})

	t.Run("is not unwrapped twice by two providers that share the method", func(t *testing.T) {
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
		synctest.Test(t, func(t *testing.T) {
			fake, _, _, logins := setup(t)
			fake.answer(loginPath, http.StatusForbidden, "<html>blocked</html>")
			assert.Equal(t, 10, logins(10))
		})
	})

	t.Run("is not one that a sealed Vault did not look at", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, _, _, logins := setup(t)
			fake.answer(loginPath, http.StatusServiceUnavailable, sealedBody)
			assert.Equal(t, 10, logins(10))
		})
	})
}
