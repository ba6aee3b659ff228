package vault_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
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
	login = "PUT " + loginPath
	read  = "GET " + dataPath
)

// leasing is a fake whose logins return hvs.1, hvs.2 and so on, valid until they are revoked.
type leasing struct {
	*fakeVault
	mu      sync.Mutex
	lease   string
	issued  int
	revoked map[string]bool
}

func newLeasing(seconds string) *leasing {
	l := &leasing{fakeVault: newFakeVault(), lease: seconds, revoked: map[string]bool{}}
	l.recover()
	l.answerFunc(dataPath, func(r request) reply {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.revoked[r.Token] {
			return reply{status: http.StatusForbidden, body: badTokenBody}
		}
		return reply{status: http.StatusOK, body: kv2Body(tokenField(tokenA))}
	})
	return l
}

func (l *leasing) recover() {
	l.answerFunc(loginPath, func(request) reply {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.issued++
		return reply{status: http.StatusOK, body: loginBody(fmt.Sprintf("hvs.%d", l.issued), l.lease)}
	})
}

func (l *leasing) revoke(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revoked[token] = true
}

func (l *leasing) provider(t testing.TB, opts ...vault.Option) *vault.Provider {
	p, err := vault.New(clientOf(t, l), append(opts, kv2,
		vault.WithAuth(vault.AppRole("role-id", vault.Value(secretID))))...)
	require.NoError(t, err)
	return p
}

func TestLease(t *testing.T) {
	t.Run("used for two thirds of the lease", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("90")
			p := l.provider(t)
			token(t, p)
			assert.Equal(t, []string{login, read}, l.asked())
			time.Sleep(time.Minute - time.Nanosecond)
			token(t, p)
			assert.Equal(t, []string{read}, l.asked())
			time.Sleep(time.Nanosecond)
			token(t, p)
			assert.Equal(t, []string{login, read}, l.asked())
			assert.Equal(t, tokenA, token(t, p))
			assert.Equal(t, "hvs.2", l.last(t).Token)
		})
	})

	t.Run("counted from the request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("90")
			l.answerFunc(loginPath, func(request) reply {
				time.Sleep(time.Second)
				return reply{status: http.StatusOK, body: loginBody("hvs.slow", "90")}
			})
			p := l.provider(t)
			token(t, p)
			l.asked()
			time.Sleep(59 * time.Second)
			token(t, p)
			assert.Equal(t, []string{login, read}, l.asked())
		})
	})

	t.Run("zero never ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("0")
			p := l.provider(t)
			token(t, p)
			l.asked()
			time.Sleep(10 * 365 * 24 * time.Hour)
			token(t, p)
			assert.Equal(t, []string{read}, l.asked())
		})
	})

	t.Run("centuries", func(t *testing.T) {
		// 146 years, 150, 292, 293, and the largest integer: where time.Duration overflows.
		for _, lease := range []string{"4604256000", "4730400000", "9208512000", "9240048000",
			"9223372036854775807"} {
			synctest.Test(t, func(t *testing.T) {
				l := newLeasing(lease)
				p := l.provider(t)
				token(t, p)
				l.asked()
				time.Sleep(60 * 365 * 24 * time.Hour)
				token(t, p)
				assert.Equal(t, []string{read}, l.asked(), lease)
				time.Sleep(7 * 365 * 24 * time.Hour)
				token(t, p)
				assert.Equal(t, []string{login, read}, l.asked(), "%s: bounded to 100 years", lease)
			})
		}
	})

	t.Run("no number", func(t *testing.T) {
		for _, lease := range []string{"1e30", `"3600"`, "-1.5"} {
			_, err := newLeasing(lease).provider(t).Token(t.Context())
			require.ErrorContains(t, err, "auth/approle/login at http://vault.test:8200: answered with "+
				"something that is not Vault's JSON", lease)
		}
	})

	t.Run("at most one login and one read per call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, lease := range []string{"1", "30", "60", "61", "3600"} {
				l := newLeasing(lease)
				p := l.provider(t)
				for range 100 {
					token(t, p)
					asked := l.asked()
					if len(asked) > 1 {
						require.Equal(t, []string{login, read}, asked)
					} else {
						require.Equal(t, []string{read}, asked)
					}
					time.Sleep(time.Minute)
				}
			}
		})
	})

	t.Run("concurrent callers share one login", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("90")
			proceed := make(chan struct{})
			l.answerFunc(loginPath, func(request) reply {
				<-proceed
				return reply{status: http.StatusOK, body: loginBody("hvs.shared", "90")}
			})
			p := l.provider(t)
			var callers sync.WaitGroup
			for range 10 {
				callers.Go(func() { assert.Equal(t, tokenA, token(t, p)) })
			}
			synctest.Wait()
			ctx, cancel := context.WithCancel(context.Background())
			left := make(chan error)
			go func() {
				_, err := p.Token(ctx)
				left <- err
			}()
			synctest.Wait()
			cancel()
			err := <-left
			require.EqualError(t, err, "vault: auth/approle/login: context canceled")
			close(proceed)
			callers.Wait()
			asked := l.asked()
			assert.Len(t, asked, 11)
			assert.Equal(t, login, asked[0])
			assert.NotContains(t, asked[1:], login)
		})
	})
}

func TestRefusedVaultToken(t *testing.T) {
	t.Run("revoked Vault token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("3600")
			p := l.provider(t)
			token(t, p)
			l.revoke("hvs.1")
			l.asked()
			assert.Equal(t, tokenA, token(t, p))
			assert.Equal(t, []string{read, login, read}, l.asked())
			token(t, p)
			assert.Equal(t, []string{read}, l.asked())
			// Again without a backoff, as the read in between succeeded.
			l.revoke("hvs.2")
			token(t, p)
			assert.Equal(t, []string{read, login, read}, l.asked())
		})
	})

	t.Run("slow refused read after a login", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("3600")
			p := l.provider(t)
			l.answerFunc(dataPath, func(request) reply {
				time.Sleep(2 * time.Second) // longer than the first pause between logins
				return reply{status: http.StatusForbidden, body: deniedBody}
			})
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "permission denied")
			assert.Equal(t, []string{login, read}, l.asked())
		})
	})

	t.Run("callers refused together", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("3600")
			p := l.provider(t)
			token(t, p)
			l.asked()
			refuse := make(chan struct{})
			l.answerFunc(dataPath, func(r request) reply {
				if r.Token == "hvs.1" {
					<-refuse
					return reply{status: http.StatusForbidden, body: badTokenBody}
				}
				return reply{status: http.StatusOK, body: kv2Body(tokenField(tokenA))}
			})
			var callers sync.WaitGroup
			for range 5 {
				callers.Go(func() { assert.Equal(t, tokenA, token(t, p)) })
			}
			synctest.Wait()
			close(refuse)
			callers.Wait()
			assert.ElementsMatch(t, []string{read, read, read, read, read, login, read, read, read, read,
				read}, l.asked())
		})
	})

	t.Run("refused caller leaves during a login", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("3600")
			p := l.provider(t)
			token(t, p)
			l.revoke("hvs.1")
			proceed := make(chan struct{})
			l.answerFunc(loginPath, func(request) reply {
				<-proceed
				return reply{status: http.StatusOK, body: loginBody("hvs.2", "3600")}
			})
			var callers sync.WaitGroup
			callers.Go(func() { assert.Equal(t, tokenA, token(t, p)) })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := p.Token(ctx)
			require.EqualError(t, err, "vault: auth/approle/login: context deadline exceeded")
			close(proceed)
			callers.Wait()
		})
	})

	t.Run("login fails after a refused read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("3600")
			p := l.provider(t)
			token(t, p)
			l.revoke("hvs.1")
			l.answer(loginPath, http.StatusBadRequest, badLoginBody)
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "vault: auth/approle/login at http://vault.test:8200: login "+
				"refused (400)")
			_, err = p.Token(context.Background())
			require.ErrorContains(t, err, "vault: secret/data/toloka at http://vault.test:8200: "+
				"permission denied", "no login during the backoff")
		})
	})
}

func TestLoginBackoff(t *testing.T) {
	t.Run("policy taken away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("0")
			p := l.provider(t)
			l.answer(dataPath, http.StatusForbidden, deniedBody)
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "permission denied: policy needs read on secret/data/toloka")
			assert.Equal(t, []string{login, read}, l.asked(), "no second login in one call")

			var logins, reads int
			for range 3600 {
				_, err := p.Token(context.Background())
				require.ErrorIs(t, err, credentials.ErrInvalid)
				for _, r := range l.asked() {
					if r == login {
						logins++
					} else {
						reads++
					}
				}
				time.Sleep(time.Second)
			}
			// 1, 2, 4, 8, 16, 32 and then 60 s apart.
			assert.Equal(t, 5+1+(3600-63)/60, logins)
			assert.Equal(t, 3600+logins, reads)

			l.answer(dataPath, http.StatusOK, kv2Body(tokenField(tokenA)))
			assert.Equal(t, tokenA, token(t, p))
		})
	})

	t.Run("failing login", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("3600")
			p, err := vault.New(clientOf(t, l), kv2, vault.WithAuth(vault.JWT("role", vault.Value(jwt),
				vault.AtMount("approle"))))
			require.NoError(t, err)
			l.answer(loginPath, http.StatusBadRequest, badLoginBody)
			at := func(seconds float64, want ...string) error {
				time.Sleep(time.Duration(seconds * float64(time.Second)))
				_, err := p.Token(context.Background())
				require.ErrorIs(t, err, credentials.ErrInvalid)
				assert.Equal(t, want, l.asked())
				return err
			}
			first := at(0, login)
			err = at(0.9)
			require.EqualError(t, err, "vault: auth/approle/login at http://vault.test:8200: login refused "+
				"(400): check the mount of the auth method, the role and its secret"+
				`; Vault says "invalid role or secret ID" (next login in 100ms)`)
			require.ErrorIs(t, err, first)
			at(0.1, login)
			at(1.9)
			at(0.1, login)
			at(3.9)
			at(0.1, login)
			for range 3 {
				at(60, login)
			}
			at(59.9)
			l.recover()
			time.Sleep(time.Second / 10)
			assert.Equal(t, tokenA, token(t, p))
		})
	})

	t.Run("caller that left and missing file do not count", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("90")
			file := filepath.Join(t.TempDir(), "secret-id")
			p, err := vault.New(clientOf(t, l), kv2, vault.WithAuth(vault.AppRole("role-id",
				vault.File(file))))
			require.NoError(t, err)
			_, err = p.Token(context.Background())
			require.ErrorContains(t, err, "no such file")
			write(t, file, secretID)
			l.answerFunc(loginPath, func(request) reply {
				time.Sleep(2 * time.Second)
				return reply{status: http.StatusOK, body: loginBody("hvs.late", "90")}
			})
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err = p.Token(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, tokenA, token(t, p))
			// The response for the caller that left arrives.
			time.Sleep(time.Minute)
		})
	})

	t.Run("hanging Vault counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("90")
			p := l.provider(t)
			release := make(chan struct{})
			l.answerFunc(loginPath, func(request) reply {
				<-release
				return reply{status: http.StatusServiceUnavailable, body: sealedBody}
			})
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "no answer within 4s")
			_, err = p.Token(context.Background())
			require.ErrorContains(t, err, "no answer within 4s (next login in 1s)")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			close(release)
		})
	})

	t.Run("lease ended after refused reads", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("1")
			l.answer(dataPath, http.StatusForbidden, deniedBody)
			p := l.provider(t)
			for range 8 {
				_, err := p.Token(context.Background())
				require.Error(t, err)
				time.Sleep(time.Minute)
			}
			_, err := p.Token(context.Background())
			require.Error(t, err)
			time.Sleep(time.Second)
			_, err = p.Token(context.Background())
			require.EqualError(t, err, "vault: auth/approle/login: no read succeeded after the last login "+
				"(next login in 59s)")
		})
	})
}

func TestLoginDuringLease(t *testing.T) {
	t.Run("failing login is logged", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var logged bytes.Buffer
			log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
			l := newLeasing("90")
			p := l.provider(t, vault.WithLogger(log))
			token(t, p)
			assert.Equal(t, "level=DEBUG msg=\"logged in to vault\" method=auth/approle/login "+
				"lease=1m30s\n", withoutTime(logged.String()))
			logged.Reset()
			l.answer(loginPath, http.StatusServiceUnavailable, sealedBody)
			time.Sleep(time.Minute)
			assert.Equal(t, tokenA, token(t, p))
			assert.Equal(t, `level=WARN msg="vault login failed; the previous Vault token is used until its `+
				`lease ends" lease_ends=2000-01-01T00:01:30.000Z `+
				`error="vault: auth/approle/login at http://vault.test:8200: Vault is sealed, or down for `+
				`maintenance (503): unseal it; Vault says \"Vault is sealed\""`+"\n",
				withoutTime(logged.String()))
			logged.Reset()
			l.asked()
			assert.Equal(t, tokenA, token(t, p))
			assert.Equal(t, []string{read}, l.asked(), "no login and no log line during the backoff")
			assert.Empty(t, logged.String())

			time.Sleep(30*time.Second - time.Nanosecond)
			assert.Equal(t, tokenA, token(t, p))
			time.Sleep(time.Nanosecond)
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "Vault is sealed", "the lease has ended")
			l.recover()
			time.Sleep(time.Minute)
			assert.Equal(t, tokenA, token(t, p))
		})
	})

	t.Run("end of the lease is logged in UTC", func(t *testing.T) {
		local := time.Local
		defer func() { time.Local = local }()
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("+0545", (5*60+45)*60),
			time.FixedZone("-0930", -(9*60+30)*60)} {
			time.Local = zone
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				l := newLeasing("90")
				p := l.provider(t, vault.WithLogger(slog.New(slog.NewJSONHandler(&logged, nil))))
				token(t, p)
				l.answer(loginPath, http.StatusServiceUnavailable, sealedBody)
				time.Sleep(time.Minute)
				token(t, p)
				assert.Contains(t, logged.String(), `"lease_ends":"2000-01-01T00:01:30Z"`, zone.String())
			})
		}
	})

	t.Run("hanging login leaves time for the read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("90")
			p := l.provider(t)
			token(t, p)
			time.Sleep(time.Minute)
			l.asked()
			release := make(chan struct{})
			l.answerFunc(loginPath, func(request) reply {
				<-release
				return reply{status: http.StatusServiceUnavailable, body: sealedBody}
			})
			start := time.Now()
			assert.Equal(t, tokenA, token(t, p))
			assert.Equal(t, 2*time.Second, time.Since(start))
			assert.Equal(t, tokenA, token(t, p))
			assert.Equal(t, []string{login, read, read}, l.asked())
			close(release)
		})
	})
}

var timeAttr = regexp.MustCompile(`(?m)^time=\S+ `)

func withoutTime(log string) string { return timeAttr.ReplaceAllString(log, "") }
