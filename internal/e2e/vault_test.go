package e2e_test

import (
	"context"
	"errors"
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
	"github.com/tolokacheck/tolokacheck/internal/e2e/vaulttest"
)

const (
	tokenA = "AQVNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	tokenB = "AQVNbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

	dataPath = "secret/data/toloka"
	read     = "GET /v1/secret/data/toloka"
	login    = "PUT /v1/auth/approle/login"
	lookup   = "PUT /v1/sys/wrapping/lookup"
	unwrap   = "PUT /v1/sys/wrapping/unwrap"

	// As in README.md and the package documentation.
	policy = `path "secret/data/toloka" {
  capabilities = ["read"]
}`
)

var secret = vault.KVv2("secret", "toloka")

// world is a Vault set up as in the documentation of the vault package: KV engines of both
// versions, the policy and a role for each login.
type world struct {
	*vaulttest.Server
	t      *testing.T
	issuer *vaulttest.Issuer
	roleID string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Server: vaulttest.Start(t), t: t, issuer: vaulttest.NewIssuer(t)}
	w.Write("sys/mounts/secret", map[string]any{"type": "kv",
		"options": map[string]string{"version": "2"}})
	w.Write("sys/mounts/kv", map[string]any{"type": "kv",
		"options": map[string]string{"version": "1"}})
	w.allow()
	w.Write("sys/auth/approle", map[string]any{"type": "approle"})
	w.role(time.Hour)
	w.roleID = w.read("auth/approle/role/toloka/role-id").Data["role_id"].(string)
	for _, mount := range []string{"jwt", "kubernetes"} {
		w.Write("sys/auth/"+mount, map[string]any{"type": "jwt"})
		w.Write("auth/"+mount+"/config",
			map[string]any{"jwt_validation_pubkeys": []string{w.issuer.PublicKey}})
		w.Write("auth/"+mount+"/role/toloka", map[string]any{
			"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{"vault"},
			"bound_subject": "system:serviceaccount:default:toloka", "token_policies": []string{"toloka"},
			"token_ttl": "1h",
		})
	}
	w.put(tokenA)
	return w
}

// role sets the lease of AppRole logins.
func (w *world) role(ttl time.Duration) {
	w.Write("auth/approle/role/toloka", map[string]any{"token_policies": []string{"toloka"},
		"token_no_default_policy": true, "token_ttl": ttl.String()})
}

func (w *world) allow() { w.Write("sys/policies/acl/toloka", map[string]any{"policy": policy}) }
func (w *world) forbid() {
	w.Write("sys/policies/acl/toloka", map[string]any{"policy": `path "other" {}`})
}
func (w *world) put(tok string) {
	w.Write(dataPath, map[string]any{"data": map[string]any{"token": tok}})
}
func (w *world) secretID() string {
	return w.Write("auth/approle/role/toloka/secret-id", nil).Data["secret_id"].(string)
}

// undelete restores the latest version.
func (w *world) undelete() {
	metadata := w.read("secret/metadata/toloka").Data
	w.Write("secret/undelete/toloka", map[string]any{"versions": []any{metadata["current_version"]}})
}

// wrappedSecretID returns a wrapping token that holds a secret id.
func (w *world) wrappedSecretID() string {
	client := w.Root()
	client.SetWrappingLookupFunc(func(string, string) string { return "60s" })
	answer, err := client.Logical().Write("auth/approle/role/toloka/secret-id", nil)
	require.NoError(w.t, err)
	return answer.WrapInfo.Token
}

func (w *world) serviceAccountToken() string {
	// Issued half a minute ago, so that the test does not depend on equal clocks.
	return w.issuer.Token("system:serviceaccount:default:toloka", "vault",
		time.Now().Add(-30*time.Second))
}

func (w *world) read(path string) *api.Secret {
	answer, err := w.Root().Logical().Read(path)
	require.NoError(w.t, err)
	require.NotNil(w.t, answer)
	return answer
}

// approle returns a provider that logs in by AppRole, and a recorder of its requests.
func (w *world) approle(opts ...vault.Option) (*vault.Provider, *vaulttest.Recorder) {
	w.t.Helper()
	recorder := vaulttest.Record(w.t, w.Server)
	opts = append([]vault.Option{secret, vault.WithAuth(vault.AppRole(w.roleID,
		vault.Value(w.secretID())))}, opts...)
	p, err := vault.New(vaulttest.NewClient(w.t, recorder.Address, ""), opts...)
	require.NoError(w.t, err)
	return p, recorder
}

// given returns a provider with the root token.
func (w *world) given(opts ...vault.Option) *vault.Provider {
	w.t.Helper()
	p, err := vault.New(w.Root(), opts...)
	require.NoError(w.t, err)
	return p
}

func wantToken(t testing.TB, p credentials.Provider, want string) {
	t.Helper()
	token, err := p.Token(context.Background())
	require.NoError(t, err)
	require.Equal(t, want, token.Reveal())
}

// wantError returns the error of a read after checking its kind: credentials.ErrNotFound,
// credentials.ErrInvalid or nil.
func wantError(t testing.TB, p credentials.Provider, kind error, parts ...string) {
	t.Helper()
	_, err := p.Token(context.Background())
	require.Error(t, err)
	for _, part := range parts {
		assert.ErrorContains(t, err, part)
	}
	for _, k := range []error{credentials.ErrNotFound, credentials.ErrInvalid} {
		assert.Equal(t, k == kind, errors.Is(err, k), "errors.Is(%v, %v)", err, k)
	}
}

func TestVaultReads(t *testing.T) {
	w := newWorld(t)

	t.Run("new version is used by the next read", func(t *testing.T) {
		p, recorder := w.approle()
		wantToken(t, p, tokenA)
		w.put(tokenB)
		wantToken(t, p, tokenB)
		assert.Equal(t, []string{login, read, read}, recorder.TakeLines())
		w.put(tokenA)
	})

	t.Run("pinned version", func(t *testing.T) {
		w.Write("secret/data/pinned", map[string]any{"data": map[string]any{"token": tokenA}})
		w.Write("secret/data/pinned", map[string]any{"data": map[string]any{"token": tokenB}})
		wantToken(t, w.given(vault.KVv2("secret", "pinned"), vault.WithVersion(1)), tokenA)
		wantToken(t, w.given(vault.KVv2("secret", "pinned")), tokenB)
		wantError(t, w.given(vault.KVv2("secret", "pinned"), vault.WithVersion(3)),
			credentials.ErrNotFound, "no such secret, or no version 3 of it")
	})

	t.Run("KV v1 with another field", func(t *testing.T) {
		w.Write("kv/team/toloka", map[string]any{"api_key": tokenA, "ttl": "1h"})
		wantToken(t, w.given(vault.KVv1("kv", "team/toloka"), vault.WithField("api_key")), tokenA)
		wantError(t, w.given(vault.KVv1("kv", "team/toloka")), credentials.ErrInvalid,
			`no field "token"; fields: api_key, ttl`)
	})

	t.Run("path that needs escaping", func(t *testing.T) {
		w.Write("secret/data/50% off ü", map[string]any{"data": map[string]any{"token": tokenA}})
		wantToken(t, w.given(vault.KVv2("secret", "50% off ü")), tokenA)
	})

	t.Run("missing secret in a chain", func(t *testing.T) {
		p := w.given(vault.KVv2("secret", "nothing"))
		wantError(t, p, credentials.ErrNotFound, "no such secret")
		wantToken(t, credentials.Chain(p, credentials.Static(tokenB)), tokenB)
	})

	t.Run("deleted, undeleted and destroyed version", func(t *testing.T) {
		w.Write("secret/data/doomed", map[string]any{"data": map[string]any{"token": tokenA}})
		p := w.given(vault.KVv2("secret", "doomed"))
		wantToken(t, p, tokenA)
		w.Delete("secret/data/doomed")
		wantError(t, p, credentials.ErrNotFound, "version 1 deleted")
		w.Write("secret/undelete/doomed", map[string]any{"versions": []int{1}})
		wantToken(t, p, tokenA)
		w.Write("secret/destroy/doomed", map[string]any{"versions": []int{1}})
		wantError(t, p, credentials.ErrNotFound, "version 1 destroyed")
	})

	t.Run("wrong KV version", func(t *testing.T) {
		wantError(t, w.given(vault.KVv1("secret", "toloka")), credentials.ErrInvalid,
			`KV v1 path on a v2 mount: use KVv2("secret", "toloka")`)
		wantError(t, w.given(vault.KVv2("kv", "team/toloka")), credentials.ErrNotFound,
			"or use KVv1 if the mount is KV v1")
		w.Write("kv/data/toloka", map[string]any{"token": tokenA})
		wantError(t, w.given(vault.KVv2("kv", "toloka")), credentials.ErrInvalid,
			"answered 200 without a versioned secret: if kv/ is KV v1, use KVv1")
	})

	t.Run("no engine at the mount", func(t *testing.T) {
		wantError(t, w.given(vault.KVv2("nowhere", "toloka")), credentials.ErrInvalid,
			"no secrets engine is mounted at nowhere/")
	})

	t.Run("no Vault token and invalid Vault token", func(t *testing.T) {
		const revoked = "policy needs read on secret/data/toloka, or the Vault token is expired or revoked"
		for token, want := range map[string]string{"": "no Vault token was sent", "hvs.nonsense": revoked} {
			p, err := vault.New(w.Client(token), secret)
			require.NoError(t, err)
			wantError(t, p, credentials.ErrInvalid, want)
		}
	})

	t.Run("rate limit quota", func(t *testing.T) {
		w.Write("sys/quotas/rate-limit/toloka", map[string]any{"path": "kv", "rate": 0.01,
			"interval": "60s"})
		p := w.given(vault.KVv1("kv", "team/toloka"), vault.WithField("api_key"))
		wantToken(t, p, tokenA)
		wantError(t, p, nil, "a rate limit quota of Vault is exceeded (429)")
		w.Delete("sys/quotas/rate-limit/toloka")
		wantToken(t, p, tokenA)
	})

	t.Run("namespace", func(t *testing.T) {
		p, recorder := w.approle(vault.WithNamespace("team-a"))
		wantToken(t, p, tokenA)
		for _, r := range recorder.Take() {
			assert.Equal(t, "team-a", r.Header.Get("X-Vault-Namespace"), "%s", r)
		}
	})

	t.Run("environment", func(t *testing.T) {
		t.Setenv("VAULT_ADDR", w.Address)
		t.Setenv("VAULT_TOKEN", w.RootToken)
		t.Setenv("TOLOKA_VAULT_PATH", "toloka")
		t.Setenv("TOLOKA_VAULT_KV", "2")
		p, err := vault.FromEnv()
		require.NoError(t, err)
		t.Cleanup(p.CloseIdleConnections)
		wantToken(t, p, tokenA)
	})

	t.Run("VAULT_WRAP_TTL", func(t *testing.T) {
		p, _ := w.approle()
		t.Setenv("VAULT_WRAP_TTL", "60s")
		wantToken(t, p, tokenA)
	})
}

func TestVaultLogins(t *testing.T) {
	w := newWorld(t)
	file := func(t *testing.T, content string) string {
		path := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	vaultToken := w.Write("auth/token/create",
		map[string]any{"policies": []string{"toloka"}}).Auth.ClientToken

	for _, tc := range []struct {
		name string
		auth func(t *testing.T) api.AuthMethod
		want []string
	}{
		{
			name: "given Vault token",
			auth: func(*testing.T) api.AuthMethod { return vault.Token(vault.Value(vaultToken)) },
			want: []string{read},
		},
		{
			name: "sink of a Vault Agent",
			auth: func(t *testing.T) api.AuthMethod { return vault.Token(vault.File(file(t, vaultToken+"\n"))) },
			want: []string{read},
		},
		{
			name: "AppRole",
			auth: func(*testing.T) api.AuthMethod { return vault.AppRole(w.roleID, vault.Value(w.secretID())) },
			want: []string{login, read},
		},
		{
			name: "AppRole with a file that ends in CRLF",
			auth: func(t *testing.T) api.AuthMethod {
				return vault.AppRole(w.roleID, vault.File(file(t, w.secretID()+"\r\n")))
			},
			want: []string{login, read},
		},
		{
			name: "AppRole with a wrapped secret id",
			auth: func(*testing.T) api.AuthMethod {
				return vault.AppRole(w.roleID, vault.Wrapped(vault.Value(w.wrappedSecretID())))
			},
			want: []string{lookup, unwrap, login, read},
		},
		{
			name: "JWT",
			auth: func(*testing.T) api.AuthMethod {
				return vault.JWT("toloka", vault.Value(w.serviceAccountToken()))
			},
			want: []string{"PUT /v1/auth/jwt/login", read},
		},
		{
			name: "Kubernetes with a projected token",
			auth: func(t *testing.T) api.AuthMethod {
				return vault.JWT("toloka", vault.File(file(t, w.serviceAccountToken()+"\n")),
					vault.AtMount("kubernetes"))
			},
			want: []string{"PUT /v1/auth/kubernetes/login", read},
		},
		{
			name: "foreign login method",
			auth: func(*testing.T) api.AuthMethod { return ownLogin{w.roleID, w.secretID()} },
			want: []string{login, read},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			recorder := vaulttest.Record(t, w.Server)
			client := vaulttest.NewClient(t, recorder.Address, "hvs.of-the-service")
			p, err := vault.New(client, secret, vault.WithAuth(tc.auth(t)))
			require.NoError(t, err)
			wantToken(t, p, tokenA)
			assert.Equal(t, tc.want, recorder.TakeLines())
			wantToken(t, p, tokenA)
			assert.Equal(t, []string{read}, recorder.TakeLines())
			assert.Equal(t, "hvs.of-the-service", client.Token())
		})
	}

	t.Run("refused login", func(t *testing.T) {
		for want, method := range map[string]api.AuthMethod{
			"auth/approle/login": vault.AppRole(w.roleID, vault.Value("nonsense")),
			"auth/nowhere/login": vault.JWT("toloka",
				vault.Value(w.serviceAccountToken()), vault.AtMount("nowhere")),
			"auth/jwt/login": vault.JWT("toloka", vault.Value("eyJ.non.sense")),
			`role \"unknown\" could not be found`: vault.JWT("unknown",
				vault.Value(w.serviceAccountToken())),
			"aud": vault.JWT("toloka",
				vault.Value(w.issuer.Token("system:serviceaccount:default:toloka", "another", time.Now()))),
		} {
			p, err := vault.New(w.Client(""), secret, vault.WithAuth(method))
			require.NoError(t, err)
			wantError(t, p, credentials.ErrInvalid, want, "login refused")
		}
	})

	t.Run("Kubernetes outside of a pod", func(t *testing.T) {
		p, err := vault.New(w.Client(""), secret, vault.WithAuth(vault.Kubernetes("toloka")))
		require.NoError(t, err)
		wantError(t, p, nil, "/var/run/secrets/kubernetes.io/serviceaccount/token: no such file")
	})
}

func TestVaultWrappedSecretID(t *testing.T) {
	w := newWorld(t)
	provider := func(t *testing.T, wrapping string) (*vault.Provider, *vaulttest.Recorder) {
		recorder := vaulttest.Record(t, w.Server)
		auth := vault.WithAuth(vault.AppRole(w.roleID, vault.Wrapped(vault.Value(wrapping))))
		p, err := vault.New(vaulttest.NewClient(t, recorder.Address, ""), secret, auth)
		require.NoError(t, err)
		return p, recorder
	}
	wrap := func(t *testing.T) *api.Client {
		client := w.Root()
		client.SetWrappingLookupFunc(func(string, string) string { return "60s" })
		return client
	}

	t.Run("used twice", func(t *testing.T) {
		wrapping := w.wrappedSecretID()
		first, _ := provider(t, wrapping)
		wantToken(t, first, tokenA)
		second, recorder := provider(t, wrapping)
		wantError(t, second, credentials.ErrInvalid, "sys/wrapping/lookup",
			"the wrapping token is expired or was already used", "someone else has the secret id")
		assert.Equal(t, []string{lookup}, recorder.TakeLines())
	})

	t.Run("rewrapped", func(t *testing.T) {
		answer, err := w.Root().Logical().Write("sys/wrapping/rewrap",
			map[string]any{"token": w.wrappedSecretID()})
		require.NoError(t, err)
		p, _ := provider(t, answer.WrapInfo.Token)
		wantToken(t, p, tokenA)
	})

	t.Run("replaced", func(t *testing.T) {
		for path, create := range map[string]func(client *api.Client) (*api.Secret, error){
			dataPath: func(client *api.Client) (*api.Secret, error) { return client.Logical().Read(dataPath) },
			"sys/wrapping/wrap": func(client *api.Client) (*api.Secret, error) {
				return client.Logical().Write("sys/wrapping/wrap", map[string]any{"secret_id": w.secretID()})
			},
		} {
			answer, err := create(wrap(t))
			require.NoError(t, err)
			wrapping := answer.WrapInfo.Token
			p, recorder := provider(t, wrapping)
			wantError(t, p, credentials.ErrInvalid, "the wrapping token was created by "+path+
				", not by auth/approle/role/ROLE/secret-id: it may have been intercepted and replaced")
			assert.Equal(t, []string{lookup}, recorder.TakeLines())
			_, err = w.Client(wrapping).Logical().Unwrap("")
			require.NoError(t, err, "the refusal has not used up the token")
		}
	})
}

// ownLogin is an api.AuthMethod of another package.
type ownLogin struct{ roleID, secretID string }

func (l ownLogin) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	return client.Logical().WriteWithContext(ctx, "auth/approle/login",
		map[string]any{"role_id": l.roleID, "secret_id": l.secretID})
}

func TestVaultDocumentationHasThePolicy(t *testing.T) {
	doc, err := os.ReadFile("../../credentials/vault/doc.go")
	require.NoError(t, err)
	assert.Contains(t, strings.ReplaceAll(string(doc), "//\t", ""), policy)
}
