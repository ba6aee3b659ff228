package requester_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/faults"
	"go.uber.org/goleak"
)

// envProxy is the proxy in HTTP_PROXY and HTTPS_PROXY during all tests: net/http reads them once
// per process.
var envProxy *connectRecorder

func TestMain(m *testing.M) {
	envProxy = newConnectRecorder()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		os.Setenv(name, envProxy.server.URL)
	}
	os.Unsetenv("NO_PROXY")
	os.Unsetenv("no_proxy")
	code := m.Run()
	envProxy.server.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// apiKey has the shape of the platform's keys.
const apiKey = "AQVNabcdefghijklmnopqr.0123456789abcdef0123456789abcdef.canary-canary-canary-canary-canary-canary-0"

func mustToken(t testing.TB, s string) credentials.Token {
	t.Helper()
	token, err := credentials.ParseToken(s)
	require.NoError(t, err)
	return token
}

func mustClient(t testing.TB, opts ...requester.Option) *requester.Client {
	t.Helper()
	c, err := requester.New(requester.Production, opts...)
	require.NoError(t, err)
	return c
}

// empty answers without a body.
func empty(status int) requestertest.Fault { return requestertest.Body(status, "", "") }

// oversized adds a member of 70 KiB to the JSON of another answer.
func oversized() requestertest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			_, members, _ := strings.Cut(answer.Body.String(), "{")
			w.WriteHeader(answer.Code)
			_, _ = io.WriteString(w, `{"padding":"`+strings.Repeat("x", 70<<10)+`",`+members)
		})
	}
}

// limitedUntil answers 429 with the date that is d after the answer.
func limitedUntil(d time.Duration) requestertest.Fault {
	return faults.Join(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(d).UTC().Format(http.TimeFormat))
			next.ServeHTTP(w, r)
		})
	}, requestertest.RateLimited(""))
}

// quota answers 429 with the name of the exhausted quota.
func quota(interval string) requestertest.Fault {
	return requestertest.Body(429, "application/json", `{"request_id":"r","code":"TOO_MANY_REQUESTS",`+
		`"message":"m","payload":{"interval":"`+interval+`"}}`)
}

// answering starts a server on loopback that answers with f.
func answering(t testing.TB, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s
}
