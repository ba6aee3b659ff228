package pollers_test

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// caddyMain precedes the site of a file in testdata.
const caddyMain = `{
	admin off
	auto_https off
	log {
		level WARN
	}
}

`

// runCaddy starts a Caddy with one site, which listens on the returned address. X-Server names the
// server that answered.
func runCaddy(t *testing.T, site *config) string {
	t.Helper()
	listen := process.Reserve(t)
	site = site.
		replace(t, ":80 {", "http://"+listen+" {").
		replace(t, "\t\tlb_try_duration",
			"\t\theader_down X-Server {http.reverse_proxy.upstream.hostport}\n\t\tlb_try_duration")
	path := (&config{"Caddyfile", caddyMain + site.text}).write(t)
	home := t.TempDir()
	p := process.Start(t, process.Find(t, "caddy"), []string{"HOME=" + home},
		"run", "--adapter", "caddyfile", "--config", path)
	awaitBalancer(t, "Caddy", p, listen)
	return listen
}

// caddyActiveConfig is testdata/Caddyfile-active with two servers.
func caddyActiveConfig(t *testing.T, first, second string) *config {
	t.Helper()
	return readConfig(t, "Caddyfile-active").
		replace(t, server1, first).
		replace(t, server2, second).
		replace(t, "health_interval 2s", "health_interval 100ms")
}

// preferFirst has Caddy use the second server only if the first is not available.
func preferFirst(t *testing.T, site *config) *config {
	t.Helper()
	return site.replace(t, "\t\tlb_try_duration", "\t\tlb_policy first\n\t\tlb_try_duration")
}

// caddyActive is a Caddy that asks /readyz.
func caddyActive(t *testing.T, service, backup string) poller {
	site := preferFirst(t, caddyActiveConfig(t, service, backup))
	return behind("Caddy, active", runCaddy(t, site), "/livez")
}

// caddyPassive is a Caddy that observes requests.
func caddyPassive(t *testing.T, service, backup string) poller {
	site := preferFirst(t, readConfig(t, "Caddyfile-passive")).
		replace(t, server1, service).
		replace(t, server2, backup).
		replace(t, "fail_duration 10s", "fail_duration 1s")
	return behind("Caddy, passive", runCaddy(t, site), "/account")
}
