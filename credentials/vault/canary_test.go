package vault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

const marker = "CANARY"

// echo replies with everything that a request contains, in the body and in headers.
func echo(status int, format string) func(request) reply {
	return func(r request) reply {
		unquote := strings.NewReplacer(`"`, " ", `\`, " ")
		said := unquote.Replace(r.Token + " " + r.Path + " " + r.Namespace + " " + r.Body)
		return reply{status: status, body: fmt.Sprintf(format, said), header: http.Header{
			"Location": {"http://elsewhere.test/" + strings.ReplaceAll(said, " ", "")}, "X-Echo": {said},
		}}
	}
}

// echoes are the places in a response for what is echoed.
var echoes = []string{
	`{"errors":["%s"]}`, `{"errors":["a","%s"],"data":{"data":null,` +
		`"metadata":null}}`, "%s", "<html>%s</html>",
	`{"request_id":"1","data":{"data":{"note":"%s"},"metadata":{"version":1}}}`,
	`{"request_id":"1","data":{"note":"%s"},"warnings":["%[1]s"]}`,
	`{"request_id":"1","data":{"data":{"token":"two words %s"},"metadata":{"version":1}}}`,
	`{"request_id":"1","data":{"data":{"token":["%s"]},"metadata":{"version":1}}}`,
	`{"request_id":"1","data":{"creation_path":"%s"}}`,
}

// readTwice prints everything that a provider returns, logs and is.
func readTwice(t *testing.T, fake *fakeVault, options ...vault.Option) *bytes.Buffer {
	t.Helper()
	client := clientOf(t, fake)
	client.SetToken("hvs." + marker)
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p, err := vault.New(client, append(options, vault.WithLogger(logger))...)
	printTree(&out, err)
	if err != nil {
		return &out
	}
	fmt.Fprintln(&out, p.Describe())
	for range 2 {
		_, err := p.Token(context.Background())
		printTree(&out, err)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+"\n", any(p))
		}
		time.Sleep(25 * time.Second)
	}
	return &out
}

func wantNoMarker(t *testing.T, out *bytes.Buffer, mark string, context ...any) {
	t.Helper()
	if i := strings.Index(strings.ToUpper(out.String()), strings.ToUpper(mark)); i >= 0 {
		t.Fatalf("%q: …%s…", context, out.String()[max(0, i-200):min(out.Len(), i+60)])
	}
	require.NotContains(t, out.String(), fmt.Sprintf("%x", mark))
}

// TestNoSecretAnywhere runs every path against a Vault that echoes all it receives, and looks for
// secrets in errors, in what they wrap, in logs and in printed values.
func TestNoSecretAnywhere(t *testing.T) {
	const jwtLogin = "/v1/auth/jwt/login"
	good := map[string]string{
		loginPath: loginBody("hvs."+marker, "30"), jwtLogin: loginBody("hvs."+marker, "30"),
		lookupPath: lookupBody, unwrapPath: kv1Body(`{"secret_id":"unwrapped-` + marker + `"}`),
		dataPath: kv2Body(tokenField(marker + tokenA)),
	}
	secret := vault.Value("secret-" + marker)
	for _, tc := range []struct {
		name  string
		auth  func() api.AuthMethod
		paths []string // of its requests
	}{
		{"none", func() api.AuthMethod { return nil }, []string{dataPath}},
		{"token", func() api.AuthMethod { return vault.Token(secret) }, []string{dataPath}},
		{"jwt", func() api.AuthMethod { return vault.JWT("role", secret) }, []string{jwtLogin, dataPath}},
		{
			"approle", func() api.AuthMethod { return vault.AppRole("role-id", secret) },
			[]string{loginPath, dataPath},
		},
		{
			"wrapped", func() api.AuthMethod { return vault.AppRole("role-id", vault.Wrapped(secret)) },
			[]string{lookupPath, unwrapPath, loginPath, dataPath},
		},
	} {
		for _, path := range tc.paths {
			t.Run(tc.name+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					for _, status := range []int{200, 204, 307, 400, 403, 404, 412, 429, 500, 503} {
						for _, format := range echoes {
							fake := newFakeVault()
							for path, body := range good {
								fake.answer(path, http.StatusOK, body)
							}
							fake.answerFunc(path, echo(status, format))
							out := readTwice(t, fake, with(tc.auth())...)
							wantNoMarker(t, out, marker, status, format)
						}
					}
				})
			})
		}
	}
}

// TestNoSecretAsName puts a secret where each name belongs, also with what people copy together
// with it.
func TestNoSecretAsName(t *testing.T) {
	const leaked = "kLQmrUcwzeR8" // a part of each secret
	secrets := map[string]string{
		"API key":     "AQVN0J4kLQmrUcwzeR8sB2k.7Hn2c5.Pq",
		"Vault token": "hvs.CAESIJ4kLQmrUcwzeR8sB2k7Hn2c5PqXbW",
		"JWT":         "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzkLQmrUcwzeR8.MEUCIQDx-x_1",
	}
	packages := map[string]string{
		"plain": "%s", "quotes": `"%s"`, "header": "Bearer %s", "env line": "TOKEN=%s",
		"second line": "token\n%s", "path": "/%s/", "JSON": `{"token":"%s"}`,
	}
	login := func(m api.AuthMethod) []vault.Option { return []vault.Option{kv2, vault.WithAuth(m)} }
	id := vault.Value("id")
	places := map[string]func(name string) []vault.Option{
		"KVv1 mount": func(s string) []vault.Option { return []vault.Option{vault.KVv1(s, "toloka")} },
		"KVv2 mount": func(s string) []vault.Option { return []vault.Option{vault.KVv2(s, "toloka")} },
		"KVv1 path":  func(s string) []vault.Option { return []vault.Option{vault.KVv1("secret", s)} },
		"KVv2 path": func(s string) []vault.Option {
			return []vault.Option{vault.KVv2("secret", "team/"+s)}
		},
		"field": func(s string) []vault.Option { return []vault.Option{kv2, vault.WithField(s)} },
		"namespace": func(s string) []vault.Option {
			return []vault.Option{kv2, vault.WithNamespace(s)}
		},
		"namespace of a login": func(s string) []vault.Option {
			return append(login(vault.JWT("role", id)), vault.WithNamespace(s))
		},
		"auth mount": func(s string) []vault.Option {
			return login(vault.JWT("role", id, vault.AtMount(s)))
		},
		"AppRole mount": func(s string) []vault.Option {
			return login(vault.AppRole("role", vault.Wrapped(id), vault.AtMount(s)))
		},
		"role":    func(s string) []vault.Option { return login(vault.JWT(s, id)) },
		"role id": func(s string) []vault.Option { return login(vault.AppRole(s, id)) },
		"env":     func(s string) []vault.Option { return login(vault.Token(vault.Env(s))) },
		"file": func(s string) []vault.Option {
			return login(vault.AppRole("role", vault.Wrapped(vault.File(s))))
		},
	}
	replies := []func(request) reply{
		echo(200, echoes[4]), echo(200, echoes[8]), echo(400, echoes[0]), echo(403, echoes[0]),
		echo(404, echoes[0]), echo(404, echoes[5]), echo(500, echoes[2]), echo(307, ""),
	}
	for name, options := range places {
		for secretName, secret := range secrets {
			for packageName, format := range packages {
				t.Run(name+"/"+secretName+"/"+packageName, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						for _, r := range replies {
							fake := newFakeVault()
							fake.any = r
							out := readTwice(t, fake, options(fmt.Sprintf(format, secret))...)
							wantNoMarker(t, out, leaked)
							wantNoMarker(t, out, marker)
						}
					})
				})
			}
		}
	}

	t.Run("field of the secret", func(t *testing.T) {
		for _, secret := range secrets {
			for _, format := range packages {
				name, err := json.Marshal(fmt.Sprintf(format, secret))
				require.NoError(t, err)
				fake := newFakeVault()
				fake.answer(dataPath, http.StatusOK, kv2Body(`{`+string(name)+`:"value"}`))
				p, err := vault.New(clientOf(t, fake), kv2)
				require.NoError(t, err)
				_, err = p.Token(t.Context())
				require.ErrorContains(t, err, `no field "token"; fields: (hidden: it `)
				assert.NotContains(t, err.Error(), leaked)
			}
		}
	})
}

// printTree prints err and everything that it wraps.
func printTree(out *bytes.Buffer, err error) {
	if err == nil {
		return
	}
	fmt.Fprintf(out, "%v %+v %#v %s %q\n", err, err, err, err, err)
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		for _, e := range several.Unwrap() {
			printTree(out, e)
		}
		return
	}
	printTree(out, errors.Unwrap(err))
}
