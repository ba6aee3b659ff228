package pollers_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// nginxMain surrounds the servers of the files in testdata.
const nginxMain = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;

events {
	worker_connections 256;
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

// runNginx starts an nginx with the given servers, which listen on an address.
func runNginx(t *testing.T, listen, servers string) {
	t.Helper()
	path := (&config{"nginx.conf", fmt.Sprintf(nginxMain, servers)}).write(t)
	// Without -e, nginx opens a log in /var/log before it reads its configuration.
	p := process.Start(t, process.Find(t, "nginx"), nil,
		"-e", "stderr", "-p", filepath.Dir(path), "-c", path)
	awaitBalancer(t, "nginx", p, listen)
}

// startNginxPassive starts an nginx that observes the requests to two servers. It returns its
// address.
func startNginxPassive(t *testing.T, first, second string) string {
	t.Helper()
	listen := process.Reserve(t)
	runNginx(t, listen, readConfig(t, "nginx-passive.conf").
		replace(t, server1, first).
		replace(t, server2, second).
		replace(t, "listen 80;", "listen "+listen+"; add_header X-Server $upstream_addr always;").
		replace(t, "fail_timeout=10s", "fail_timeout=1s").text)
	return listen
}

// nginxPassive is an nginx with the service first and a backup second.
func nginxPassive(t *testing.T, service, backup string) poller {
	// nginx has no order of preference except this one.
	backup += " backup"
	return behind("nginx, passive", startNginxPassive(t, service, backup), "/account")
}

// nginxAuthRequest is an nginx that asks /healthz before each request.
func nginxAuthRequest(t *testing.T, service string) poller {
	listen := process.Reserve(t)
	runNginx(t, listen, readConfig(t, "nginx-auth-request.conf").
		replace(t, server1, service).
		replace(t, "listen 80;", "listen "+listen+";").text)
	return poller{name: "nginx, auth_request", in: func() (bool, error) {
		status, body, _, err := ask("http://" + listen + "/livez") // always 200 without nginx
		switch {
		case err != nil:
			return false, err
		case status == http.StatusOK || status == http.StatusServiceUnavailable:
			return status == http.StatusOK, nil
		default:
			return false, fmt.Errorf("nginx answered %d %q", status, body)
		}
	}}
}
