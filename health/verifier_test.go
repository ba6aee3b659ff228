package health_test

import (
	"context"
	"math"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// verifierOf returns a verifier over a fake platform, and a good token of its default account.
func verifierOf(t *testing.T, s health.VerifierSettings) (*health.Verifier, *requestertest.Platform, credentials.Token) {
	t.Helper()
	p := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()))
	require.NoError(t, err)
	v := health.NewVerifier(client, s)
	t.Cleanup(v.Close)
	return v, p, p.IssueToken(requestertest.DefaultAccount().ID)
}

func TestVerifier(t *testing.T) {
	t.Run("gives the account, when it was asked, and how long it took", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{})
			p.SetFaults(requestertest.Delay(2 * time.Second))
			begin := time.Now()
			answer, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
			assert.Equal(t, requestertest.DefaultAccount().ID, answer.Account.ID())
			assert.Equal(t, begin, answer.SentAt)
			assert.Equal(t, 2*time.Second, answer.Latency)
		})
	})
	t.Run("remembers the last answer until it is told to forget", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{})
			_, _, ok := v.Last(token)
			assert.False(t, ok)
			answer, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
			last, err, ok := v.Last(token)
			assert.True(t, ok)
			assert.NoError(t, err)
			assert.Equal(t, answer, last)
			p.DeleteToken(token)
			_, err = v.Verify(t.Context(), token)
			assert.Equal(t, requester.Rejected, requester.ClassOf(err))
			_, err, _ = v.Last(token)
			assert.Equal(t, requester.Rejected, requester.ClassOf(err))
			v.Forget(token)
			_, _, ok = v.Last(token)
			assert.False(t, ok)
		})
	})
	t.Run("tells the same value under two schemes apart", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, _, token := verifierOf(t, health.VerifierSettings{})
			_, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
			_, _, ok := v.Last(token.WithScheme(credentials.SchemeOAuth))
			assert.False(t, ok)
		})
	})
	t.Run("makes one call for all who ask about the same token, and one for each other token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{})
			other := p.IssueToken(requestertest.DefaultAccount().ID)
			release := p.Hold()
			var all sync.WaitGroup
			for range 100 {
				for _, token := range []credentials.Token{token, other} {
					all.Go(func() {
						_, err := v.Verify(t.Context(), token)
						assert.NoError(t, err)
					})
				}
			}
			synctest.Wait()
			release()
			all.Wait()
			assert.Len(t, p.Requests(), 2)
		})
	})
	t.Run("lets a caller leave without disturbing the others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{})
			release := p.Hold()
			ctx, cancel := context.WithCancel(t.Context())
			first, second := make(chan error), make(chan error)
			go func() { _, err := v.Verify(ctx, token); first <- err }()
			synctest.Wait() // the one who leaves is the one who came first
			go func() { _, err := v.Verify(t.Context(), token); second <- err }()
			synctest.Wait()
			cancel()
			err := <-first
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, requester.Cancelled, requester.ClassOf(err))
			release()
			assert.NoError(t, <-second)
		})
	})
	t.Run("opens its breaker after as many failures as it is told, and says so", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{BreakerFailures: 2, BreakerOpen: time.Minute})
			p.SetFaults(requestertest.Status(503))
			for range 2 {
				_, err := v.Verify(t.Context(), token)
				assert.Equal(t, requester.Unavailable, requester.ClassOf(err))
			}
			assert.Equal(t, "open", v.Breaker())
			wait, why := v.Blocked(time.Now())
			assert.Equal(t, time.Minute+time.Millisecond, wait)
			assert.Equal(t, "circuit breaker open", why)
			_, err := v.Verify(t.Context(), token)
			assert.Equal(t, requester.NotAsked, requester.ClassOf(err))
			assert.Len(t, p.Requests(), 2)

			p.ClearFaults()
			time.Sleep(wait)
			_, err = v.Verify(t.Context(), token)
			assert.NoError(t, err, "exactly when it said")
			assert.Equal(t, "closed", v.Breaker())
		})
	})
	t.Run("opens its breaker after three failures for 30 seconds by default", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{})
			p.SetFaults(requestertest.Status(503))
			for range 2 {
				_, _ = v.Verify(t.Context(), token)
			}
			assert.Equal(t, "closed", v.Breaker())
			_, _ = v.Verify(t.Context(), token)
			assert.Equal(t, "open", v.Breaker())
			p.ClearFaults()
			time.Sleep(30 * time.Second)
			_, err := v.Verify(t.Context(), token)
			assert.Equal(t, requester.NotAsked, requester.ClassOf(err))
			time.Sleep(time.Millisecond)
			_, err = v.Verify(t.Context(), token)
			assert.NoError(t, err)
		})
	})
	t.Run("obeys a rate limit for 7 minutes 30 seconds at most by default", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{})
			p.SetFaults(requestertest.RateLimited("31536000"))
			_, err := v.Verify(t.Context(), token)
			require.Error(t, err)
			wait, why := v.Blocked(time.Now())
			assert.Equal(t, 7*time.Minute+30*time.Second, wait)
			assert.Equal(t, "rate limited by the platform", why)
		})
	})
	t.Run("does not let a later rate limit shorten the one that holds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{})
			other := p.IssueToken(requestertest.DefaultAccount().ID)
			p.SetFaults(requestertest.Sequence(
				requestertest.RateLimited("300"),
				requestertest.RateLimited("1")))
			release := p.Hold()
			var both sync.WaitGroup
			for _, token := range []credentials.Token{token, other} {
				both.Go(func() { _, _ = v.Verify(t.Context(), token) })
				synctest.Wait()
			}
			release()
			both.Wait()
			wait, _ := v.Blocked(time.Now())
			assert.Equal(t, 300*time.Second, wait)
		})
	})
	t.Run("asks nobody about the zero token, and does not hold that against the platform", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{BreakerFailures: 1})
			answer, err := v.Verify(t.Context(), credentials.Token{})
			assert.Equal(t, requester.NotAsked, requester.ClassOf(err))
			assert.Zero(t, answer)
			assert.Empty(t, p.Requests())
			_, err = v.Verify(t.Context(), token)
			assert.NoError(t, err)
		})
	})
	t.Run("takes the largest numbers for what they mean", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := requestertest.NewPlatform()
			client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()), requester.WithTimeout(math.MaxInt64))
			require.NoError(t, err)
			v := health.NewVerifier(client, health.VerifierSettings{BreakerFailures: math.MaxInt, BreakerOpen: math.MaxInt64, MaxHold: math.MaxInt64})
			defer v.Close()
			p.SetFaults(requestertest.Delay(time.Second))
			token := p.IssueToken(requestertest.DefaultAccount().ID)
			_, err = v.Verify(t.Context(), token)
			assert.NoError(t, err)
			p.SetFaults(requestertest.Status(503))
			_, _ = v.Verify(t.Context(), token)
			assert.Equal(t, "closed", v.Breaker())
		})
	})
	t.Run("lets one call try when the breaker is half-open", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{BreakerFailures: 1, BreakerOpen: time.Minute})
			other := p.IssueToken(requestertest.DefaultAccount().ID)
			p.SetFaults(requestertest.Status(503))
			_, err := v.Verify(t.Context(), token)
			require.Error(t, err)
			p.ClearFaults()
			release := p.Hold()
			time.Sleep(time.Minute + time.Millisecond)
			probe := make(chan error)
			go func() { _, err := v.Verify(t.Context(), token); probe <- err }()
			synctest.Wait()
			_, err = v.Verify(t.Context(), other)
			assert.EqualError(t, err, "health: the platform was not asked: circuit breaker half-open and busy")
			release()
			assert.NoError(t, <-probe)
		})
	})
	t.Run("is not kept half-open by an answer that does not count", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{BreakerFailures: 1, BreakerOpen: time.Minute})
			p.SetFaults(requestertest.Sequence(requestertest.Status(503), requestertest.RateLimited("")))
			for range 2 {
				_, err := v.Verify(t.Context(), token)
				require.Error(t, err)
				time.Sleep(time.Minute + time.Millisecond)
			}
			p.ClearFaults()
			_, err := v.Verify(t.Context(), token)
			assert.NoError(t, err)
		})
	})
	t.Run("survives a transport that panics, and does not repeat what it said", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
				panic(r.Header.Get("Authorization"))
			})}))
			require.NoError(t, err)
			v := health.NewVerifier(client, health.VerifierSettings{})
			defer v.Close()
			token, err := credentials.ParseToken(tokenA)
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), token)
			assert.EqualError(t, err, "health: the HTTP client panicked with a string")
			assert.Equal(t, requester.Unavailable, requester.ClassOf(err))
		})
	})
	t.Run("does not wait for ever for a transport that ignores its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			client, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
				<-release
				return nil, context.Canceled
			})}))
			require.NoError(t, err)
			v := health.NewVerifier(client, health.VerifierSettings{})
			token, err := credentials.ParseToken(tokenA)
			require.NoError(t, err)
			begin := time.Now()
			_, err = v.Verify(t.Context(), token)
			assert.EqualError(t, err, "health: the HTTP client did not return in time; its transport ignores the request's context")
			assert.Equal(t, requester.Unavailable, requester.ClassOf(err))
			assert.Equal(t, 6*time.Second, time.Since(begin))
			v.Close()
			close(release)
		})
	})
	t.Run("asks nobody after Close, and ends what is in flight", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, p, token := verifierOf(t, health.VerifierSettings{})
			release := p.Hold()
			defer release()
			waiting := make(chan error)
			go func() { _, err := v.Verify(t.Context(), token); waiting <- err }()
			synctest.Wait()
			v.Close()
			v.Close()
			assert.ErrorIs(t, <-waiting, health.ErrClosed)
			synctest.Wait()
			_, _, ok := v.Last(token)
			assert.False(t, ok, "that is no answer to remember")
			_, err := v.Verify(t.Context(), token)
			assert.ErrorIs(t, err, health.ErrClosed)
			assert.Equal(t, requester.Cancelled, requester.ClassOf(err))
			assert.Len(t, p.Requests(), 1)
		})
	})
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
