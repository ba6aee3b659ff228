package forwardauth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// proxies are those with a tested configuration.
var proxies = map[string]startProxy{"nginx": startNginx, "caddy": startCaddy, "haproxy": startHAProxy}

// nginxMain surrounds testdata/nginx.conf, as Debian's nginx.conf does.
const nginxMain = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {
	worker_connections 512;
}
http {
	access_log off;
	client_body_temp_path client_body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	include CONFIGURATION;
}
`

func startNginx(t *testing.T, v variant, at addresses, f files) {
	edits := map[string]string{"127.0.0.1:8001": at.backend, "127.0.0.1:8002": at.auth}
	switch v.protocol {
	case http1:
		edits["listen 80;"] = "listen " + at.proxy + ";"
	case h2c:
		edits["listen 80;"] = "listen " + at.proxy + " http2;"
	case h2:
		edits["listen 80;"] = "listen " + at.proxy + " ssl http2;\n" +
			"ssl_certificate " + f.cert + ";\nssl_certificate_key " + f.key + ";"
	}
	switch v.listener {
	case unixSocket:
		edits["127.0.0.1:8002"] = "unix:" + at.auth
	case overTLS:
		edits["proxy_pass http://forwardauth;"] = "proxy_pass https://forwardauth;\n" +
			"proxy_ssl_verify on;\nproxy_ssl_trusted_certificate " + f.cert + ";\n" +
			"proxy_ssl_name example.com;"
	}
	path := configure(t, "nginx.conf", edits)
	dir := filepath.Dir(path)
	main := filepath.Join(dir, "main.conf")
	text := strings.ReplaceAll(nginxMain, "CONFIGURATION", path)
	require.NoError(t, os.WriteFile(main, []byte(text), 0o600))
	process.Start(t, process.Find(t, "nginx"), nil, "-e", "stderr", "-p", dir, "-c", main)
}

// caddyMain comes before testdata/Caddyfile.
const caddyMain = `{
	admin off
	auto_https off
	servers {
		protocols h1 h2 h2c
	}
}
`

func startCaddy(t *testing.T, v variant, at addresses, f files) {
	edits := map[string]string{"127.0.0.1:8001": at.backend, ":80 {": "http://" + at.proxy + " {"}
	if v.protocol == h2 {
		edits[":80 {"] = "https://" + at.proxy + " {\ntls " + f.cert + " " + f.key
	}
	switch v.listener {
	case tcp:
		edits["127.0.0.1:8002"] = at.auth
	case unixSocket:
		edits["127.0.0.1:8002"] = "unix/" + at.auth
	case overTLS:
		edits["127.0.0.1:8002 {"] = "https://" + at.auth + " {\n" +
			"transport http {\ntls_trusted_ca_certs " + f.cert + "\n}"
	}
	path := configure(t, "Caddyfile", edits)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append([]byte(caddyMain), text...), 0o600))
	process.Start(t, process.Find(t, "caddy"), []string{"HOME=" + t.TempDir()},
		"run", "--adapter", "caddyfile", "--config", path)
}

func startHAProxy(t *testing.T, v variant, at addresses, f files) {
	script := map[string]string{}
	edits := map[string]string{
		"127.0.0.1:8001": at.backend, "global\n": "global\nmaxconn 512\nnbthread 2\n",
	}
	switch v.protocol {
	case http1:
		edits["bind :80"] = "bind " + at.proxy
	case h2c:
		edits["bind :80"] = "bind " + at.proxy + " proto h2"
	case h2:
		edits["bind :80"] = "bind " + at.proxy + " ssl crt " + f.both + " alpn h2,http/1.1"
	}
	switch v.listener {
	case tcp:
		edits["127.0.0.1:8002"] = at.auth
	case unixSocket:
		script["url = url"] = `url = url, dst = "unix@` + at.auth + `"`
	case overTLS:
		edits["http://127.0.0.1:8002/"] = "https://example.com/"
		script["url = url"] = `url = url, dst = "` + at.auth + `"`
		edits["global\n"] += "httpclient.ssl.ca-file " + f.cert + "\n"
	}
	edits["/etc/haproxy/forwardauth.lua"] = configure(t, "forwardauth.lua", script)
	path := configure(t, "haproxy.cfg", edits)
	process.Start(t, process.Find(t, "haproxy"), nil, "-db", "-f", path)
}

// configure copies a file of testdata with edits, each of which must be possible exactly once, and
// returns its path.
func configure(t *testing.T, name string, edits map[string]string) string {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	text := string(data)
	for from := range edits {
		require.Equal(t, 1, strings.Count(text, from), from)
	}
	var pairs []string
	for from, to := range edits {
		pairs = append(pairs, from, to)
	}
	path := filepath.Join(t.TempDir(), name)
	text = strings.NewReplacer(pairs...).Replace(text)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
