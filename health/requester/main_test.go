package requester_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"go.uber.org/goleak"
)

// envProxy is what HTTP_PROXY and HTTPS_PROXY name during all tests: net/http reads them
// once per process.
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

// answering starts a server on loopback that gives every request to f.
func answering(t testing.TB, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s
}
