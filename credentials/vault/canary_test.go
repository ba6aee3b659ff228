package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

// TestNoSecretAnywhere runs every path against a Vault that echoes all it was sent, in every
// place there is, and looks for it in errors, in what they unwrap to, in logs and in printed
// values.
func TestNoSecretAnywhere(t *testing.T) {
	const marker = "CANARY"
	methods := map[string]func() api.AuthMethod{
		"none":    func() api.AuthMethod { return nil },
		"token":   func() api.AuthMethod { return vault.Token(vault.Value("hvs." + marker)) },
		"approle": func() api.AuthMethod { return vault.AppRole("role-id", vault.Value("id-"+marker)) },
		"wrapped": func() api.AuthMethod { return vault.AppRole("role-id", vault.Wrapped(vault.Value("wrap-"+marker))) },
		"jwt":     func() api.AuthMethod { return vault.JWT("role", vault.Value("eyJ."+marker)) },
	}
	echo := func(status int, format string) func(request) reply {
		return func(r request) reply {
			said := strings.ReplaceAll(strings.ReplaceAll(r.Token+" "+r.Body, `"`, " "), `\`, " ")
			return reply{status: status, body: fmt.Sprintf(format, said), header: http.Header{
				"Location": {"http://elsewhere.test/" + strings.ReplaceAll(said, " ", "")}, "X-Echo": {said},
			}}
		}
	}
	formats := []string{
		`{"errors":["%s"]}`, `{"errors":["a","%s"],"data":{"data":null,"metadata":null}}`, "%s", "<html>%s</html>",
		`{"request_id":"1","data":{"data":{"note":"%s"},"metadata":{"version":1}}}`, `{"request_id":"1","data":{"note":"%s"},"warnings":["%[1]s"]}`,
		`{"request_id":"1","data":{"data":{"token":"two words %s"},"metadata":{"version":1}}}`, `{"request_id":"1","data":{"data":{"token":["%s"]},"metadata":{"version":1}}}`,
	}
	synctest.Test(t, func(t *testing.T) {
		for name, method := range methods {
			for _, status := range []int{200, 204, 307, 400, 403, 404, 412, 429, 500, 503} {
				for _, format := range formats {
					for _, where := range []string{"login", "unwrap", "read"} {
						fake := newFakeVault()
						ok := func(body string) func(request) reply {
							return func(request) reply { return reply{status: http.StatusOK, body: body} }
						}
						replies := map[string]func(request) reply{
							"login": ok(loginBody("hvs."+marker, "30")), "unwrap": ok(kv1Body(`{"secret_id":"unwrapped-` + marker + `"}`)), "read": ok(kv2Body(tokenField(marker + tokenA))),
						}
						replies[where] = echo(status, format)
						fake.answerFunc(loginPath, replies["login"])
						fake.answerFunc("/v1/auth/jwt/login", replies["login"])
						fake.answerFunc("/v1/sys/wrapping/unwrap", replies["unwrap"])
						fake.answerFunc(dataPath, replies["read"])
						client := clientOf(t, fake)
						client.SetToken("hvs." + marker)
						var out bytes.Buffer
						p, err := vault.New(client, kv2, vault.WithAuth(method()), vault.WithLogger(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))))
						require.NoError(t, err)
						for range 2 {
							_, err := p.Token(context.Background())
							printTree(&out, err)
							fmt.Fprintf(&out, "%v %+v %#v %s %q %x\n", p, p, p, p, p, p)
							time.Sleep(25 * time.Second)
						}
						if i := strings.Index(strings.ToUpper(out.String()), marker); i >= 0 {
							t.Fatalf("%s, %s answered %d %q: …%s…", name, where, status, format, out.String()[max(0, i-200):min(out.Len(), i+60)])
						}
						require.NotContains(t, out.String(), fmt.Sprintf("%x", marker))
					}
				}
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
