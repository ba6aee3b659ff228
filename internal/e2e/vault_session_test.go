package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
	"github.com/tolokacheck/tolokacheck/internal/e2e/vaulttest"
)

// eventually tries until what returns true. Vault's clock cannot be set.
func eventually(t testing.TB, what func() bool) {
	t.Helper()
	require.Eventually(t, what, 15*time.Second, 50*time.Millisecond)
}

func count(list []string, want string) (n int) {
	for _, line := range list {
		if line == want {
			n++
		}
	}
	return n
}

func TestVaultSessions(t *testing.T) {
	w := newWorld(t)

	t.Run("by Vault's own count a refresh is one read, and one login at most", func(t *testing.T) {
		audit := w.Audit()
		p, _ := w.approle()
		before := audit()
		for range 20 {
			wantToken(t, p, tokenA)
		}
		asked := audit()[len(before):]
		assert.Len(t, asked, 21)
		assert.Equal(t, "update auth/approle/login", asked[0])
		assert.Equal(t, 20, count(asked, "read secret/data/toloka"))
	})

	t.Run("a lease of seconds is followed by a login in time, so no read is ever refused", func(t *testing.T) {
		w.role(3 * time.Second)
		defer w.role(time.Hour)
		p, recorder := w.approle()
		logins, start := 0, time.Now()
		eventually(t, func() bool {
			wantToken(t, p, tokenA)
			asked := recorder.TakeLines()
			switch len(asked) {
			case 1:
				assert.Equal(t, []string{read}, asked)
			default:
				assert.Equal(t, []string{login, read}, asked)
				logins++
			}
			return logins == 3
		})
		assert.GreaterOrEqual(t, time.Since(start), 4*time.Second, "two leases of 3 s, each for two thirds")
	})

	t.Run("a lease that ended between two refreshes", func(t *testing.T) {
		w.role(time.Second)
		defer w.role(time.Hour)
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		first := recorder.Take()[1].Header.Get("X-Vault-Token")
		eventually(t, func() bool {
			_, err := w.Root().Auth().Token().Lookup(first)
			return err != nil
		})
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{login, read}, recorder.TakeLines())
	})

	t.Run("a revoked Vault token costs one more login and one more read", func(t *testing.T) {
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		w.Write("auth/token/revoke", map[string]any{"token": recorder.Take()[1].Header.Get("X-Vault-Token")})
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{read, login, read}, recorder.TakeLines())
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{read}, recorder.TakeLines())
	})

	t.Run("a policy that is taken away and given back", func(t *testing.T) {
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		recorder.Take()
		w.forbid()
		wantError(t, p, credentials.ErrInvalid, "permission denied: policy needs read on secret/data/toloka")
		for range 20 {
			wantError(t, p, credentials.ErrInvalid, "permission denied")
		}
		asked := recorder.TakeLines()
		assert.LessOrEqual(t, count(asked, login), 3, "logins are held back when they are no help")
		w.allow()
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{read}, recorder.TakeLines(), "a policy takes effect without a login")
	})

	t.Run("a secret id that is revoked is noticed at the next login", func(t *testing.T) {
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		w.Write("auth/token/revoke", map[string]any{"token": recorder.Take()[1].Header.Get("X-Vault-Token")})
		w.Delete("auth/approle/role/toloka")
		defer w.role(time.Hour)
		wantError(t, p, credentials.ErrInvalid, "auth/approle/login", "login refused (400)", "invalid role or secret ID")
	})
}

func TestVaultOutages(t *testing.T) {
	w := newWorld(t)
	p, recorder := w.approle()
	direct := w.given(secret)
	wantToken(t, p, tokenA)

	t.Run("a sealed Vault is not a missing secret, and the login survives it", func(t *testing.T) {
		recorder.Take()
		w.Seal()
		wantError(t, p, nil, "Vault is sealed, or down for maintenance (503): unseal it")
		wantError(t, credentials.Chain(direct, credentials.Static(tokenB)), nil, "Vault is sealed")
		w.Unseal()
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{read, read}, recorder.TakeLines())
	})

	t.Run("a killed Vault cannot be reached, and the login survives its restart", func(t *testing.T) {
		w.Kill()
		wantError(t, direct, nil, "cannot be reached: dial tcp ", "connection refused")
		recorder.Take()
		wantError(t, p, nil, "answered 502 with something that is not Vault's JSON")
		assert.Equal(t, []string{read}, recorder.TakeLines())
		w.Restart()
		wantError(t, p, nil, "Vault is sealed")
		w.Unseal()
		recorder.Take()
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{read}, recorder.TakeLines())
	})

	t.Run("a login to a sealed Vault is tried again when it is unsealed, after the backoff", func(t *testing.T) {
		late, recorder := w.approle()
		w.Seal()
		wantError(t, late, nil, "auth/approle/login", "Vault is sealed")
		w.Unseal()
		eventually(t, func() bool {
			_, err := late.Token(context.Background())
			return err == nil
		})
		assert.Equal(t, []string{login, login, read}, recorder.TakeLines())
	})
}

// TestVaultRoleIsNotLocked has one service with a wrong secret id beside one with a good one.
// Vault locks a role for everybody at the fifth refusal.
func TestVaultRoleIsNotLocked(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "secret-id")
	require.NoError(t, os.WriteFile(file, []byte("mistyped"), 0o600))
	recorder := vaulttest.Record(t, w.Server)
	mistaken, err := vault.New(vaulttest.NewClient(t, recorder.Address, ""), secret, vault.WithAuth(vault.AppRole(w.roleID, vault.File(file))))
	require.NoError(t, err)
	eventually(t, func() bool {
		_, err := mistaken.Token(context.Background())
		return assert.ErrorIs(t, err, credentials.ErrInvalid) && strings.Contains(err.Error(), "unless it changes: Vault locks a role after 5 refusals")
	})
	for range 10 {
		wantError(t, mistaken, credentials.ErrInvalid, "login refused (400)")
	}
	assert.Equal(t, []string{login, login}, recorder.TakeLines())

	good, _ := w.approle()
	wantToken(t, good, tokenA)
	require.NoError(t, os.WriteFile(file, []byte(w.secretID()), 0o600))
	eventually(t, func() bool {
		_, err := mistaken.Token(context.Background())
		return err == nil
	})

	// That Vault does lock it otherwise.
	for range 5 {
		_, err := vault.AppRole(w.roleID, vault.Value("mistyped")).Login(context.Background(), w.Client(""))
		require.Error(t, err)
	}
	locked, _ := w.approle()
	wantError(t, locked, credentials.ErrInvalid, "login refused (403)")
}
