package nethttp_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// The answers to what a client may write to the connection.
func TestCallers_wire(t *testing.T) {
	const good = "AAAAAAAAAAAAAAAAAAAAAA.0000000000000000000000000000000000000000"
	p := requestertest.NewPlatform()
	token, err := credentials.ParseToken(good)
	require.NoError(t, err)
	p.AcceptToken("1", token)
	server := httptest.NewServer(nethttp.Callers(newCallers(t, p))(http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) { assert.Empty(t, r.Header["Authorization"]) })))
	defer server.Close()
	for name, tt := range map[string]struct {
		line, header string
		status       int
	}{
		"good":                {"GET / HTTP/1.1", "Authorization: ApiKey " + good, 200},
		"HTTP/1.0":            {"GET / HTTP/1.0", "Authorization: ApiKey " + good, 200},
		"HTTP/1.0_rejected":   {"GET / HTTP/1.0", "X: y", 401},
		"HEAD":                {"HEAD / HTTP/1.1", "X: y", 401},
		"header_lower_case":   {"GET / HTTP/1.1", "authorization: ApiKey " + good, 200},
		"scheme_lower_case":   {"GET / HTTP/1.1", "Authorization: apikey " + good, 200},
		"white_space_around":  {"GET / HTTP/1.1", "Authorization:\t ApiKey " + good + " \t", 200},
		"tab":                 {"GET / HTTP/1.1", "Authorization: ApiKey\t" + good, 401},
		"empty":               {"GET / HTTP/1.1", "Authorization:", 401},
		"scheme_only":         {"GET / HTTP/1.1", "Authorization: ApiKey ", 401},
		"two_headers":         {"GET / HTTP/1.1", "Authorization: ApiKey a\r\nAuthorization: ApiKey a", 401},
		"folded_by_net_http":  {"GET / HTTP/1.1", "Authorization: ApiKey\r\n " + good, 200},
		"unicode":             {"GET / HTTP/1.1", "Authorization: ApiKey " + good + "é", 401},
		"inner_equals":        {"GET / HTTP/1.1", "Authorization: ApiKey A=B", 401},
		"8_KiB":               {"GET / HTTP/1.1", "Authorization: ApiKey " + strings.Repeat("A", 8<<10), 401},
		"query":               {"GET /?authorization=ApiKey+" + good + " HTTP/1.1", "X: y", 401},
		"proxy_authorization": {"GET / HTTP/1.1", "Proxy-Authorization: ApiKey " + good, 401},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(conn, tt.line+"\r\nHost: example.com\r\n"+tt.header+"\r\n\r\n")
			require.NoError(t, err)
			method, _, _ := strings.Cut(tt.line, " ")
			res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			assert.Equal(t, tt.status, res.StatusCode)
			assert.True(t, strings.HasSuffix(tt.line, res.Proto))
			header, text := http.Header{"Content-Length": {"0"}}, ""
			if tt.status == 401 {
				header = http.Header{
					"Cache-Control":          {"no-store"},
					"Content-Length":         {"124"},
					"Content-Type":           {"application/problem+json"},
					"Www-Authenticate":       {`ApiKey realm="toloka"`, `OAuth realm="toloka"`},
					"X-Content-Type-Options": {"nosniff"},
				}
				text = `{"type":"about:blank","title":"Unauthorized","status":401,` +
					`"detail":"Send a valid API token as Authorization: ApiKey TOKEN."}`
			}
			if method == http.MethodHead {
				text = ""
			}
			res.Header.Del("Date")
			assert.Equal(t, header, res.Header)
			assert.Equal(t, text, string(body))
		})
	}
	assert.Equal(t, 1, p.Count())
}
