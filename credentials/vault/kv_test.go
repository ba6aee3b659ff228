package vault_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

var kv2 = vault.KVv2("secret", "toloka")

func TestRead(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options []vault.Option
		body    string
		path    string
		query   string
		want    string
		scheme  credentials.Scheme
	}{
		{
			name: "the latest version of a KV v2 secret", options: []vault.Option{kv2},
			body: kv2Body(tokenField(tokenA)), path: dataPath, want: tokenA,
		},
		{
			name: "a pinned version of a KV v2 secret", options: []vault.Option{kv2, vault.WithVersion(3)},
			body: kv2Body(tokenField(tokenA)), path: dataPath, query: "version=3", want: tokenA,
		},
		{
			name: "a KV v1 secret", options: []vault.Option{vault.KVv1("kv", "team/toloka")},
			body: kv1Body(tokenField(tokenA)), path: "/v1/kv/team/toloka", want: tokenA,
		},
		{
			name: "another field", options: []vault.Option{kv2, vault.WithField("api_key")},
			body: kv2Body(`{"api_key":"` + tokenB + `","token":"` + tokenA + `"}`), path: dataPath, want: tokenB,
		},
		{
			name: "a token with its scheme and a line end", options: []vault.Option{kv2},
			body: kv2Body(tokenField("OAuth " + tokenA + "\r\n")), path: dataPath, want: tokenA, scheme: credentials.SchemeOAuth,
		},
		{
			name: "slashes around mount and path", options: []vault.Option{vault.KVv2("/team/kv/", "/a/b/")},
			body: kv2Body(tokenField(tokenA)), path: "/v1/team/kv/data/a/b", want: tokenA,
		},
		{
			name: "a path that needs escaping", options: []vault.Option{vault.KVv2("secret", "50% off?/ü")},
			body: kv2Body(tokenField(tokenA)), path: "/v1/secret/data/50% off?/ü", want: tokenA,
		},
		{
			name: "a version that will be deleted later is still there", options: []vault.Option{kv2},
			body: strings.Replace(kv2Body(tokenField(tokenA)), `"deletion_time":""`, `"deletion_time":"2199-01-01T00:00:00Z"`, 1), path: dataPath, want: tokenA,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake := newFakeVault()
			fake.answer(tc.path, http.StatusOK, tc.body)
			p, err := vault.New(clientOf(t, fake), tc.options...)
			require.NoError(t, err)
			token, err := p.Token(context.Background())
			require.NoError(t, err)
			assert.Equal(t, tc.want, token.Reveal())
			assert.Equal(t, tc.scheme, token.Scheme())
			asked := fake.last(t)
			assert.Equal(t, "GET", asked.Method)
			assert.Equal(t, tc.query, asked.Query)
			assert.Equal(t, vaultToken, asked.Token)
			assert.Equal(t, "true", asked.Header.Get("X-Vault-Request"))
			assert.Equal(t, 1, fake.count())
		})
	}
}

func TestReadErrors(t *testing.T) {
	const at = "vault: secret/data/toloka at http://vault.test:8200: "
	for _, tc := range []struct {
		name    string
		options []vault.Option
		token   string // vaultToken by default
		status  int
		body    string
		header  http.Header
		want    string
		kind    error
	}{
		{
			name: "a secret that was never written", status: 404, body: missingBody, kind: credentials.ErrNotFound,
			want: at + "no such secret: write it with 'vault kv put -mount=secret toloka token=-', or use KVv1 if the mount is KV v1",
		},
		{
			name: "a KV v1 secret that was never written", options: []vault.Option{vault.KVv1("secret", "data/toloka")}, status: 404, body: missingBody, kind: credentials.ErrNotFound,
			want: at + "no such secret: write it with 'vault kv put -mount=secret data/toloka token=-'",
		},
		{
			name: "a pinned version that does not exist", options: []vault.Option{kv2, vault.WithVersion(7)}, status: 404, body: missingBody, kind: credentials.ErrNotFound,
			want: at + "no such secret, or no version 7 of it",
		},
		{
			name: "a deleted version, which is a 404 with a body", status: 404, body: deletedBody, kind: credentials.ErrNotFound,
			want: at + "version 3 deleted: undelete it, or write the token anew",
		},
		{
			name: "a destroyed version", status: 404, body: destroyedBody, kind: credentials.ErrNotFound,
			want: at + "version 3 destroyed: write the token anew",
		},
		{
			name: "a KV v1 path on a v2 mount, which is a 404 with nothing but a warning", options: []vault.Option{vault.KVv1("secret", "data/toloka")}, status: 404, body: v1OnV2Body, kind: credentials.ErrInvalid,
			want: at + `KV v1 path on a v2 mount: use KVv2("secret", "data/toloka"), or set TOLOKA_VAULT_KV=2`,
		},
		{
			name: "a KV v2 path that finds a v1 secret", status: 200, body: kv1Body(tokenField(tokenA)), kind: credentials.ErrInvalid,
			want: at + "answered 200 without a versioned secret: if secret/ is KV v1, use KVv1 or set TOLOKA_VAULT_KV=1",
		},
		{
			name: "a KV v1 path with no data", options: []vault.Option{vault.KVv1("secret", "data/toloka")}, status: 200, body: kv1Body("null"), kind: credentials.ErrInvalid,
			want: at + "answered 200 without a secret: is something other than KV mounted there?",
		},
		{
			name: "no engine at the mount", status: 404, body: noMountBody, kind: credentials.ErrInvalid,
			want: at + `no secrets engine is mounted at secret/ in this namespace; Vault says "no handler for route \"secret/data/toloka\". route entry not found."`,
		},
		{
			name: "a policy that does not allow it", status: 403, body: deniedBody, kind: credentials.ErrInvalid,
			want: at + `permission denied: policy needs read on secret/data/toloka, or the Vault token is expired or revoked; Vault says "1 error occurred: * permission denied"`,
		},
		{
			name: "a Vault token that is not one any more", status: 403, body: badTokenBody, kind: credentials.ErrInvalid,
			want: at + `permission denied: policy needs read on secret/data/toloka, or the Vault token is expired or revoked; Vault says "2 errors occurred: * permission denied * invalid token"`,
		},
		{
			name: "no Vault token at all", token: "-", status: 403, body: noTokenBody, kind: credentials.ErrInvalid,
			want: at + `permission denied: no Vault token was sent: set VAULT_TOKEN or use WithAuth; Vault says "permission denied"`,
		},
		{
			name: "a 403 of somebody in front of Vault", status: 403, body: "<html>Forbidden</html>",
			want: at + "answered 403 with something that is not Vault's JSON: check the address, and proxies in front of Vault",
		},
		{
			name: "a 403 in JSON that is not Vault's", status: 403, body: `{"message":"forbidden"}`,
			want: at + "answered 403 with something that is not Vault's JSON: check the address, and proxies in front of Vault",
		},
		{
			name: "a node that has not caught up", status: 412, body: `{"errors":["required index state not present"]}`,
			want: at + `this node of Vault has not caught up with the active one (412): it may in a moment; Vault says "required index state not present"`,
		},
		{
			name: "a rate limit quota", status: 429, body: quotaBody,
			want: at + `a rate limit quota of Vault is exceeded (429): raise the quota, or check less often; Vault says "request path \"secret/data/toloka\": rate limit quota exceeded"`,
		},
		{
			name: "a sealed Vault", status: 503, body: sealedBody,
			want: at + `Vault is sealed, or down for maintenance (503): unseal it; Vault says "Vault is sealed"`,
		},
		{
			name: "a standby without an active node", status: 500, body: `{"errors":["local node not active but active cluster node not found"]}`,
			want: at + `answered 500; Vault says "local node not active but active cluster node not found"`,
		},
		{
			name: "a KV engine that is being upgraded", status: 400, body: `{"errors":["Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly."]}`,
			want: at + `answered 400; Vault says "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly."`,
		},
		{
			name: "a redirect, which would take the Vault token elsewhere", status: 307, header: http.Header{"Location": {"https://active.example:8200/v1/secret/data/toloka?x=1"}},
			want: at + "answered 307, a redirect to https://active.example:8200, which is not followed: set the address to the active node, or to a load balancer in front of it",
		},
		{
			name: "a redirect to nowhere", status: 302,
			want: at + "answered 302, a redirect to nowhere, which is not followed: set the address to the active node, or to a load balancer in front of it",
		},
		{
			name: "a login page", status: 200, body: "<html>Sign in</html>",
			want: at + "answered 200 with something that is not Vault's JSON: check the address, and proxies in front of Vault",
		},
		{
			name: "an empty answer", status: 200,
			want: at + "answered 200 with something that is not Vault's JSON: check the address, and proxies in front of Vault",
		},
		{
			name: "an answer without end", status: 200, body: strings.Repeat("x", 2<<20),
			want: at + "answered with more than 1 MiB, which is not a secret with a token",
		},
		{
			name: "an error without end", status: 500, body: strings.Repeat("x", 2<<20),
			want: at + "answered with more than 1 MiB, which is not a secret with a token",
		},
		{
			name: "no such field: the names of the others, never their values", status: 200, body: kv2Body(`{"note":"secret-note","api_key":"` + tokenA + `"}`), kind: credentials.ErrInvalid,
			want: at + `no field "token"; fields: api_key, note (choose with WithField or TOLOKA_VAULT_FIELD)`,
		},
		{
			name: "no fields at all", status: 200, body: kv2Body(`{}`), kind: credentials.ErrInvalid,
			want: at + `no field "token"; fields: none (choose with WithField or TOLOKA_VAULT_FIELD)`,
		},
		{
			name: "names that are many, or long enough to be a value", status: 200, kind: credentials.ErrInvalid,
			body: kv2Body(`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i\n":1,"` + strings.Repeat("0", 41) + `":1,"x":1,"y":1}`),
			want: at + `no field "token"; fields: (a name of 41 characters), a, b, c, d, e, f, g, h, i  and 2 more (choose with WithField or TOLOKA_VAULT_FIELD)`,
		},
		{
			name: "a field that is not a string", status: 200, body: kv2Body(`{"token":12345}`), kind: credentials.ErrInvalid,
			want: at + `field "token" is not a string`,
		},
		{
			name: "a field that is null", status: 200, body: kv2Body(`{"token":null}`), kind: credentials.ErrInvalid,
			want: at + `field "token" is not a string`,
		},
		{
			name: "a field that is empty", status: 200, body: kv2Body(tokenField(" \n")), kind: credentials.ErrInvalid,
			want: at + `field "token": token is empty`,
		},
		{
			name: "a field that is not a token", status: 200, body: kv2Body(tokenField("AQVN one\ntwo")), kind: credentials.ErrInvalid,
			want: at + `field "token": token has several lines: keep only the line with the token`,
		},
		{
			name: "an error text that is long, and not printable", status: 500, body: `{"errors":["` + strings.Repeat(`ä\u0007`, 400) + `"]}`,
			want: at + `answered 500; Vault says "` + strings.Repeat("ä ", 150) + `…"`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake := newFakeVault()
			fake.answerFunc(dataPath, func(request) reply { return reply{tc.status, tc.body, tc.header} })
			client := clientOf(t, fake)
			if tc.token == "-" {
				client.ClearToken()
			}
			options := tc.options
			if options == nil {
				options = []vault.Option{kv2}
			}
			p, err := vault.New(client, options...)
			require.NoError(t, err)
			token, err := p.Token(context.Background())
			require.EqualError(t, err, tc.want)
			assert.True(t, token.IsZero())
			for _, kind := range []error{credentials.ErrNotFound, credentials.ErrInvalid} {
				assert.Equal(t, kind == tc.kind, errors.Is(err, kind), "errors.Is(err, %v)", kind)
			}
			var e *vault.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, "secret/data/toloka", e.Path)
			assert.Equal(t, vaultAddress, e.Address)
			if !strings.Contains(tc.want, "1 MiB") {
				assert.Equal(t, tc.status, e.StatusCode)
			}
			assert.Equal(t, 1, fake.count(), "it must not be tried again")
		})
	}
}

func TestSettings(t *testing.T) {
	long := vault.WithField("token")
	for _, tc := range []struct {
		name    string
		options []vault.Option
		want    string
	}{
		{"no secret is named", nil, "vault: no secret is named: use KVv1(mount, path) or KVv2(mount, path)"},
		{"no mount", []vault.Option{vault.KVv2("/", "toloka")}, `vault: mount "": it is empty`},
		{"no path", []vault.Option{vault.KVv2("secret", "")}, `vault: path "": it is empty`},
		{"a path out of the mount", []vault.Option{vault.KVv2("secret", "../../sys/raw")}, `vault: path "../../sys/raw": it has an empty segment, or one that is only dots`},
		{"a path with an empty segment", []vault.Option{vault.KVv1("secret", "a//b")}, `vault: path "a//b": it has an empty segment, or one that is only dots`},
		{"a path with a line break", []vault.Option{vault.KVv1("secret", "a\nb")}, `vault: path "a\nb": it has an unprintable character`},
		{"a version before the first", []vault.Option{kv2, vault.WithVersion(-1)}, "vault: version -1: versions count from 1"},
		{"a version of KV v1", []vault.Option{vault.KVv1("secret", "a"), vault.WithVersion(2)}, "vault: KV v1 has no versions: use KVv2 or leave WithVersion out"},
		{"a field without a name", []vault.Option{kv2, vault.WithField("")}, "vault: the field's name is empty"},
		{"a timeout of zero", []vault.Option{kv2, vault.WithTimeout(0)}, "vault: timeout 0s: it must be above zero"},
		{"a negative timeout", []vault.Option{kv2, vault.WithTimeout(-1)}, "vault: timeout -1ns: it must be above zero"},
		{"an AppRole without a role id", []vault.Option{kv2, vault.WithAuth(vault.AppRole("", vault.Value("x")))}, "vault: auth/approle/login: the role id is empty"},
		{"an AppRole without a source", []vault.Option{kv2, vault.WithAuth(vault.AppRole("r", vault.Source{}))}, "vault: auth/approle/login: no source of the login's secret is given: use Value, Env or File"},
		{"a JWT without a role", []vault.Option{kv2, vault.WithAuth(vault.JWT("", vault.Value("x")))}, "vault: auth/jwt/login: the role is empty"},
		{"a wrapped JWT", []vault.Option{kv2, vault.WithAuth(vault.JWT("r", vault.Wrapped(vault.Value("x"))))}, "vault: auth/jwt/login: only AppRole can use a Wrapped source"},
		{"a Kubernetes login at no mount", []vault.Option{kv2, vault.WithAuth(vault.Kubernetes("r", vault.AtMount("")))}, `vault: auth mount "": it is empty`},
		{"a wrapped Vault token", []vault.Option{kv2, vault.WithAuth(vault.Token(vault.Wrapped(vault.Value("x"))))}, "vault: only AppRole can use a Wrapped source"},
		{"a Vault token from nowhere", []vault.Option{kv2, vault.WithAuth(vault.Token(vault.Source{}))}, "vault: no source of the Vault token is given: use Value, Env or File"},
		{"nil options are none", []vault.Option{nil, long, nil}, "vault: no secret is named: use KVv1(mount, path) or KVv2(mount, path)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := vault.New(clientOf(t, newFakeVault()), tc.options...)
			require.EqualError(t, err, tc.want)
			require.ErrorIs(t, err, credentials.ErrInvalid)
			assert.Nil(t, p)
		})
	}
	t.Run("no client", func(t *testing.T) {
		_, err := vault.New(nil, kv2)
		require.EqualError(t, err, "vault: the Vault client is nil")
	})
}

func TestDescribe(t *testing.T) {
	for want, options := range map[string][]vault.Option{
		"vault:secret/data/toloka#token":           {kv2},
		"vault:kv/toloka#api_key":                  {vault.KVv1("kv", "toloka"), vault.WithField("api_key")},
		"vault:secret/data/toloka?version=3#token": {kv2, vault.WithVersion(3)},
	} {
		p, err := vault.New(clientOf(t, newFakeVault()), options...)
		require.NoError(t, err)
		assert.Equal(t, want, p.Describe())
		assert.Equal(t, want, p.String())
	}
}
