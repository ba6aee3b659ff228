package forwardauth_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// world is a proxy in front of forwardauth and a backend.
type world struct {
	platform *requestertest.Server
	proxy    string // address
	client   *http.Client
}

// backend shows what reaches it: the headers in its answer, and the body as it came. With Upgrade
// it echoes bytes.
func backend(w http.ResponseWriter, r *http.Request) {
	for _, key := range []string{"X-Toloka-Account-Id", "X-Toloka-Account-Name", "X-Toloka-Company-Id", "Authorization"} {
		w.Header()["Got-"+key] = r.Header[key]
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
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_, _ = io.Copy(conn, buffer)
}

// startProxy starts a proxy and returns its address.
type startProxy func(t *testing.T, http2 bool, backend, auth string) string

func newWorld(t *testing.T, http2 bool, start startProxy) *world {
	p := requestertest.NewServer()
	t.Cleanup(p.Close)
	b := httptest.NewServer(http.HandlerFunc(backend))
	t.Cleanup(b.Close)
	auth := process.Reserve(t)
	process.Start(t, program, []string{
		"LISTEN_ADDR=" + auth, "TOLOKA_BASE_URL=" + p.URL, "ALLOW_ACCOUNTS=1,2", "CHECK_INTERVAL=1s",
	})
	await(t, "forwardauth", auth)
	proxy := start(t, http2, strings.TrimPrefix(b.URL, "http://"), auth)
	await(t, "the proxy", proxy)
	protocols := &http.Protocols{}
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{DisableKeepAlives: !http2, Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	return &world{platform: p, proxy: proxy, client: client}
}

func await(t *testing.T, what, address string) {
	process.Await(t, what, func() error {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

func (w *world) send(t *testing.T, token string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+w.proxy+"/tasks", body)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "ApiKey "+token)
	}
	r.Header["X-Toloka-Account-Id"] = []string{"spoofed"}
	r.Header["x-toloka-account-name"] = []string{"spoofed"}
	r.Header["X-Toloka-Company-Id"] = []string{"spoofed"}
	res, err := w.client.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(text)
}

func startNginx(t *testing.T, http2 bool, backend, auth string) string {
	const main = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {
	worker_connections 512;
}
http {
	access_log off;
	client_body_temp_path client_body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
%s}
`
	listen, port := process.Reserve(t), ""
	if http2 {
		port = " http2"
	}
	path := configure(t, "nginx.conf", main, "listen "+listen+port+";", backend, auth)
	process.Start(t, process.Find(t, "nginx"), nil, "-e", "stderr", "-p", filepath.Dir(path), "-c", path)
	return listen
}

func startCaddy(t *testing.T, http2 bool, backend, auth string) string {
	listen := process.Reserve(t)
	const main = `{
	admin off
	auto_https off
	servers {
		protocols h1 h2c
	}
}
%s`
	_ = http2 // it speaks both
	path := configure(t, "Caddyfile", main, "http://"+listen+" {", backend, auth)
	process.Start(t, process.Find(t, "caddy"), []string{"HOME=" + t.TempDir()},
		"run", "--adapter", "caddyfile", "--config", path)
	return listen
}

// configure writes a file of testdata with the addresses of the test.
func configure(t *testing.T, name, main, listen, backend, auth string) string {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	replaced := string(text)
	port := map[string]string{"nginx.conf": "listen 80;", "Caddyfile": ":80 {"}[name]
	for from, to := range map[string]string{"127.0.0.1:8001": backend, "127.0.0.1:8002": auth, port: listen} {
		require.Equal(t, 1, strings.Count(replaced, from), from)
		replaced = strings.ReplaceAll(replaced, from, to)
	}
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(fmt.Sprintf(main, replaced)), 0o600))
	return path
}

func TestForwardAuth(t *testing.T) {
	for name, start := range map[string]startProxy{"nginx": startNginx, "caddy": startCaddy} {
		t.Run(name+"/HTTP2", func(t *testing.T) {
			w := newWorld(t, true, start)
			testGood(t, w)
			testRejected(t, w)
		})
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, false, start)
			t.Run("good", func(t *testing.T) { testGood(t, w) })
			t.Run("rejected", func(t *testing.T) { testRejected(t, w) })
			t.Run("upgrade", func(t *testing.T) { testUpgrade(t, w) })
			t.Run("flood", func(t *testing.T) { testFlood(t, w) })
			t.Run("outage", func(t *testing.T) { testOutage(t, w) })
		})
	}
}

func testGood(t *testing.T, w *world) {
	w.platform.SetAccount(requestertest.Account{
		ID: "1", PublicName: map[string]string{"EN": "Zoë"}, Company: &requester.Company{ID: "7"},
	})
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	res, got := w.send(t, w.platform.IssueToken("1").Reveal(), bytes.NewReader(body))
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, w.client.Transport.(*http.Transport).Protocols.UnencryptedHTTP2(), res.ProtoMajor == 2)
	assert.True(t, string(body) == got, "the body")
	assert.Equal(t, []string{"1"}, res.Header["Got-X-Toloka-Account-Id"])
	assert.Equal(t, []string{"Zo%C3%AB"}, res.Header["Got-X-Toloka-Account-Name"])
	assert.Equal(t, []string{"7"}, res.Header["Got-X-Toloka-Company-Id"])
	assert.Empty(t, res.Header["Got-Authorization"])

	w.platform.SetAccount(requestertest.Account{ID: "2"})
	res, _ = w.send(t, w.platform.IssueToken("2").Reveal(), nil) // no name, no company
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, []string{"2"}, res.Header["Got-X-Toloka-Account-Id"])
	assert.Empty(t, res.Header.Get("Got-X-Toloka-Account-Name"))
	assert.Empty(t, res.Header.Get("Got-X-Toloka-Company-Id"))
}

func testRejected(t *testing.T, w *world) {
	for token, status := range map[string]int{
		"": 401, "made-up": 401, "not a token": 401, w.platform.IssueToken("3").Reveal(): 403,
	} {
		res, _ := w.send(t, token, strings.NewReader("body"))
		assert.Equal(t, status, res.StatusCode)
		assert.Empty(t, res.Header["Got-X-Toloka-Account-Id"], "the backend was called")
		if status == 401 {
			assert.Contains(t, strings.Join(res.Header["Www-Authenticate"], ","), `ApiKey realm="toloka"`)
		}
	}
}

func testUpgrade(t *testing.T, w *world) {
	for token, status := range map[string]string{
		w.platform.IssueToken("1").Reveal(): "HTTP/1.1 101", "made-up-too": "HTTP/1.1 401",
	} {
		conn, err := net.Dial("tcp", w.proxy)
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: %s\r\nAuthorization: ApiKey %s\r\n"+
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", w.proxy, token)
		require.NoError(t, err)
		reader := bufio.NewReader(conn)
		line, err := reader.ReadString('\n')
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(line, status), line)
		if status != "HTTP/1.1 101" {
			continue
		}
		for line != "\r\n" {
			line, err = reader.ReadString('\n')
			require.NoError(t, err)
		}
		_, err = io.WriteString(conn, "ping")
		require.NoError(t, err)
		echo := make([]byte, 4)
		_, err = io.ReadFull(reader, echo)
		require.NoError(t, err)
		assert.Equal(t, "ping", string(echo))
	}
}

// testFlood sends made-up tokens; a verified caller passes throughout.
func testFlood(t *testing.T, w *world) {
	good := w.platform.IssueToken("1").Reveal()
	process.Await(t, "the budget", func() error {
		if res, _ := w.send(t, good, nil); res.StatusCode != 200 {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	})
	var flood sync.WaitGroup
	for worker := range 4 {
		flood.Go(func() {
			for i := range 100 {
				res, _ := w.send(t, fmt.Sprintf("flood-%d-%d", worker, i), nil)
				assert.Contains(t, []int{401, 503}, res.StatusCode)
			}
		})
	}
	for range 20 {
		res, _ := w.send(t, good, nil)
		assert.Equal(t, 200, res.StatusCode)
	}
	flood.Wait()
}

// testOutage expects 503 with Retry-After, not 500, for an unknown token; a verified one passes.
func testOutage(t *testing.T, w *world) {
	good := w.platform.IssueToken("1")
	process.Await(t, "the budget", func() error {
		if res, _ := w.send(t, good.Reveal(), nil); res.StatusCode != 200 {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	})
	w.platform.SetFaults(requestertest.Status(503))
	defer w.platform.ClearFaults()
	time.Sleep(1100 * time.Millisecond) // the TTL of the test
	res, _ := w.send(t, good.Reveal(), nil)
	assert.Equal(t, 200, res.StatusCode)
	unknown, err := credentials.ParseToken("not-seen-before")
	require.NoError(t, err)
	res, _ = w.send(t, unknown.Reveal(), nil)
	assert.Equal(t, 503, res.StatusCode)
	assert.Regexp(t, `^[1-9]\d*$`, res.Header.Get("Retry-After"))
}
