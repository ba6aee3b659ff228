package vault_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
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
			name: "KV v2", options: []vault.Option{kv2},
			body: kv2Body(tokenField(tokenA)), path: dataPath, want: tokenA,
		},
		{
			name: "KV v2 with a pinned version", options: []vault.Option{kv2, vault.WithVersion(3)},
			body: kv2Body(tokenField(tokenA)), path: dataPath, query: "version=3", want: tokenA,
		},
		{
			name: "KV v1", options: []vault.Option{vault.KVv1("kv", "team/toloka")},
			body: kv1Body(tokenField(tokenA)), path: "/v1/kv/team/toloka", want: tokenA,
		},
		{
			name: "other field", options: []vault.Option{kv2, vault.WithField("api_key")},
			body: kv2Body(`{"api_key":"` + tokenB + `","token":"` + tokenA + `"}`), path: dataPath,
			want: tokenB,
		},
		{
			name: "token with scheme and line end", options: []vault.Option{kv2},
			body: kv2Body(tokenField("OAuth " + tokenA + "\r\n")), path: dataPath, want: tokenA,
			scheme: credentials.SchemeOAuth,
		},
		{
			name: "slashes around mount and path", options: []vault.Option{vault.KVv2("/team/kv/", "/a/b/")},
			body: kv2Body(tokenField(tokenA)), path: "/v1/team/kv/data/a/b", want: tokenA,
		},
		{
			name: "path that needs escaping", options: []vault.Option{vault.KVv2("secret", "50% off?/ü")},
			body: kv2Body(tokenField(tokenA)), path: "/v1/secret/data/50% off?/ü", want: tokenA,
		},
		{
			name: "version with a future deletion time", options: []vault.Option{kv2},
			body: strings.Replace(kv2Body(tokenField(tokenA)), `"deletion_time":""`,
				`"deletion_time":"2199-01-01T00:00:00Z"`, 1), path: dataPath, want: tokenA,
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

// readError is a reply to a read and the error it causes.
type readError struct {
	name    string
	options []vault.Option // kv2 by default
	token   string         // vaultToken by default
	status  int
	body    string
	header  http.Header
	want    string
	kind    error
}

const at = "vault: secret/data/toloka at http://vault.test:8200: "

func TestMissingSecret(t *testing.T) {
	for _, tc := range []readError{
		{
			name: "no secret", status: 404, body: missingBody, kind: credentials.ErrNotFound,
			want: at + "no such secret: write it with 'vault kv put -mount=secret toloka token=-', or use " +
				"KVv1 if the mount is KV v1",
		},
		{
			name: "no KV v1 secret", options: []vault.Option{vault.KVv1("secret", "data/toloka")},
			status: 404, body: missingBody, kind: credentials.ErrNotFound,
			want: at + "no such secret: write it with 'vault kv put -mount=secret data/toloka token=-'",
		},
		{
			name: "no such version", options: []vault.Option{kv2, vault.WithVersion(7)}, status: 404,
			body: missingBody, kind: credentials.ErrNotFound,
			want: at + "no such secret, or no version 7 of it",
		},
		{
			name: "deleted version", status: 404, body: deletedBody, kind: credentials.ErrNotFound,
			want: at + "version 3 deleted: undelete it, or write the token again",
		},
		{
			name: "destroyed version", status: 404, body: destroyedBody, kind: credentials.ErrNotFound,
			want: at + "version 3 destroyed: write the token again",
		},
		{
			name: "KV v1 path on a v2 mount", options: []vault.Option{vault.KVv1("secret", "data/toloka")},
			status: 404, body: v1OnV2Body, kind: credentials.ErrInvalid,
			want: at + `KV v1 path on a v2 mount: use KVv2("secret", "data/toloka"), or set ` +
				`TOLOKA_VAULT_KV=2`,
		},
		{
			name: "KV v2 path with a v1 secret", status: 200, body: kv1Body(tokenField(tokenA)),
			kind: credentials.ErrInvalid,
			want: at + "answered 200 without a versioned secret: if secret/ is KV v1, use KVv1 or set " +
				"TOLOKA_VAULT_KV=1",
		},
		{
			name: "KV v1 without data", options: []vault.Option{vault.KVv1("secret", "data/toloka")},
			status: 200, body: kv1Body("null"), kind: credentials.ErrInvalid,
			want: at + "answered 200 without a secret: check that a KV engine is mounted there",
		},
		{
			name: "no engine at the mount", status: 404, body: noMountBody, kind: credentials.ErrInvalid,
			want: at + `no secrets engine is mounted at secret/ in this namespace; Vault says "no handler ` +
				`for route \"secret/data/toloka\". route entry not found."`,
		},
	} {
		t.Run(tc.name, tc.test)
	}
}

func TestRefusedRead(t *testing.T) {
	for _, tc := range []readError{
		{
			name: "policy does not allow it", status: 403, body: deniedBody, kind: credentials.ErrInvalid,
			want: at + `permission denied: policy needs read on secret/data/toloka, or the Vault token is ` +
				`expired or revoked; Vault says "1 error occurred: * permission denied"`,
		},
		{
			name: "invalid Vault token", status: 403, body: badTokenBody, kind: credentials.ErrInvalid,
			want: at + `permission denied: policy needs read on secret/data/toloka, or the Vault token is ` +
				`expired or revoked; Vault says "2 errors occurred: * permission denied * invalid token"`,
		},
		{
			name: "no Vault token", token: "-", status: 403, body: noTokenBody, kind: credentials.ErrInvalid,
			want: at + `permission denied: no Vault token was sent: set VAULT_TOKEN or use WithAuth; Vault ` +
				`says "permission denied"`,
		},
		{
			name: "403 in HTML from a proxy", status: 403, body: "<html>Forbidden</html>",
			want: at + "answered 403 with something that is not Vault's JSON: check the address, and " +
				"proxies in front of Vault",
		},
		{
			name: "403 in JSON from a proxy", status: 403, body: `{"message":"forbidden"}`,
			want: at + "answered 403 with something that is not Vault's JSON: check the address, and " +
				"proxies in front of Vault",
		},
		{
			name: "lagging node", status: 412, body: `{"errors":["required index state not present"]}`,
			want: at + `this Vault node lags behind the active node (412): wait until it has caught up; ` +
				`Vault says "required index state not present"`,
		},
		{
			name: "rate limit quota", status: 429, body: quotaBody,
			want: at + `a rate limit quota of Vault is exceeded (429): raise the quota, or check less ` +
				`often; Vault says "request path \"secret/data/toloka\": rate limit quota exceeded"`,
		},
		{
			name: "sealed Vault", status: 503, body: sealedBody,
			want: at + `Vault is sealed, or down for maintenance (503): unseal it; Vault says "Vault ` +
				`is sealed"`,
		},
		{
			name: "no active node", status: 500, body: `{"errors":["local node not active but active ` +
				`cluster node not found"]}`,
			want: at + `answered 500; Vault says "local node not active but active cluster node not found"`,
		},
		{
			name: "KV engine during an upgrade", status: 400,
			body: `{"errors":["Upgrading from non-versioned to versioned data. This backend will be ` +
				`unavailable for a brief period and will resume service shortly."]}`,
			want: at + `answered 400; Vault says "Upgrading from non-versioned to versioned data. This ` +
				`backend will be unavailable for a brief period and will resume service shortly."`,
		},
		{
			name: "redirect", status: 307,
			header: http.Header{"Location": {"https://active.example:8200/v1/secret/data/toloka?x=1"}},
			want: at + "answered 307, a redirect to https://active.example:8200, which is not followed: set " +
				"the address to the active node or to a load balancer in front of it",
		},
		{
			name: "redirect without a target", status: 302,
			want: at + "answered 302, a redirect to nowhere, which is not followed: set the address to the " +
				"active node or to a load balancer in front of it",
		},
		{
			name: "login page", status: 200, body: "<html>Sign in</html>",
			want: at + "answered 200 with something that is not Vault's JSON: check the address, and " +
				"proxies in front of Vault",
		},
		{
			name: "empty body", status: 200,
			want: at + "answered 200 with something that is not Vault's JSON: check the address, and " +
				"proxies in front of Vault",
		},
		{
			name: "oversized body", status: 200, body: strings.Repeat("x", 2<<20),
			want: at + "answered with more than 1 MiB: that is not a secret with a token",
		},
		{
			name: "oversized error", status: 500, body: strings.Repeat("x", 2<<20),
			want: at + "answered with more than 1 MiB: that is not a secret with a token",
		},
		{
			name: "long and unprintable message", status: 500, body: `{"errors":["` +
				strings.Repeat(`ä\u0007`, 400) + `"]}`,
			want: at + `answered 500; Vault says "` + strings.Repeat("ä ", 150) + `…"`,
		},
	} {
		t.Run(tc.name, tc.test)
	}
}

func TestFieldErrors(t *testing.T) {
	for _, tc := range []readError{
		{
			name: "no such field", status: 200, body: kv2Body(`{"note":"secret-note","api_key":"` + tokenA +
				`"}`), kind: credentials.ErrInvalid,
			want: at + `no field "token"; fields: api_key, note (choose with WithField or ` +
				`TOLOKA_VAULT_FIELD)`,
		},
		{
			name: "no fields", status: 200, body: kv2Body(`{}`), kind: credentials.ErrInvalid,
			want: at + `no field "token"; fields: none (choose with WithField or TOLOKA_VAULT_FIELD)`,
		},
		{
			name: "many and hidden field names", status: 200, kind: credentials.ErrInvalid,
			body: kv2Body(`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i\n":1,"` +
				strings.Repeat("0", 41) + `":1,"x":1,"y":1}`),
			want: at + `no field "token"; fields: (hidden: it looks like a secret), a, b, c, d, e, f, g, h, ` +
				`(hidden: it has a line break) and 2 more (choose with WithField or TOLOKA_VAULT_FIELD)`,
		},
		{
			name: "number in the field", status: 200, body: kv2Body(`{"token":12345}`),
			kind: credentials.ErrInvalid,
			want: at + `field "token" is not a string`,
		},
		{
			name: "null in the field", status: 200, body: kv2Body(`{"token":null}`),
			kind: credentials.ErrInvalid,
			want: at + `field "token" is not a string`,
		},
		{
			name: "empty field", status: 200, body: kv2Body(tokenField(" \n")), kind: credentials.ErrInvalid,
			want: at + `field "token": token is empty`,
		},
		{
			name: "no token in the field", status: 200, body: kv2Body(tokenField("AQVN one\ntwo")),
			want: at + `field "token": ` + parseProblem("AQVN one\ntwo"), kind: credentials.ErrInvalid,
		},
	} {
		t.Run(tc.name, tc.test)
	}
}

// parseProblem is the problem of a token that cannot be parsed.
func parseProblem(s string) string {
	_, err := credentials.ParseToken(s)
	return strings.TrimPrefix(err.Error(), "credentials: ")
}

func (tc readError) test(t *testing.T) {
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
	assert.Equal(t, 1, fake.count(), "no retry")
}

func TestInvalidOptions(t *testing.T) {
	value := vault.Value("x")
	auth := func(m api.AuthMethod) []vault.Option { return []vault.Option{kv2, vault.WithAuth(m)} }
	for _, tc := range []struct {
		name    string
		options []vault.Option
		want    string
	}{
		{"no secret", nil, "no secret is set: use KVv1(mount, path) or KVv2(mount, path)"},
		{"nil", []vault.Option{kv2, nil}, "an Option is nil"},
		{"KVv2/no mount", []vault.Option{vault.KVv2("/", "toloka")}, `mount "": it is empty`},
		{"KVv2/no path", []vault.Option{vault.KVv2("secret", "")}, `path "": it is empty`},
		{"KVv2/path with dots", []vault.Option{vault.KVv2("secret", "../../sys/raw")},
			`path "../../sys/raw": it has a segment that is empty or only dots`},
		{"KVv1/empty segment", []vault.Option{vault.KVv1("secret", "a//b")},
			`path "a//b": it has a segment that is empty or only dots`},
		{"KVv1/line break", []vault.Option{vault.KVv1("secret", "a\nb")},
			`path (hidden): it has an unprintable character`},
		{"WithVersion/negative", []vault.Option{kv2, vault.WithVersion(-1)},
			"version -1: versions count from 1"},
		{"WithVersion/KV v1", []vault.Option{vault.KVv1("secret", "a"), vault.WithVersion(2)},
			"KV v1 has no versions: use KVv2, or leave WithVersion out"},
		{"WithField/empty", []vault.Option{kv2, vault.WithField("")}, "the field's name is empty"},
		{"WithTimeout/zero", []vault.Option{kv2, vault.WithTimeout(0)},
			"timeout 0s: the minimum is 10ms (is the unit missing?)"},
		{"WithTimeout/no unit", []vault.Option{kv2, vault.WithTimeout(5)},
			"timeout 5ns: the minimum is 10ms (is the unit missing?)"},
		{"WithTimeout/negative", []vault.Option{kv2, vault.WithTimeout(-time.Second)},
			"timeout -1s: the minimum is 10ms (is the unit missing?)"},
		{"WithLogger/nil", []vault.Option{kv2, vault.WithLogger(nil)}, "the logger is nil"},
		{"WithAuth/nil", auth(nil), "the login method is nil: leave WithAuth out to use the " +
			"client's token"},
		{"WithAuth/nil pointer", auth((*stubbornLogin)(nil)),
			"the login method is nil: leave WithAuth out to use the client's token"},
		{"AppRole/no role id", auth(vault.AppRole("", value)),
			"auth/approle/login: the role id is empty"},
		{"AppRole/no source", auth(vault.AppRole("r", vault.Source{})),
			"auth/approle/login: the login's secret has no source: use Value, Env or File"},
		{"AppRole/nil option", auth(vault.AppRole("r", value, nil)),
			"auth/approle/login: an AuthOption is nil"},
		{"JWT/no role", auth(vault.JWT("", value)), "auth/jwt/login: the role is empty"},
		{"JWT/wrapped", auth(vault.JWT("r", vault.Wrapped(value))),
			"auth/jwt/login: only AppRole can use a Wrapped source"},
		{"Kubernetes/no mount", auth(vault.Kubernetes("r", vault.AtMount(""))),
			`auth mount "": it is empty`},
		{"Kubernetes/first of two options", auth(vault.Kubernetes("r", vault.AtMount(".."),
			vault.AtMount("k8s"))), `auth mount "..": it has a segment that is empty or only dots`},
		{"Token/wrapped", auth(vault.Token(vault.Wrapped(value))),
			"only AppRole can use a Wrapped source"},
		{"Token/no source", auth(vault.Token(vault.Source{})),
			"the Vault token has no source: use Value, Env or File"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := vault.New(clientOf(t, newFakeVault()), tc.options...)
			require.EqualError(t, err, "vault: "+tc.want)
			require.ErrorIs(t, err, credentials.ErrInvalid)
			assert.Nil(t, p)
		})
	}

	t.Run("nil client", func(t *testing.T) {
		_, err := vault.New(nil, kv2)
		require.EqualError(t, err, "vault: the Vault client is nil")
	})

	t.Run("Login", func(t *testing.T) {
		client := clientOf(t, newFakeVault())
		for _, method := range []api.AuthMethod{
			vault.AppRole("r", value, nil), vault.JWT("r", value, nil), vault.Kubernetes("r", nil),
			vault.Token(vault.Source{}), vault.Token(vault.Wrapped(value)),
		} {
			_, err := method.Login(t.Context(), client)
			require.ErrorIs(t, err, credentials.ErrInvalid)
		}
	})
}

func TestDescribe(t *testing.T) {
	for want, options := range map[string][]vault.Option{
		"vault:secret/data/toloka#token": {kv2},
		"vault:kv/toloka#api_key": {vault.KVv1("kv", "toloka"),
			vault.WithField("api_key")},
		"vault:secret/data/toloka?version=3#token": {kv2, vault.WithVersion(3)},
		"vault:(hidden)/data/(hidden)#(hidden)": {vault.KVv2(secretID, vaultToken+"0000"),
			vault.WithField(tokenA)},
	} {
		p, err := vault.New(clientOf(t, newFakeVault()), options...)
		require.NoError(t, err)
		assert.Equal(t, want, p.Describe())
	}
}
