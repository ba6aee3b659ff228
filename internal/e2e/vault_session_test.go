package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/vaulttest"
)

// lease is short, as Vault's clock cannot be set, and still longer than a provider waits for Vault: on a slow machine a
// call may fail, but it is not overtaken by the end of the lease that its own login has brought.
const lease = vault.DefaultTimeout + 2*time.Second

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
		w.role(lease)
		defer w.role(time.Hour)
		p, recorder := w.approle()
		logins, start := 0, time.Now()
		process.Await(t, "a second login", func() error {
			called := time.Now()
			_, err := p.Token(context.Background())
			took := time.Since(called)
			asked := recorder.TakeLines()
			// A call that takes the third of the lease that is left when a login is due tells of the machine only.
			if took < lease/3 {
				assert.NoError(t, err)
				assert.Contains(t, [][]string{{read}, {login, read}}, asked)
			}
			if logins += count(asked, login); logins < 2 {
				return fmt.Errorf("logins so far: %d", logins)
			}
			return nil
		})
		assert.GreaterOrEqual(t, time.Since(start), lease*2/3, "the first login is good for two thirds of its lease")
	})

	t.Run("a lease that ended between two refreshes", func(t *testing.T) {
		w.role(lease)
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		w.role(time.Hour) // the next login's lease is not what this is about
		first := recorder.Take()[1].Header.Get("X-Vault-Token")
		process.Await(t, "the end of the lease", func() error {
			_, err := w.Root().Auth().Token().Lookup(first)
			var answer *api.ResponseError
			if errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden {
				return nil
			}
			return fmt.Errorf("Vault says of its token: %v", err)
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
		start := time.Now()
		wantError(t, p, credentials.ErrInvalid, "permission denied: policy needs read on secret/data/toloka")
		for range 20 {
			wantError(t, p, credentials.ErrInvalid, "permission denied")
		}
		asked := recorder.TakeLines()
		// One at once, and then 1, 2, 4 s and so on apart.
		most := bits.Len(uint(time.Since(start)/time.Second) + 1)
		assert.LessOrEqual(t, count(asked, login), most, "logins are held back when they are no help")
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
		process.Await(t, "the next login", func() error {
			_, err := late.Token(context.Background())
			return err
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
	process.Await(t, "the login to be held back", func() error {
		_, err := mistaken.Token(context.Background())
		if errors.Is(err, credentials.ErrInvalid) && strings.Contains(err.Error(), "unless it changes: Vault locks a role after 5 refusals") {
			return nil
		}
		return fmt.Errorf("the error is now %v", err)
	})
	for range 10 {
		wantError(t, mistaken, credentials.ErrInvalid, "login refused (400)")
	}
	assert.Equal(t, []string{login, login}, recorder.TakeLines())

	good, _ := w.approle()
	wantToken(t, good, tokenA)
	require.NoError(t, os.WriteFile(file, []byte(w.secretID()), 0o600))
	process.Await(t, "a login with the corrected secret id", func() error {
		_, err := mistaken.Token(context.Background())
		return err
	})

	// That Vault does lock it otherwise.
	for range 5 {
		_, err := vault.AppRole(w.roleID, vault.Value("mistyped")).Login(context.Background(), w.Client(""))
		require.Error(t, err)
	}
	locked, _ := w.approle()
	wantError(t, locked, credentials.ErrInvalid, "login refused (403)")
}
