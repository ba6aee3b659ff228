package pollers_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// nginx is an nginx in front of servers.
type nginx struct{ listen string }

// startNginx starts nginx; backup may be "".
func startNginx(t *testing.T, backup string, servers ...string) *nginx {
	t.Helper()
	n := &nginx{listen: process.Reserve(t)}
	path := fillIn(t, "nginx.conf", map[string]any{"Listen": n.listen, "Servers": servers, "Backup": backup})
	// Without -e it opens a log in /var/log before it has read a line of its configuration.
	process.Start(t, process.Find(t, "nginx"), nil, "-e", "stderr", "-p", filepath.Dir(path), "-c", path)
	process.Await(t, "nginx to answer", func() error { return get(n.url("/livez"), http.StatusOK, "") })
	return n
}

func (n *nginx) url(path string) string { return "http://" + n.listen + path }

// passive is nginx as a balancer that watches the requests which it passes on: to the service, else to the backup.
func (n *nginx) passive() poller {
	return poller{name: "nginx, passive", gate: true, in: func() (bool, error) {
		status, body, _, err := ask(n.url("/account"))
		switch {
		case err != nil:
			return false, err
		case status == http.StatusOK && body == account:
			return true, nil
		case status == http.StatusOK && body == "backup":
			return false, nil
		default:
			return false, fmt.Errorf("a client of nginx got %d %q: neither the service's answer nor the backup's", status, body)
		}
	}}
}

// authRequest is nginx that asks /healthz before each request.
func (n *nginx) authRequest() poller {
	return poller{name: "nginx, auth_request", in: func() (bool, error) {
		status, body, _, err := ask(n.url("/checked/livez")) // which itself is always good
		switch {
		case err != nil:
			return false, err
		case status == http.StatusOK || status == http.StatusServiceUnavailable:
			return status == http.StatusOK, nil
		default:
			return false, fmt.Errorf("a client of nginx got %d %q", status, body)
		}
	}}
}
