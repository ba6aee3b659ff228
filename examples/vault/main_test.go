//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tolokacheck/tolokacheck/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m) }

// vaultToken is the Vault token of the service.
const vaultToken = "hvs.CAESIJexampleexampleexample"

// vaultServer is a fake Vault with one KV version 2 secret. internal/e2e runs the example on a real
// one.
type vaultServer struct {
	secret atomic.Pointer[string]
	sealed atomic.Bool
}

func (v *vaultServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case v.sealed.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"errors":["Vault is sealed"]}`)
	case r.Header.Get("X-Vault-Token") != vaultToken:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"errors":["permission denied"]}`)
	case r.URL.Path != "/v1/secret/data/toloka":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[]}`)
	default:
		fmt.Fprintf(w, `{"request_id":"a51a60df","data":{"data":{"token":%q},`+
			`"metadata":{"created_time":"2026-11-23T17:46:13Z","deletion_time":"","destroyed":false,`+
			`"version":1}}}`, *v.secret.Load())
	}
}

// start starts the service with a fake Vault and a fake platform.
func start(t *testing.T, v *vaultServer, p *exampletest.Platform,
	env ...string) *exampletest.Process {
	t.Helper()
	secret := p.Token()
	v.secret.Store(&secret)
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	return exampletest.Start(t, exampletest.Command{Secrets: []string{secret, vaultToken},
		Env: append([]string{
			"LISTEN_ADDR=127.0.0.1:0", "TOLOKA_BASE_URL=" + p.URL, "CHECK_INTERVAL=500ms",
			"VAULT_ADDR=" + server.URL, "VAULT_TOKEN=" +
				vaultToken, "TOLOKA_VAULT_PATH=toloka", "TOLOKA_VAULT_KV=2",
		}, env...)})
}

// url returns the address of a service.
func url(t *testing.T, p *exampletest.Process) string {
	t.Helper()
	var line struct{ Address string }
	if err := json.Unmarshal([]byte(p.StderrLine(t, `"msg":"listening"`)), &line); err != nil {
		t.Fatal(err)
	}
	return "http://" + line.Address
}

func TestTokenFromVault(t *testing.T) {
	v, p := &vaultServer{}, exampletest.NewPlatform(t)
	service := start(t, v, p)
	base := url(t, service)
	exampletest.Eventually(t, base+"/startupz", http.StatusOK, `{"status":"pass"}`)
	exampletest.Expect(t, http.MethodGet, base+"/account", http.StatusOK, exampletest.AccountJSON)
	service.StderrLine(t, `"msg":"toloka credential verified"`,
		`"token.source":"vault:secret/data/toloka#token"`)

	// While Vault is sealed, the loaded token is used.
	v.sealed.Store(true)
	exampletest.Eventually(t, base+"/healthz", http.StatusOK, `{"status":"warn"}`)
	exampletest.Expect(t, http.MethodGet, base+"/account", http.StatusOK, exampletest.AccountJSON)
	v.sealed.Store(false)
	exampletest.Eventually(t, base+"/healthz", http.StatusOK, `{"status":"pass"}`)

	// SIGHUP loads a new version of the secret.
	next := "AQVN" + strings.Repeat("z", 40)
	v.secret.Store(&next)
	p.SetToken(next)
	service.Signal(t, syscall.SIGHUP)
	service.StderrLine(t, `"msg":"toloka credential rotated"`)
	exampletest.NoSecrets(t, "the log", service.Stderr(), []string{next})

	service.Signal(t, syscall.SIGTERM)
	if code := service.Wait(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

func TestConfigurationErrors(t *testing.T) {
	tests := []struct {
		name string
		env  string
		want string
	}{
		{"no path", "TOLOKA_VAULT_PATH=", "TOLOKA_VAULT_PATH is not set"},
		{"no KV version", "TOLOKA_VAULT_KV=", "TOLOKA_VAULT_KV is not set: set it to 1 or 2"},
		{"no secret", "TOLOKA_VAULT_PATH=elsewhere", "secret/data/elsewhere"},
		{"no permission", "VAULT_TOKEN=hvs.CAESIJanother", "permission denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			service := start(t, &vaultServer{}, exampletest.NewPlatform(t), tt.env)
			if code := service.Wait(t); code != 1 {
				t.Errorf("exit code %d", code)
			}
			if log := service.Stderr(); !strings.Contains(log, tt.want) {
				t.Errorf("%q is not in the log:\n%s", tt.want, log)
			}
		})
	}
}
