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

// lease is short, because Vault's clock cannot be set. It is longer than the provider's timeout of
// 4 s, so that a lease does not end during the call that has logged in, not even on a slow machine.
const lease = 6 * time.Second

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

	t.Run("audit log shows one login and one read per call", func(t *testing.T) {
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

	t.Run("login before the lease ends", func(t *testing.T) {
		w.role(lease)
		defer w.role(time.Hour)
		p, recorder := w.approle()
		logins, start := 0, time.Now()
		process.Await(t, "a second login", func() error {
			called := time.Now()
			_, err := p.Token(context.Background())
			took := time.Since(called)
			asked := recorder.TakeLines()
			// A slower call may outlast the lease: that says something about the machine only.
			if took < lease/3 {
				assert.NoError(t, err)
				assert.Contains(t, [][]string{{read}, {login, read}}, asked)
			}
			if logins += count(asked, login); logins < 2 {
				return fmt.Errorf("logins so far: %d", logins)
			}
			return nil
		})
		assert.GreaterOrEqual(t, time.Since(start), lease*2/3,
			"a login is used for two thirds of its lease")
	})

	t.Run("lease ended between two calls", func(t *testing.T) {
		w.role(lease)
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		w.role(time.Hour) // for the next login
		first := recorder.Take()[1].Header.Get("X-Vault-Token")
		process.Await(t, "the end of the lease", func() error {
			_, err := w.Root().Auth().Token().Lookup(first)
			var answer *api.ResponseError
			if errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden {
				return nil
			}
			return fmt.Errorf("lookup of the token: %v", err)
		})
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{login, read}, recorder.TakeLines())
	})

	t.Run("revoked Vault token", func(t *testing.T) {
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		w.Write("auth/token/revoke",
			map[string]any{"token": recorder.Take()[1].Header.Get("X-Vault-Token")})
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{read, login, read}, recorder.TakeLines())
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{read}, recorder.TakeLines())
	})

	t.Run("policy taken away and restored", func(t *testing.T) {
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		recorder.Take()
		w.forbid()
		start := time.Now()
		wantError(t, p, credentials.ErrInvalid, "permission denied: policy needs read on "+
			"secret/data/toloka")
		for range 20 {
			wantError(t, p, credentials.ErrInvalid, "permission denied")
		}
		asked := recorder.TakeLines()
		// The first one immediately, then with pauses of 1 s, 2 s, 4 s and so on.
		most := bits.Len(uint(time.Since(start)/time.Second) + 1)
		assert.LessOrEqual(t, count(asked, login), most, "backoff of logins")
		w.allow()
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{read}, recorder.TakeLines(), "no login is needed")
	})

	t.Run("revoked secret id", func(t *testing.T) {
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		w.Write("auth/token/revoke",
			map[string]any{"token": recorder.Take()[1].Header.Get("X-Vault-Token")})
		w.Delete("auth/approle/role/toloka")
		defer w.role(time.Hour)
		wantError(t, p, credentials.ErrInvalid, "auth/approle/login", "login refused (400)",
			"invalid role or secret ID")
	})
}

func TestVaultOutages(t *testing.T) {
	w := newWorld(t)
	p, recorder := w.approle()
	direct := w.given(secret)
	wantToken(t, p, tokenA)

	t.Run("sealed", func(t *testing.T) {
		recorder.Take()
		w.Seal()
		wantError(t, p, nil, "Vault is sealed, or down for maintenance (503): unseal it")
		wantError(t, credentials.Chain(direct, credentials.Static(tokenB)), nil, "Vault is sealed")
		w.Unseal()
		wantToken(t, p, tokenA)
		assert.Equal(t, []string{read, read}, recorder.TakeLines())
	})

	t.Run("killed and restarted", func(t *testing.T) {
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

	t.Run("login after unsealing", func(t *testing.T) {
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

// TestVaultRoleIsNotLocked runs one service with a wrong secret id and one with a valid one. Vault
// locks a role for all its users at the fifth refusal.
func TestVaultRoleIsNotLocked(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "secret-id")
	require.NoError(t, os.WriteFile(file, []byte("mistyped"), 0o600))
	recorder := vaulttest.Record(t, w.Server)
	mistaken, err := vault.New(vaulttest.NewClient(t, recorder.Address, ""), secret,
		vault.WithAuth(vault.AppRole(w.roleID, vault.File(file))))
	require.NoError(t, err)
	process.Await(t, "the secret id not to be sent again", func() error {
		_, err := mistaken.Token(context.Background())
		if errors.Is(err, credentials.ErrInvalid) &&
			strings.Contains(err.Error(), "unless it changes: Vault locks a role after 5 refusals") {
			return nil
		}
		return fmt.Errorf("the error is %v", err)
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

	// Without that protection Vault locks the role.
	for range 5 {
		_, err := vault.AppRole(w.roleID, vault.Value("mistyped")).Login(context.Background(),
			w.Client(""))
		require.Error(t, err)
	}
	locked, _ := w.approle()
	wantError(t, locked, credentials.ErrInvalid, "login refused (403)")
}
