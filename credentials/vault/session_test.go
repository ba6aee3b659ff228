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

// leasing is a fake whose logins give hvs.1, hvs.2 and so on, which Vault takes until they are
// revoked.
type leasing struct {
	*fakeVault
	mu      sync.Mutex
	lease   string
	issued  int
	revoked map[string]bool
}

func newLeasing(seconds string) *leasing {
	l := &leasing{fakeVault: newFakeVault(), lease: seconds, revoked: map[string]bool{}}
	l.mend()
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

func (l *leasing) mend() {
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
	p, err := vault.New(clientOf(t, l), append(opts, kv2, vault.WithAuth(vault.AppRole("role-id", vault.Value(secretID))))...)
	require.NoError(t, err)
	return p
}

func TestLease(t *testing.T) {
	t.Run("a login lasts for two thirds of the lease", func(t *testing.T) {
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

	t.Run("a lease counts from when the login was sent", func(t *testing.T) {
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

	t.Run("a lease of zero never ends", func(t *testing.T) {
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

	t.Run("no refresh takes more than one login and one read, whatever the lease", func(t *testing.T) {
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

	t.Run("callers that come together share one login", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("90")
			mended := make(chan struct{})
			l.answerFunc(loginPath, func(request) reply {
				<-mended
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
			close(mended)
			callers.Wait()
			asked := l.asked()
			assert.Len(t, asked, 11)
			assert.Equal(t, login, asked[0])
			assert.NotContains(t, asked[1:], login)
		})
	})
}

func TestLoginAgain(t *testing.T) {
	t.Run("a revoked Vault token costs one more login and one more read", func(t *testing.T) {
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
			// And at once again, as the read in between was good.
			l.revoke("hvs.2")
			token(t, p)
			assert.Equal(t, []string{read, login, read}, l.asked())
		})
	})

	t.Run("a policy that is taken away does not make a login of every refresh", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("0")
			p := l.provider(t)
			l.answer(dataPath, http.StatusForbidden, deniedBody)
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "permission denied: policy needs read on secret/data/toloka")
			assert.Equal(t, []string{login, read}, l.asked(), "after a login that was just made another one is no help")

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

	t.Run("a refresh does not log in twice, however slow its read", func(t *testing.T) {
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

	t.Run("a login that fails is not tried at every call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("3600")
			p, err := vault.New(clientOf(t, l), kv2, vault.WithAuth(vault.JWT("role", vault.Value(jwt), vault.AtMount("approle"))))
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
			require.EqualError(t, err, "vault: auth/approle/login at http://vault.test:8200: login refused (400): check that the auth method is mounted there, the role, and its secret"+
				`; Vault says "invalid role or secret ID" (no new login for 100ms)`)
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
			l.mend()
			time.Sleep(time.Second / 10)
			assert.Equal(t, tokenA, token(t, p))
		})
	})

	t.Run("a login that fails while the lease goes on does no harm, and is logged", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var logged bytes.Buffer
			log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
			l := newLeasing("90")
			p := l.provider(t, vault.WithLogger(log))
			token(t, p)
			assert.Equal(t, "level=DEBUG msg=\"logged in to vault\" method=auth/approle/login lease=1m30s\n", withoutTime(logged.String()))
			logged.Reset()
			l.answer(loginPath, http.StatusServiceUnavailable, sealedBody)
			time.Sleep(time.Minute)
			assert.Equal(t, tokenA, token(t, p))
			assert.Equal(t, `level=WARN msg="vault login failed, going on with the Vault token until its lease ends" lease_ends=2000-01-01T00:01:30.000Z `+
				`error="vault: auth/approle/login at http://vault.test:8200: Vault is sealed, or down for maintenance (503): unseal it; Vault says \"Vault is sealed\""`+"\n", withoutTime(logged.String()))
			logged.Reset()
			l.asked()
			assert.Equal(t, tokenA, token(t, p))
			assert.Equal(t, []string{read}, l.asked(), "within the backoff there is no login, and no line")
			assert.Empty(t, logged.String())

			time.Sleep(30*time.Second - time.Nanosecond)
			assert.Equal(t, tokenA, token(t, p))
			time.Sleep(time.Nanosecond)
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "Vault is sealed", "the lease has ended")
			l.mend()
			time.Sleep(time.Minute)
			assert.Equal(t, tokenA, token(t, p))
		})
	})

	t.Run("the end of the lease is logged in UTC, whatever the machine's time zone", func(t *testing.T) {
		local := time.Local
		defer func() { time.Local = local }()
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("+0545", (5*60+45)*60), time.FixedZone("-0930", -(9*60+30)*60)} {
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

	t.Run("a login that hangs while the lease goes on leaves the read its time", func(t *testing.T) {
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

	t.Run("a caller who leaves, and a file that is not there yet, do not hold up the next login", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("90")
			file := filepath.Join(t.TempDir(), "secret-id")
			p, err := vault.New(clientOf(t, l), kv2, vault.WithAuth(vault.AppRole("role-id", vault.File(file))))
			require.NoError(t, err)
			_, err = p.Token(context.Background())
			require.ErrorContains(t, err, "the file does not exist")
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
			// The answer to the caller who has left comes late, and nobody is there.
			time.Sleep(time.Minute)
		})
	})

	t.Run("a Vault that hangs does hold it up", func(t *testing.T) {
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
			require.ErrorContains(t, err, "no answer within 4s (no new login for 1s)")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			close(release)
		})
	})

	t.Run("a lease that ended after reads were refused says so", func(t *testing.T) {
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
			require.EqualError(t, err, "vault: auth/approle/login: the last login did not lead to a read (no new login for 59s)")
		})
	})

	t.Run("callers who are refused together log in once", func(t *testing.T) {
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
			assert.ElementsMatch(t, []string{read, read, read, read, read, login, read, read, read, read, read}, l.asked())
		})
	})

	t.Run("a caller who is refused and leaves while another one logs in", func(t *testing.T) {
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

	t.Run("a login that fails after a 403 is the error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLeasing("3600")
			p := l.provider(t)
			token(t, p)
			l.revoke("hvs.1")
			l.answer(loginPath, http.StatusBadRequest, badLoginBody)
			_, err := p.Token(context.Background())
			require.ErrorContains(t, err, "vault: auth/approle/login at http://vault.test:8200: login refused (400)")
			_, err = p.Token(context.Background())
			require.ErrorContains(t, err, "vault: secret/data/toloka at http://vault.test:8200: permission denied", "no login is due yet")
		})
	})
}

var timeAttr = regexp.MustCompile(`(?m)^time=\S+ `)

func withoutTime(log string) string { return timeAttr.ReplaceAllString(log, "") }
