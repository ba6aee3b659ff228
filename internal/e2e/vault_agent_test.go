package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
	"github.com/tolokacheck/tolokacheck/internal/e2e/vaulttest"
)

// TestVaultAgent runs an Agent in the three ways of the documentation. It logs in with Kubernetes'
// method, against the jwt method at that mount.
func TestVaultAgent(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(in("service-account"), []byte(w.serviceAccountToken()), 0o600))
	listener := process.Reserve(t)
	w.Agent(`
auto_auth {
  method "kubernetes" {
    config = { role = "toloka", token_path = "` + in("service-account") + `" }
  }
  sink "file" { config = { path = "` + in("sink") + `" } }
}
template_config { static_secret_render_interval = "1s" }
template {
  contents    = "{{ with secret \"secret/data/toloka\" }}{{ .Data.data.token }}{{ end }}"
  destination = "` + in("toloka-token") + `"
  perms       = "0400"
}
api_proxy { use_auto_auth_token = true }
listener "tcp" {
  address     = "` + listener + `"
  tls_disable = true
}
`)
	delivers := func(p credentials.Provider, want string) {
		t.Helper()
		process.Await(t, "a token", func() error {
			token, err := p.Token(context.Background())
			if err == nil && token.Reveal() != want {
				err = fmt.Errorf("the token is %s", token)
			}
			return err
		})
	}

	t.Run("writes the token to a file", func(t *testing.T) {
		p := credentials.File(in("toloka-token"))
		delivers(p, tokenA)
		w.put(tokenB)
		delivers(p, tokenB)
		w.put(tokenA)
		delivers(p, tokenA)
	})

	t.Run("logs in and writes a sink", func(t *testing.T) {
		p, err := vault.New(w.Client(""), secret, vault.WithAuth(vault.Token(vault.File(in("sink")))))
		require.NoError(t, err)
		delivers(p, tokenA)
	})

	t.Run("listens and adds its Vault token", func(t *testing.T) {
		p, err := vault.New(vaulttest.NewClient(t, "http://"+listener, ""), secret)
		require.NoError(t, err)
		delivers(p, tokenA)
	})
}
