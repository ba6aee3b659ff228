package e2e_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// volatile matches what differs from one response to the next.
var volatile = []*regexp.Regexp{
	regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
	regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)`),
	regexp.MustCompile(`"version":\d+`),
}

func steady(body string) string {
	for _, re := range volatile {
		body = re.ReplaceAllString(body, "*")
	}
	return strings.TrimSpace(body)
}

// TestVaultReplies compares the replies that the tests of the vault package use with those of the
// real server.
func TestVaultReplies(t *testing.T) {
	w := newWorld(t)
	weak := w.Write("auth/token/create",
		map[string]any{"policies": []string{"default"}}).Auth.ClientToken
	w.Write("secret/data/doomed", map[string]any{"data": map[string]any{"token": tokenA}})
	w.Write("secret/data/shredded", map[string]any{"data": map[string]any{"token": tokenA}})
	w.Delete("secret/data/doomed")
	w.Delete("secret/data/shredded")
	w.Write("secret/destroy/shredded", map[string]any{"versions": []int{1}})
	wrapping := w.wrappedSecretID()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	ask := func(method, path, token, body string) (int, string) {
		req, err := http.NewRequest(method, w.Address+"/v1/"+path, strings.NewReader(body))
		require.NoError(t, err)
		if token != "" {
			req.Header.Set("X-Vault-Token", token)
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(answer)
	}

	for _, tc := range []struct {
		file                string
		status              int
		method, path, token string
		body                string
		before              func()
	}{
		{file: "missing", status: 404, path: "secret/data/nothing", token: w.RootToken},
		{file: "deleted", status: 404, path: "secret/data/doomed", token: w.RootToken},
		{file: "destroyed", status: 404, path: "secret/data/shredded", token: w.RootToken},
		{file: "v1_on_v2", status: 404, path: "secret/toloka", token: w.RootToken},
		{file: "denied", status: 403, path: dataPath, token: weak},
		{file: "bad_token", status: 403, path: dataPath, token: "hvs.nonsense"},
		{file: "no_token", status: 403, path: dataPath},
		{file: "bad_login", status: 400, method: "PUT", path: "auth/approle/login",
			body: `{"role_id":"` + w.roleID + `","secret_id":"nonsense"}`},
		{file: "lookup", status: 200, method: "PUT", path: "sys/wrapping/lookup", body: `{"token":"` +
			wrapping + `"}`},
		{file: "unwrap", status: 200, method: "PUT", path: "sys/wrapping/unwrap", token: wrapping,
			body: "null"},
		{file: "used_wrap", status: 400, method: "PUT", path: "sys/wrapping/unwrap", token: wrapping,
			body: "null"},
		{file: "used_wrap", status: 400, method: "PUT", path: "sys/wrapping/lookup", body: `{"token":"` +
			wrapping + `"}`},
		{file: "quota", status: 429, path: dataPath, token: w.RootToken, before: func() {
			w.Write("sys/quotas/rate-limit/toloka", map[string]any{"path": "secret", "rate": 0.01,
				"interval": "60s"})
			ask("GET", dataPath, w.RootToken, "")
		}},
		{file: "no_mount", status: 404, path: dataPath, token: w.RootToken,
			before: func() { w.Delete("sys/mounts/secret") }},
		{file: "sealed", status: 503, path: dataPath, token: w.RootToken, before: w.Seal},
	} {
		t.Run(tc.file, func(t *testing.T) {
			if tc.before != nil {
				tc.before()
			}
			want, err := os.ReadFile("../../credentials/vault/testdata/wire/" + tc.file + ".json")
			require.NoError(t, err)
			method := tc.method
			if method == "" {
				method = http.MethodGet
			}
			status, body := ask(method, tc.path, tc.token, tc.body)
			assert.Equal(t, tc.status, status)
			assert.Equal(t, steady(string(want)), steady(body))
		})
	}
}
