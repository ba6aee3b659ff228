package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/vaulttest"
)

// service is a checker that reads from a Vault, with its platform and its log.
type service struct {
	*health.Checker
	platform *requestertest.Server
	vault    *vaulttest.Recorder // requests to Vault; nil if they are not recorded
	first    credentials.Token   // accepted by the platform, and stored in Vault

	mu       sync.Mutex
	statuses []health.Status // since the start
	logged   bytes.Buffer
}

// newService returns a service whose requests to Vault are recorded. It is not started.
func newService(t *testing.T, w *world, opts ...health.Option) *service {
	t.Helper()
	provider, recorder := w.approle()
	s := newServiceOn(t, w, provider, opts...)
	s.vault = recorder
	return s
}

// newServiceOn writes a token that the platform accepts to Vault, and returns a service that is not
// started.
func newServiceOn(t *testing.T, w *world, provider credentials.Provider,
	opts ...health.Option) *service {
	t.Helper()
	s := &service{platform: requestertest.NewServer()}
	t.Cleanup(s.platform.Close)
	s.first = s.platform.IssueToken("")
	w.put(s.first.Reveal())
	const interval = 500 * time.Millisecond // a call has as long
	client, err := requester.New(requester.Production,
		requester.WithBaseURL(s.platform.URL), requester.WithTimeout(interval))
	require.NoError(t, err)
	opts = append([]health.Option{
		health.WithClient(client), health.WithInterval(interval),
		health.WithRejectionRecheck(50 * time.Millisecond),
		health.WithLogger(slog.New(slog.NewJSONHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		health.OnChange(s.changed),
	}, opts...)
	s.Checker, err = health.New(provider, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *service) changed(_, now *health.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses = append(s.statuses, now.Status())
}

// Write receives the log of the checker.
func (s *service) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logged.Write(p)
}

func (s *service) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logged.String()
}

func (s *service) reached() []health.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]health.Status(nil), s.statuses...)
}

// becomes waits for a reason.
func (s *service) becomes(t testing.TB, reason health.Reason) {
	t.Helper()
	process.Await(t, reason.String(), func() error {
		if now := s.Snapshot().Reason(); now != reason {
			return fmt.Errorf("the reason is %s", now)
		}
		return nil
	})
	assert.Equal(t, reason.Status(), s.Snapshot().Status())
}

// uses waits until the checker uses the token.
func (s *service) uses(t testing.TB, want credentials.Token) {
	t.Helper()
	process.Await(t, "another token to be used", func() error {
		token, err := s.Snapshot().Token()
		if err == nil && !token.Equal(want) {
			err = fmt.Errorf("the token in use is %s, not %s", token.Fingerprint(), want.Fingerprint())
		}
		return err
	})
}

// logsIn waits for more logins to the Vault.
func (s *service) logsIn(t testing.TB, more int) {
	t.Helper()
	logins := 0
	process.Await(t, fmt.Sprintf("%d logins", more), func() error {
		if logins += count(s.vault.TakeLines(), login); logins < more {
			return fmt.Errorf("there were %d", logins)
		}
		return nil
	})
}

// rotates writes a new token to Vault and waits until the checker uses it.
func (s *service) rotates(t testing.TB, w *world) {
	t.Helper()
	next := s.platform.IssueToken("")
	w.put(next.Reveal())
	s.uses(t, next)
}

func TestVaultService(t *testing.T) {
	w := newWorld(t)

	t.Run("rotation", func(t *testing.T) {
		s := newService(t, w)
		require.NoError(t, s.Start(context.Background()))
		s.uses(t, s.first)
		s.rotates(t, w)
		s.platform.DeleteToken(s.first)
		s.becomes(t, health.ReasonVerified)
		s.rotates(t, w)
		require.NoError(t, s.Check(context.Background()))
		for _, status := range s.reached()[1:] { // the first is the start
			assert.Equal(t, health.StatusPass, status)
		}
		assert.Contains(t, s.log(), `"token.source":"vault:secret/data/toloka#token"`)
		assert.NotContains(t, s.log(), s.first.Reveal())
	})

	t.Run("rotation to a token that the platform refuses", func(t *testing.T) {
		s := newService(t, w)
		require.NoError(t, s.Start(context.Background()))
		w.put(tokenB)
		s.becomes(t, health.ReasonRotationRejected)
		s.uses(t, s.first)
		s.rotates(t, w)
		s.becomes(t, health.ReasonVerified)
	})

	t.Run("one read per check", func(t *testing.T) {
		s := newService(t, w)
		require.NoError(t, s.Start(context.Background()))
		require.NoError(t, s.platform.WaitCount(t.Context(), 10))
		require.NoError(t, s.Close())
		asked := s.vault.TakeLines()
		assert.Equal(t, login, asked[0])
		assert.Equal(t, 1, count(asked, login))
		assert.InDelta(t, s.platform.Count(), count(asked, read), 1,
			"Close may come between the read and the call of the last check")
		assert.Len(t, asked, 1+count(asked, read))
	})

	for _, tc := range []struct {
		name      string
		bad, good func()
		logged    string
	}{
		{"sealed and unsealed", w.Seal, w.Unseal, "Vault is sealed, or down for maintenance (503)"},
		{"killed and restarted", w.Kill, func() { w.Restart(); w.Unseal() }, "cannot be reached: dial tcp "},
		{"policy taken away and restored", w.forbid, w.allow,
			"permission denied: policy needs read on secret/data/toloka"},
		{"version deleted and undeleted", func() { w.Delete(dataPath) }, w.undelete,
			"deleted: undelete it, or write the token again"},
	} {
		t.Run("outage/"+tc.name, func(t *testing.T) {
			provider, err := vault.New(w.Client(""), secret,
				vault.WithAuth(vault.AppRole(w.roleID, vault.Value(w.secretID()))))
			require.NoError(t, err)
			s := newServiceOn(t, w, provider)
			require.NoError(t, s.Start(context.Background()))
			tc.bad()
			s.becomes(t, health.ReasonSourceUnavailable)
			s.uses(t, s.first)
			require.NoError(t, s.Check(context.Background()))
			verified := s.Snapshot().State().VerifiedAt
			process.Await(t, "another verification", func() error {
				if !s.Snapshot().State().VerifiedAt.After(verified) {
					return fmt.Errorf("the last one was at %s", verified)
				}
				return nil
			})
			s.becomes(t, health.ReasonSourceUnavailable)
			tc.good()
			s.becomes(t, health.ReasonVerified)
			assert.NotContains(t, s.reached(), health.StatusFail)
			assert.Equal(t, 1, strings.Count(s.log(), `"reason":"source_unavailable"`),
				"one line in all, not one per check")
			assert.Contains(t, s.log(), tc.logged)
			s.rotates(t, w)
		})
	}

	t.Run("revoked Vault token", func(t *testing.T) {
		s := newService(t, w)
		require.NoError(t, s.Start(context.Background()))
		var vaultToken string
		for _, r := range s.vault.Take() {
			vaultToken = r.Header.Get("X-Vault-Token")
		}
		w.Write("auth/token/revoke", map[string]any{"token": vaultToken})
		s.logsIn(t, 1)
		s.rotates(t, w)
		assert.Zero(t, count(s.vault.TakeLines(), login), "one login")
		for _, status := range s.reached()[1:] {
			assert.Equal(t, health.StatusPass, status)
		}
		assert.NotContains(t, s.log(), vaultToken)
	})

	t.Run("leases of seconds", func(t *testing.T) {
		w.role(lease)
		defer w.role(time.Hour)
		s := newService(t, w)
		require.NoError(t, s.Start(context.Background()))
		s.logsIn(t, 3)
		s.becomes(t, health.ReasonVerified)
		for _, status := range s.reached()[1:] {
			assert.Equal(t, health.StatusPass, status)
		}
	})

	t.Run("start while Vault is sealed", func(t *testing.T) {
		s := newService(t, w, health.WithStartupTimeout(500*time.Millisecond))
		w.Seal()
		require.NoError(t, s.Start(context.Background()))
		s.becomes(t, health.ReasonNoCredential)
		require.Error(t, s.Check(context.Background()))
		w.Unseal()
		s.becomes(t, health.ReasonVerified)
	})

	t.Run("start without the policy and without the secret", func(t *testing.T) {
		s := newService(t, w)
		w.forbid()
		err := s.Start(context.Background())
		require.ErrorIs(t, err, credentials.ErrInvalid)
		require.ErrorContains(t, err, "permission denied: policy needs read on secret/data/toloka")
		w.allow()
		w.Delete("secret/metadata/toloka")
		err = s.Start(context.Background())
		require.ErrorIs(t, err, credentials.ErrNotFound)
		require.ErrorContains(t, err, "no such secret: write it with 'vault kv put -mount=secret toloka "+
			"token=-'")
		w.put(s.first.Reveal())
		require.NoError(t, s.Start(context.Background()))
	})
}
