package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// get sends a request to the listener and returns the status.
func get(t *testing.T, scheme string, listener net.Listener, roots *x509.CertPool) int {
	at := listener.Addr()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, at.Network(), at.String())
		},
	}}
	res, err := client.Get(scheme + "://example.com/")
	require.NoError(t, err)
	defer res.Body.Close()
	return res.StatusCode
}

func TestListen_unix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	t.Setenv("LISTEN_ADDR", "unix:"+path)
	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	require.NoError(t, err)
	_, err = listen()
	assert.ErrorIs(t, err, syscall.EADDRINUSE, "another process listens")
	killed.SetUnlinkOnClose(false) // as if it were killed
	require.NoError(t, killed.Close())

	listener, err := listen()
	require.NoError(t, err)
	server := &http.Server{Handler: http.NotFoundHandler()}
	defer server.Close()
	go func() { _ = serve(server, listener) }()
	assert.Equal(t, http.StatusNotFound, get(t, "http", listener, nil))

	file := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Setenv("LISTEN_ADDR", "unix:"+file)
	_, err = listen()
	assert.Error(t, err)
	assert.FileExists(t, file)
}

func TestServe_TLS(t *testing.T) {
	issuer := httptest.NewTLSServer(nil)
	defer issuer.Close()
	pair := issuer.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"TLS_CERT_FILE": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		"TLS_KEY_FILE":  {Type: "PRIVATE KEY", Bytes: key},
	} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
		t.Setenv(name, path)
	}
	t.Setenv("LISTEN_ADDR", "127.0.0.1:0")
	listener, err := listen()
	require.NoError(t, err)
	server := &http.Server{Handler: http.NotFoundHandler()}
	defer server.Close()
	go func() { _ = serve(server, listener) }()
	roots := x509.NewCertPool()
	roots.AddCert(issuer.Certificate())
	assert.Equal(t, http.StatusNotFound, get(t, "https", listener, roots))
}

// A proxy that sends the path of its client must not find a path that is always good.
func TestHandler(t *testing.T) {
	p := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()))
	require.NoError(t, err)
	callers, err := middleware.NewCallers(client)
	require.NoError(t, err)
	t.Cleanup(callers.Close)
	t.Setenv("ALLOW_ACCOUNTS", "1, 2")
	gate, err := middleware.NewCallerGate(callers, rules()...)
	require.NoError(t, err)
	h, good := handler(gate), p.IssueToken("2").Reveal()
	for target, without := range map[string]int{
		"GET /livez": 200, "POST /livez": 401, "GET /verify/livez": 401, "GET /verify/../livez": 401,
		"GET //livez": 401, "GET /": 401, "OPTIONS *": 401,
	} {
		t.Run(target, func(t *testing.T) {
			method, path, _ := strings.Cut(target, " ")
			r := httptest.NewRequest(method, path, nil)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			assert.Equal(t, without, rec.Code)
			r.Header.Set("Authorization", "ApiKey "+good)
			rec = httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			assert.Equal(t, 200, rec.Code)
		})
	}
}

// The server answers no request without the gate, either.
func TestServer_options(t *testing.T) {
	client, err := requester.New(requester.Production, requester.WithHTTPClient(requestertest.NewPlatform().Client()))
	require.NoError(t, err)
	callers, err := middleware.NewCallers(client)
	require.NoError(t, err)
	t.Cleanup(callers.Close)
	gate, err := middleware.NewCallerGate(callers)
	require.NoError(t, err)
	server := newServer(gate)
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = serve(server, listener) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
}

func TestRun_errors(t *testing.T) {
	for name, tt := range map[string]struct{ value, want string }{
		"CHECK_INTERVAL": {"x", "CHECK_INTERVAL: not a duration; write it like 500ms, 30s or 15m"},
		"MAX_STALE": {"1s", "middleware: NewCallers: the TTL is longer than MaxStale: " +
			"shorten WithCallerTTL or extend WithCallerMaxStale"},
		"ALLOW_ACCOUNTS": {"1,,2", "ALLOW_ACCOUNTS, ALLOW_COMPANIES: middleware: NewCallerGate: " +
			"AllowAccounts: an id is empty"},
		"LISTEN_ADDR":   {"nowhere", "LISTEN_ADDR: listen tcp: address nowhere: missing port in address"},
		"TLS_CERT_FILE": {"x", "TLS_CERT_FILE, TLS_KEY_FILE: set both, or neither"},
		"TLS_KEY_FILE":  {"x", "TLS_CERT_FILE, TLS_KEY_FILE: set both, or neither"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LISTEN_ADDR", "127.0.0.1:0")
			t.Setenv(name, tt.value)
			assert.EqualError(t, run(), tt.want)
		})
	}
}
