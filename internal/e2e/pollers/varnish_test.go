package pollers_test

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// varnishServerHeader has X-Server name the backend that answered.
const varnishServerHeader = `sub vcl_backend_response {
	set beresp.http.X-Server = beresp.backend.name;
}

`

// runVarnish starts a Varnish, which listens on the returned address.
func runVarnish(t *testing.T, vcl *config) string {
	t.Helper()
	listen := process.Reserve(t)
	p := process.Start(t, process.Find(t, "varnishd"), []string{"PATH=/usr/bin:/bin"},
		"-F", "-j", "none", "-n", t.TempDir(), "-a", listen, "-s", "malloc,16m",
		"-f", vcl.write(t))
	awaitBalancer(t, "Varnish", p, listen)
	return listen
}

// varnishConfig is testdata/varnish.vcl with two servers.
func varnishConfig(t *testing.T, first, second string) *config {
	t.Helper()
	return readConfig(t, "varnish.vcl").
		replace(t, "\t.host = \"10.0.0.11\";\n\t.port = \"8080\";",
			"\t.host = \"127.0.0.1\";\n\t.port = \""+port(t, first)+"\";").
		replace(t, "\t.host = \"10.0.0.12\";\n\t.port = \"8080\";",
			"\t.host = \"127.0.0.1\";\n\t.port = \""+port(t, second)+"\";").
		replace(t, ".interval = 2s", ".interval = 100ms")
}

// varnish is a Varnish that asks /readyz. It uses the backup only if the service is out.
func varnish(t *testing.T, service, backup string) poller {
	vcl := varnishConfig(t, service, backup).
		replace(t, "directors.round_robin()", "directors.fallback()")
	return behind("Varnish", runVarnish(t, vcl), "/livez")
}
