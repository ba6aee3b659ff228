package forwardauth_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

func TestForwardAuth(t *testing.T) {
	for name, start := range proxies {
		for _, v := range []variant{
			{http1, tcp}, {h2c, tcp}, {h2, tcp}, {http1, unixSocket}, {http1, overTLS},
		} {
			t.Run(fmt.Sprintf("%s/client_%s/auth_%s", name, v.protocol, v.listener), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, v, start)
				t.Run("good", func(t *testing.T) { testGood(t, w) })
				t.Run("rejected", func(t *testing.T) { testRejected(t, w) })
				if v.protocol != h2c {
					t.Run("upgrade", func(t *testing.T) { testUpgrade(t, w) })
				} else {
					t.Run("extended_connect", func(t *testing.T) {
						testExtendedConnect(t, w, name == "haproxy")
					})
				}
				if v == (variant{http1, tcp}) {
					t.Run("hop_by_hop", func(t *testing.T) { testHopByHop(t, w) })
					t.Run("flood", func(t *testing.T) { testFlood(t, w) })
					t.Run("outage", func(t *testing.T) { testOutage(t, w) })
					t.Run("no_forwardauth", func(t *testing.T) { testNoForwardAuth(t, w) })
				}
			})
		}
	}
}

func testGood(t *testing.T, w *world) {
	w.platform.SetAccount(requestertest.Account{
		ID: "1", PublicName: map[string]string{"EN": "Zoë"}, Company: &requester.Company{ID: "7"},
	})
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	res, text := w.send(t, w.platform.IssueToken("1").Reveal(), bytes.NewReader(body))
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, w.protocol != http1, res.ProtoMajor == 2)
	assert.Equal(t, w.protocol == h2, res.TLS != nil)
	assert.True(t, string(body) == text, "the body")
	assert.Equal(t, map[string][]string{
		"X-Toloka-Account-Id":   {"1"},
		"X-Toloka-Account-Name": {"Zo%C3%AB"},
		"X-Toloka-Company-Id":   {"7"},
	}, got(res))

	w.platform.SetAccount(requestertest.Account{ID: "2"})
	res, _ = w.send(t, w.platform.IssueToken("2").Reveal(), nil) // no name, no company
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, map[string][]string{"X-Toloka-Account-Id": {"2"}}, got(res))
}

// testHopByHop asks the proxy to remove the account's header as one of the connection.
func testHopByHop(t *testing.T, w *world) {
	conn, err := net.Dial("tcp", w.proxy)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nAuthorization: ApiKey %s\r\n"+
		"X-Toloka-Account-Id: spoofed\r\n"+
		"Connection: close, X-Toloka-Account-Id, X-Toloka-Company-Id\r\n\r\n",
		w.proxy, w.platform.IssueToken("1").Reveal())
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, []string{"1"}, got(res)["X-Toloka-Account-Id"])
}

func testRejected(t *testing.T, w *world) {
	for token, status := range map[string]int{
		"": 401, "made-up": 401, "not a token": 401, w.platform.IssueToken("3").Reveal(): 403,
	} {
		res, _ := w.send(t, token, strings.NewReader("body"))
		assert.Equal(t, status, res.StatusCode)
		assert.Empty(t, got(res), "the backend was called")
		if status == 401 {
			// nginx 1.22 passes only the first one on.
			challenges := []string{`ApiKey realm="toloka"`, `OAuth realm="toloka"`}
			assert.Contains(t, [][]string{challenges, challenges[:1]}, res.Header["Www-Authenticate"])
		}
	}
}

// testUpgrade opens a WebSocket over HTTP/1.1, as browsers do if a proxy does not support it over
// HTTP/2.
func testUpgrade(t *testing.T, w *world) {
	for token, status := range map[string]string{
		w.platform.IssueToken("1").Reveal(): "HTTP/1.1 101", "made-up-too": "HTTP/1.1 401",
	} {
		conn, err := net.Dial("tcp", w.proxy)
		require.NoError(t, err)
		defer conn.Close()
		if w.protocol == h2 {
			config := w.tls.Clone()
			config.ServerName, config.NextProtos = "127.0.0.1", []string{"http/1.1"}
			conn = tls.Client(conn, config)
		}
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: %s\r\nAuthorization: ApiKey %s\r\n"+
			"X-Toloka-Account-Id: spoofed\r\n"+
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", w.proxy, token)
		require.NoError(t, err)
		reader := bufio.NewReader(conn)
		res, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		require.Equal(t, status, fmt.Sprint(res.Proto, " ", res.StatusCode))
		if res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		assert.Equal(t, []string{"1"}, got(res)["X-Toloka-Account-Id"])
		testEcho(t, conn, reader)
	}
}

// testExtendedConnect opens a WebSocket over HTTP/2 (RFC 8441). A proxy that does not support it
// does not offer it: the client has to use HTTP/1.1.
func testExtendedConnect(t *testing.T, w *world, supported bool) {
	transport := &http2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	for token, status := range map[string]int{w.platform.IssueToken("1").Reveal(): 200, "made-up-h2": 401} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		from, to := io.Pipe()
		defer to.Close()
		r, err := http.NewRequestWithContext(ctx, http.MethodConnect, w.url("/socket"), from)
		require.NoError(t, err)
		r.Header = http.Header{
			":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Authorization": {"ApiKey " + token}, "X-Toloka-Account-Id": {"spoofed"},
		}
		res, err := transport.RoundTrip(r)
		if !supported {
			assert.EqualError(t, err, "net/http: extended connect not supported by peer")
			continue
		}
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, status, res.StatusCode)
		if status != 200 {
			continue
		}
		assert.Equal(t, []string{"1"}, got(res)["X-Toloka-Account-Id"])
		testEcho(t, to, res.Body)
	}
}

// testEcho expects what it writes.
func testEcho(t *testing.T, to io.Writer, from io.Reader) {
	_, err := io.WriteString(to, "ping")
	require.NoError(t, err)
	echo := make([]byte, 4)
	_, err = io.ReadFull(from, echo)
	require.NoError(t, err)
	assert.Equal(t, "ping", string(echo))
}

// awaitVerified repeats requests with the token until the budget for unknown tokens has room.
func awaitVerified(t *testing.T, w *world, token string) {
	process.Await(t, "the budget", func() error {
		if res, _ := w.send(t, token, nil); res.StatusCode != 200 {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	})
}

// testFlood sends made-up tokens; a verified caller passes throughout.
func testFlood(t *testing.T, w *world) {
	good := w.platform.IssueToken("1").Reveal()
	awaitVerified(t, w, good)
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
	for name, fault := range map[string]requestertest.Fault{
		"unavailable": requestertest.Status(503), "hanging": requestertest.Hang(),
	} {
		awaitVerified(t, w, good.Reveal())
		w.platform.SetFaults(fault)
		time.Sleep(1100 * time.Millisecond) // the TTL of the test
		res, _ := w.send(t, good.Reveal(), nil)
		assert.Equal(t, 200, res.StatusCode, name)
		unknown, err := credentials.ParseToken("not-seen-before-" + name)
		require.NoError(t, err)
		res, _ = w.send(t, unknown.Reveal(), nil)
		assert.Equal(t, 503, res.StatusCode, name)
		assert.Regexp(t, `^[1-9]\d*$`, res.Header.Get("Retry-After"), name)
		assert.Equal(t, "no-store", res.Header.Get("Cache-Control"), name)
		w.platform.ClearFaults()
	}
}

// testNoForwardAuth expects that no request passes while forwardauth does not run.
func testNoForwardAuth(t *testing.T, w *world) {
	good := w.platform.IssueToken("1").Reveal()
	awaitVerified(t, w, good)
	w.auth.Signal(t, syscall.SIGKILL)
	w.auth.Wait(t)
	res, _ := w.send(t, good, nil)
	assert.Contains(t, []int{502, 503}, res.StatusCode)
	assert.Empty(t, got(res), "the backend was called")
}
