package vault_test

import (
	"bytes"
	"embed"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// The replies of a real Vault 1.21.1. internal/e2e compares them with those of the current one,
// except for ids and times.
//
//go:embed testdata/wire
var wire embed.FS

var (
	missingBody   = replyOf("missing")
	noMountBody   = replyOf("no_mount")
	deniedBody    = replyOf("denied")
	badTokenBody  = replyOf("bad_token")
	noTokenBody   = replyOf("no_token")
	sealedBody    = replyOf("sealed")
	quotaBody     = replyOf("quota")
	v1OnV2Body    = replyOf("v1_on_v2")
	deletedBody   = replyOf("deleted")
	destroyedBody = replyOf("destroyed")
	badLoginBody  = replyOf("bad_login")
	usedWrapBody  = replyOf("used_wrap")
	lookupBody    = replyOf("lookup")
	unwrapBody    = replyOf("unwrap")
)

func replyOf(name string) string {
	body, err := wire.ReadFile("testdata/wire/" + name + ".json")
	if err != nil {
		panic(err)
	}
	return strings.TrimSuffix(string(body), "\n")
}

const (
	vaultAddress = "http://vault.test:8200"
	vaultToken   = "hvs.CAESIGivenVaultToken"
	tokenA       = "AQVNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	tokenB       = "AQVNbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	dataPath     = "/v1/secret/data/toloka"
	loginPath    = "/v1/auth/approle/login"
)

func kv2Body(fields string) string {
	return `{"request_id":"f7efd8b6-3b5b-04e2-6a98-878d15d6810e","lease_id":"","renewable":false,` +
		`"lease_duration":0,"data":{"data":` + fields +
		`,"metadata":{"created_time":"2026-11-23T17:46:13.079543082Z","custom_metadata":null,` +
		`"deletion_time":"","destroyed":false,"version":1}},"wrap_info":null,"warnings":null,"auth":null,` +
		`"mount_type":"kv"}`
}

func kv1Body(fields string) string {
	return `{"request_id":"f2b0e1c4-b858-e9e1-cc2a-9349b8827359","lease_id":"","renewable":false,` +
		`"lease_duration":2764800,"data":` + fields +
		`,"wrap_info":null,"warnings":null,"auth":null,"mount_type":"kv"}`
}

func loginBody(clientToken, seconds string) string {
	return `{"request_id":"4a1a6828-d6fd-2200-77b3-baf9c4543915","lease_id":"","renewable":false,` +
		`"lease_duration":0,"data":null,"wrap_info":null,"warnings":null,"auth":{"client_token":"` +
		clientToken + `","accessor":"SYtR4xuxmb7xCcYsMG0LWYgY","policies":["default","toloka"],` +
		`"token_policies":["default","toloka"],"metadata":{"role_name":"toloka"},"lease_duration":` +
		seconds + `,"renewable":true,"entity_id":"ed9e6db8-a1d7-2c98-e5e7-dd1028d00c27",` +
		`"token_type":"service","orphan":true,"mfa_requirement":null,"num_uses":0},"mount_type":""}`
}

func tokenField(value string) string {
	encoded, _ := json.Marshal(map[string]string{"token": value})
	return string(encoded)
}

// request is a request to the fake.
type request struct {
	Method, Path, Query, Token, Namespace, Body string
	Header                                      http.Header
}

func (r request) String() string { return r.Method + " " + r.Path }

// reply is its response.
type reply struct {
	status int
	body   string
	header http.Header
}

// fakeVault answers by path and records the requests.
type fakeVault struct {
	mu       sync.Mutex
	replies  map[string]func(request) reply
	any      func(request) reply // for other paths; nil: 404
	requests []request
}

func newFakeVault() *fakeVault { return &fakeVault{replies: map[string]func(request) reply{}} }

func (f *fakeVault) answer(path string, status int, body string) {
	f.answerFunc(path, func(request) reply { return reply{status: status, body: body} })
}

func (f *fakeVault) answerFunc(path string, fn func(request) reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replies[path] = fn
}

// asked returns the requests since the last call, as "METHOD /path".
func (f *fakeVault) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, r := range f.requests {
		list = append(list, r.String())
	}
	f.requests = nil
	return list
}

func (f *fakeVault) last(t testing.TB) request {
	f.mu.Lock()
	defer f.mu.Unlock()
	require.NotEmpty(t, f.requests)
	return f.requests[len(f.requests)-1]
}

func (f *fakeVault) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

func (f *fakeVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	asked := request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: string(bytes.TrimSpace(body)),
		Token: r.Header.Get("X-Vault-Token"), Namespace: r.Header.Get("X-Vault-Namespace"),
		Header: r.Header.Clone(),
	}
	f.mu.Lock()
	f.requests = append(f.requests, asked)
	fn, ok := f.replies[r.URL.Path]
	if !ok {
		fn = f.any
	}
	f.mu.Unlock()
	given := reply{status: http.StatusNotFound, body: missingBody}
	if fn != nil {
		given = fn(asked)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	maps.Copy(w.Header(), given.header)
	w.WriteHeader(given.status)
	_, _ = io.WriteString(w, given.body)
}

// inMemory is a transport without sockets, so that it works on the fake clock of a
// testing/synctest bubble.
type inMemory struct{ handler http.Handler }

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	recorder, done := httptest.NewRecorder(), make(chan struct{})
	if req.Body == nil {
		req = req.Clone(req.Context())
		req.Body = http.NoBody
	}
	go func() {
		defer close(done)
		m.handler.ServeHTTP(recorder, req)
	}()
	select {
	case <-done:
		resp := recorder.Result()
		resp.Request = req
		return resp, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// clientOf returns a Vault client that talks to h in memory and sends vaultToken.
func clientOf(t testing.TB, h http.Handler) *api.Client {
	cfg := api.DefaultConfig()
	require.NoError(t, cfg.Error)
	cfg.Address = vaultAddress
	cfg.HttpClient = &http.Client{Transport: inMemory{h}}
	client, err := api.NewClient(cfg)
	require.NoError(t, err)
	client.SetToken(vaultToken)
	return client
}
