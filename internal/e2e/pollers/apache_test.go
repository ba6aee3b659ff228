package pollers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// apacheMain precedes the balancer of testdata/apache.conf.
const apacheMain = `ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile %[1]s/pid
ErrorLog /dev/stderr
LogLevel warn
ServerName localhost
Listen %[2]s
ThreadsPerChild 16
MaxRequestWorkers 16
%[3]s
Header always set X-Server "%%{BALANCER_WORKER_NAME}e"
`

// apacheModules are the modules that testdata/apache.conf needs.
var apacheModules = []string{
	"mpm_event", "authz_core", "headers", "watchdog", "slotmem_shm",
	"proxy", "proxy_http", "proxy_balancer", "proxy_hcheck", "lbmethod_byrequests",
}

// runApache starts an Apache with a balancer, which listens on the returned address.
func runApache(t *testing.T, balancer *config) string {
	t.Helper()
	var modules strings.Builder
	for _, name := range apacheModules {
		path := "/usr/lib/apache2/modules/mod_" + name + ".so"
		if _, err := os.Stat(path); err != nil {
			continue // watchdog is built in on Debian
		}
		fmt.Fprintf(&modules, "LoadModule %s_module %s\n", name, path)
	}
	if os.Geteuid() == 0 { // Apache does not serve requests as root
		modules.WriteString("User www-data\nGroup www-data\n")
	}
	listen, root := process.Reserve(t), t.TempDir()
	text := fmt.Sprintf(apacheMain, root, listen, modules.String()) + balancer.text
	path := filepath.Join(root, "apache.conf")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	p := process.Start(t, process.Find(t, "apache2"), nil, "-X", "-f", path) // -X: no child processes
	awaitBalancer(t, "Apache", p, listen)
	return listen
}

// apacheConfig is testdata/apache.conf with two servers.
func apacheConfig(t *testing.T, first, second string) *config {
	t.Helper()
	return readConfig(t, "apache.conf").
		replace(t, server1, first).
		replace(t, server2, second).
		replace(t, "hcinterval=2 ", "hcinterval=100ms ")
}

// apache is an Apache that asks /readyz. It uses the backup only if the service is out.
func apache(t *testing.T, service, backup string) poller {
	balancer := apacheConfig(t, service, backup).
		replace(t, `"http://`+backup+`"`, `"http://`+backup+`" status=+H`)
	return behind("Apache", runApache(t, balancer), "/livez")
}
