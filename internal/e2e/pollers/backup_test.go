package pollers_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

const backupBody = "backup"

// startBackup starts a server that always answers with backupBody, and returns its address.
// A balancer uses it while the service is out.
func startBackup(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(w, backupBody)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return strings.TrimPrefix(server.URL, "http://")
}

// awaitBalancer waits until a balancer passes on requests.
func awaitBalancer(t *testing.T, name string, p *process.Process, address string) {
	t.Helper()
	process.Await(t, name+" to pass on a request", func() error {
		require.True(t, p.Running(), "%s ended", name)
		return get("http://"+address+"/livez", http.StatusOK, "")
	})
}

// behind is a balancer in front of the service and a backup. The service is in if it answers the
// requests for path, which is /livez to see the balancer's health checks, and /account for a
// balancer that has only the gate to observe.
func behind(name, address, path string) poller {
	return poller{name: name, gate: path == "/account", in: func() (bool, error) {
		status, body, _, err := ask("http://" + address + path)
		switch {
		case err != nil:
			return false, err
		case status == http.StatusOK:
			return body != backupBody, nil
		case status == http.StatusServiceUnavailable && path == "/account":
			return false, nil // a passive check that does not try the next server
		default:
			return false, fmt.Errorf("the balancer answered %d %q", status, body)
		}
	}}
}
