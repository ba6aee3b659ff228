package pollers_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// guarded is a service with a token that can be deleted and replaced.
type guarded struct {
	*service
	platform *platform
	tokens   *tokenFile
}

func startGuarded(t *testing.T, name string) *guarded {
	t.Helper()
	g := &guarded{platform: newPlatform(t)}
	g.tokens = newTokenFile(t, g.platform.IssueToken(""))
	g.service = start(t, name, process.Reserve(t), g.platform, g.tokens)
	return g
}

// deleteToken deletes the token on the platform and waits until the service is not ready.
func (g *guarded) deleteToken(t *testing.T) {
	t.Helper()
	g.platform.DeleteToken(g.tokens.held[len(g.tokens.held)-1])
	process.Await(t, "the service to be not ready", func() error {
		return get(g.url("/readyz"), http.StatusServiceUnavailable, "")
	})
}

// A bare "option httpchk" sends OPTIONS /, and a probe without a path sends GET /. Both are 404.
func TestProbeWithoutAPath(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		g := startGuarded(t, name)
		h := runHAProxy(t, map[string]string{"bare": ""}, g.address)
		process.Await(t, "HAProxy to take a healthy service out", func() error {
			row, err := h.row("bare", g.address)
			if err == nil && (row["status"] != "DOWN" || row["check_code"] != "404") {
				err = fmt.Errorf("%s, %s", row["status"], row["check_code"])
			}
			return err
		})
		for _, rule := range rules {
			assert.False(t, rule.probe(g.url("/")), rule.name)
			assert.True(t, rule.probe(g.url("/readyz")), rule.name)
		}
	})
}

// Go's server answers OPTIONS * itself, without a handler, so it says nothing about the service.
func TestOptionsAsterisk(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		g := startGuarded(t, name)
		g.deleteToken(t)
		conn, err := net.Dial("tcp", g.address)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, err = io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	})
}

// Apache's hcmethod=OPTIONS ignores hcuri and sends OPTIONS *.
func TestApacheOptions(t *testing.T) {
	t.Parallel()
	withOptions := func(t *testing.T, first, second string) *config {
		return apacheConfig(t, first, second).
			replace(t, `"http://`+second+`"`, `"http://`+second+`" status=+H`).
			replace(t, "hcmethod=GET", "hcmethod=OPTIONS")
	}
	t.Run("ignores_hcuri", func(t *testing.T) {
		t.Parallel()
		lines := make(chan string, 1)
		server := httptest.NewUnstartedServer(http.HandlerFunc(
			func(_ http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodOptions {
					select {
					case lines <- r.Method + " " + r.RequestURI:
					default:
					}
				}
			}))
		server.Config.DisableGeneralOptionsHandler = true // so that the handler sees OPTIONS *
		server.Start()
		t.Cleanup(server.Close)
		address := strings.TrimPrefix(server.URL, "http://")
		runApache(t, withOptions(t, address, startBackup(t)))
		select {
		case line := <-lines:
			assert.Equal(t, "OPTIONS *", line)
		case <-time.After(10 * time.Second):
			t.Error("Apache sends no OPTIONS request")
		}
	})
	eachService(t, func(t *testing.T, name string) {
		g := startGuarded(t, name)
		p := behind("Apache", runApache(t, withOptions(t, g.address, startBackup(t))), "/livez")
		g.deleteToken(t)
		again := time.NewTicker(50 * time.Millisecond) // half of hcinterval
		defer again.Stop()
		for range 20 {
			in, err := p.in()
			require.NoError(t, err)
			require.True(t, in, "the check noticed that the service is not ready")
			<-again.C
		}
	})
}

// Without http_503, nginx passes the 503 of a closed gate on although the other server works.
func TestNginxWithout503(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		g := startGuarded(t, name)
		listen := process.Reserve(t)
		runNginx(t, listen, readConfig(t, "nginx-passive.conf").
			replace(t, server1, g.address).
			replace(t, server2, startBackup(t)+" backup").
			replace(t, "listen 80;", "listen "+listen+";").
			replace(t, " http_503;", ";").text)
		g.deleteToken(t)
		for range 5 {
			assert.NoError(t, get("http://"+listen+"/account", http.StatusServiceUnavailable, ""))
		}
	})
}

// Caddy's passive check takes a server out after a 503, but the client gets that 503.
func TestCaddyPassiveReturnsThe503(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		g := startGuarded(t, name)
		address := runCaddy(t, preferFirst(t, readConfig(t, "Caddyfile-passive")).
			replace(t, server1, g.address).
			replace(t, server2, startBackup(t)))
		g.deleteToken(t)
		url := "http://" + address + "/account"
		assert.NoError(t, get(url, http.StatusServiceUnavailable, ""))
		assert.NoError(t, get(url, http.StatusOK, backupBody))
	})
}

// While no server is available, Caddy answers 503 at once, or waits for lb_try_duration.
func TestCaddyTryDuration(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		g := startGuarded(t, name)
		only := readConfig(t, "Caddyfile-active").
			replace(t, server1+" "+server2, g.address).
			replace(t, "health_interval 2s", "health_interval 100ms")
		waiting := runCaddy(t, only)
		impatient := runCaddy(t, only.replace(t, "lb_try_duration 5s", "lb_try_duration 0s"))

		g.deleteToken(t)
		process.Await(t, "Caddy to answer 503", func() error {
			return get("http://"+impatient+"/livez", http.StatusServiceUnavailable, "")
		})
		brief := &http.Client{
			Transport: &http.Transport{DisableKeepAlives: true},
			Timeout:   100 * time.Millisecond,
		}
		process.Await(t, "Caddy to let a request wait", func() error {
			resp, err := brief.Get("http://" + waiting + "/livez")
			if err != nil {
				return nil
			}
			_ = resp.Body.Close()
			return fmt.Errorf("answered %s", resp.Status)
		})
		answer := make(chan error, 1)
		go func() { answer <- get("http://"+waiting+"/livez", http.StatusOK, "") }()
		g.tokens.write(t, g.platform.IssueToken(""))
		assert.NoError(t, <-answer)
	})
}

// Varnish caches a 200 without Cache-Control for 120 s, so the account must have one.
func TestVarnishCache(t *testing.T) {
	t.Parallel()
	t.Run("caches_without_Cache-Control", func(t *testing.T) {
		t.Parallel()
		var plain, noStore atomic.Int64
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {}) // /readyz and /livez
		mux.HandleFunc("/plain", func(http.ResponseWriter, *http.Request) { plain.Add(1) })
		mux.HandleFunc("/no-store", func(w http.ResponseWriter, _ *http.Request) {
			noStore.Add(1)
			w.Header().Set("Cache-Control", "no-store")
		})
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		backend := strings.TrimPrefix(server.URL, "http://")
		url := "http://" + runVarnish(t, varnishConfig(t, backend, startBackup(t)).
			replace(t, "directors.round_robin()", "directors.fallback()"))
		for range 3 {
			assert.NoError(t, get(url+"/plain", http.StatusOK, ""))
			assert.NoError(t, get(url+"/no-store", http.StatusOK, ""))
		}
		assert.EqualValues(t, 1, plain.Load())
		assert.EqualValues(t, 3, noStore.Load())
	})
	eachService(t, func(t *testing.T, name string) {
		g := startGuarded(t, name)
		url := "http://" + runVarnish(t, varnishConfig(t, g.address, startBackup(t)).
			replace(t, "directors.round_robin()", "directors.fallback()")) + "/account"
		for range 3 {
			require.NoError(t, get(url, http.StatusOK, account))
		}
		g.deleteToken(t)
		_, body, _, err := ask(url) // the backup's response, or the 503 of the gate
		require.NoError(t, err)
		assert.NotEqual(t, account, body)
	})
}
