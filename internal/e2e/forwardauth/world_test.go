package forwardauth_test

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// protocol is what the client uses to the proxy.
type protocol string

const (
	http1 protocol = "http1"
	h2c   protocol = "h2c" // HTTP/2 in clear text
	h2    protocol = "h2"  // HTTP/2 over TLS
)

// listener is what the proxy uses to forwardauth.
type listener string

const (
	tcp        listener = "tcp"
	unixSocket listener = "unix"
	overTLS    listener = "tls"
)

// variant is one way to connect client, proxy and forwardauth.
type variant struct {
	protocol protocol
	listener listener
}

// addresses are those of one test. For a Unix socket, auth is its path.
type addresses struct{ proxy, backend, auth string }

// world is a proxy in front of forwardauth and a backend.
type world struct {
	variant
	platform *requestertest.Server
	auth     *process.Process
	proxy    string // address
	tls      *tls.Config
	client   *http.Client
}

// files are a certificate for 127.0.0.1 and example.com, which signs itself.
type files struct {
	cert, key, both string // PEM
	roots           *x509.CertPool
}

// startProxy starts a proxy that listens on an address.
type startProxy func(t *testing.T, v variant, at addresses, f files)

func newWorld(t *testing.T, v variant, start startProxy) *world {
	f := newFiles(t)
	p := requestertest.NewServer()
	t.Cleanup(p.Close)
	b := httptest.NewServer(http.HandlerFunc(backend))
	t.Cleanup(b.Close)
	w := &world{variant: v, platform: p}
	at := addresses{process.Reserve(t), b.Listener.Addr().String(), process.Reserve(t)}
	env := []string{"TOLOKA_BASE_URL=" + p.URL, "ALLOW_ACCOUNTS=1,2", "CHECK_INTERVAL=1s"}
	switch v.listener {
	case tcp:
		env = append(env, "LISTEN_ADDR="+at.auth)
		w.auth = process.Start(t, program, env)
		await(t, "forwardauth", "tcp", at.auth)
	case overTLS:
		env = append(env, "LISTEN_ADDR="+at.auth, "TLS_CERT_FILE="+f.cert, "TLS_KEY_FILE="+f.key)
		w.auth = process.Start(t, program, env)
		await(t, "forwardauth", "tcp", at.auth)
	case unixSocket:
		at.auth = filepath.Join(shortDir(t), "auth.sock")
		env = append(env, "LISTEN_ADDR=unix:"+at.auth)
		w.auth = process.Start(t, program, env)
		await(t, "forwardauth", "unix", at.auth)
	}
	start(t, v, at, f)
	await(t, "the proxy", "tcp", at.proxy)

	protocols := &http.Protocols{}
	protocols.SetHTTP1(v.protocol == http1)
	protocols.SetUnencryptedHTTP2(v.protocol == h2c)
	protocols.SetHTTP2(v.protocol == h2)
	w.proxy, w.tls = at.proxy, &tls.Config{RootCAs: f.roots}
	transport := &http.Transport{
		DisableKeepAlives: v.protocol == http1, Protocols: protocols, TLSClientConfig: w.tls.Clone(),
	}
	t.Cleanup(transport.CloseIdleConnections)
	w.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	return w
}

// shortDir returns a directory with a short path: that of a socket has at most 108 bytes.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "fa-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// newFiles writes the certificate of package httptest to files.
func newFiles(t *testing.T) files {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pair := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	f := files{roots: x509.NewCertPool()}
	f.cert, f.key = write("cert.pem", certPEM), write("key.pem", keyPEM)
	f.both = write("both.pem", append(certPEM, keyPEM...))
	f.roots.AddCert(s.Certificate())
	return f
}

func await(t *testing.T, what, network, address string) {
	process.Await(t, what, func() error {
		conn, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// url returns the URL of a path at the proxy.
func (w *world) url(path string) string {
	if w.protocol == h2 {
		return "https://" + w.proxy + path
	}
	return "http://" + w.proxy + path
}

// send sends a request that pretends to be verified already.
func (w *world) send(t *testing.T, token string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.url("/tasks"), body)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "ApiKey "+token)
	}
	for _, key := range []string{
		"X-Toloka-Account-Id", "x-toloka-account-name", "X-TOLOKA-COMPANY-ID",
		"X_Toloka_Account_Id", "x-toloka_company-id", // the same in CGI, WSGI and PHP
	} {
		r.Header[key] = []string{"spoofed", "spoofed too"}
	}
	res, err := w.client.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(text)
}

// got returns what the backend has got of the headers that a client must not choose.
func got(res *http.Response) map[string][]string {
	all := map[string][]string{}
	for key, values := range res.Header {
		if name, ok := strings.CutPrefix(key, "Got-"); ok && values[0] != "" {
			all[name] = values
		}
	}
	return all
}

// backend shows what reaches it: the headers in its answer, and the body as it came. With Upgrade
// it echoes bytes.
func backend(w http.ResponseWriter, r *http.Request) {
	for key, values := range r.Header {
		if key == "Authorization" || strings.Contains(strings.ToLower(key), "toloka") {
			w.Header()["Got-"+key] = values
		}
	}
	if r.Header.Get("Upgrade") == "" {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
		return
	}
	conn, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	// The rest of the key is a constant of RFC 6455. HAProxy checks the answer over HTTP/2.
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	var head strings.Builder
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n")
	_ = w.Header().Write(&head)
	_, _ = io.WriteString(conn, head.String()+"\r\n")
	_, _ = io.Copy(conn, buffer)
}
