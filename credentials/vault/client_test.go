package vault_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/credentials/vault"
)

// serve runs h on a loopback port.
func serve(t testing.TB, h http.Handler) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// dial returns a Vault client for a server.
func dial(t testing.TB, address string) *api.Client {
	client, err := api.NewClient(&api.Config{Address: address})
	require.NoError(t, err)
	client.SetToken(vaultToken)
	t.Cleanup(func() { client.CloneConfig().HttpClient.CloseIdleConnections() })
	return client
}

func token(t testing.TB, p *vault.Provider) string {
	t.Helper()
	token, err := p.Token(context.Background())
	require.NoError(t, err)
	return token.Reveal()
}

// with returns the options for kv2 and a login method, nil for none.
func with(auth api.AuthMethod) []vault.Option {
	if auth == nil {
		return []vault.Option{kv2}
	}
	return []vault.Option{kv2, vault.WithAuth(auth)}
}

// withSecret is a fake that holds tokenA.
func withSecret() *fakeVault {
	fake := newFakeVault()
	fake.answer(dataPath, http.StatusOK, kv2Body(tokenField(tokenA)))
	return fake
}

func TestClient(t *testing.T) {
	t.Run("unchanged by reads and logins", func(t *testing.T) {
		fake := withSecret()
		fake.answer(loginPath, http.StatusOK, loginBody("hvs.own", "3600"))
		client := clientOf(t, fake)
		client.SetNamespace("team-a")
		client.AddHeader("X-Trace", "1")
		client.SetMaxRetries(7)
		client.SetClientTimeout(42 * time.Second)
		state := func() string {
			cfg := client.CloneConfig()
			return fmt.Sprintf("%v %v %v %v %v %v %v %v %p %#v %v",
				client.Token(), client.Namespace(), client.Headers(), client.Address(),
				cfg.MaxRetries, cfg.Timeout, cfg.DisableRedirects, cfg.AgentAddress,
				cfg.CheckRetry, cfg.HttpClient.Transport, cfg.HttpClient.Jar)
		}
		before := state()
		p, err := vault.New(client, kv2, vault.WithNamespace("team-b"),
			vault.WithAuth(vault.AppRole("role", vault.Value("secret-id"))))
		require.NoError(t, err)
		assert.Equal(t, tokenA, token(t, p))
		assert.Equal(t, before, state())
	})

	t.Run("namespace, headers and current token are used", func(t *testing.T) {
		fake := withSecret()
		client := clientOf(t, fake)
		client.SetNamespace("team-a")
		client.AddHeader("X-Trace", "1")
		p, err := vault.New(client, kv2)
		require.NoError(t, err)
		token(t, p)
		asked := fake.last(t)
		assert.Equal(t, "team-a", asked.Namespace)
		assert.Equal(t, "1", asked.Header.Get("X-Trace"))
		assert.Equal(t, vaultToken, asked.Token)

		client.SetToken("hvs.renewed-by-the-service")
		token(t, p)
		assert.Equal(t, "hvs.renewed-by-the-service", fake.last(t).Token)
	})

	t.Run("WithNamespace overrides its namespace", func(t *testing.T) {
		fake := withSecret()
		client := clientOf(t, fake)
		client.SetNamespace("team-a")
		for _, namespace := range []string{"team-b", ""} {
			p, err := vault.New(client, kv2, vault.WithNamespace(namespace))
			require.NoError(t, err)
			token(t, p)
			assert.Equal(t, namespace, fake.last(t).Namespace)
		}
		assert.Equal(t, "team-a", client.Namespace())
	})

	t.Run("without headers", func(t *testing.T) {
		t.Setenv("VAULT_HEADERS", `{"X-Environment":"1"}`)
		fake := withSecret()
		client := clientOf(t, fake)
		client.SetHeaders(nil)
		for _, options := range [][]vault.Option{{kv2}, {kv2, vault.WithNamespace("team-a")}} {
			p, err := vault.New(client, options...)
			require.NoError(t, err)
			token(t, p)
			assert.Empty(t, fake.last(t).Header.Get("X-Environment"))
		}
	})

	t.Run("token with a line break", func(t *testing.T) {
		fake := withSecret()
		client := clientOf(t, fake)
		client.SetToken("hvs.with-a-line-end\n")
		p, err := vault.New(client, kv2)
		require.NoError(t, err)
		_, err = p.Token(context.Background())
		require.EqualError(t, err, "vault: the Vault token has an unprintable character, perhaps a line "+
			"break at its end")
		require.ErrorIs(t, err, credentials.ErrInvalid)
		assert.Zero(t, fake.count())
	})

	t.Run("idle connections stay open after an error", func(t *testing.T) {
		transport := &brokenTransport{}
		cfg := api.DefaultConfig()
		cfg.Address, cfg.HttpClient = vaultAddress, &http.Client{Transport: transport}
		client, err := api.NewClient(cfg)
		require.NoError(t, err)
		p, err := vault.New(client, kv2)
		require.NoError(t, err)
		_, err = p.Token(context.Background())
		require.EqualError(t, err, "vault: secret/data/toloka at http://vault.test:8200: cannot be "+
			"reached: broken")
		assert.Zero(t, transport.closed)
		p.CloseIdleConnections()
		assert.Equal(t, 1, transport.closed)
	})
}

type brokenTransport struct{ closed int }

func (*brokenTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("broken")
}

func (b *brokenTransport) CloseIdleConnections() { b.closed++ }

func TestNewIgnoresTheEnvironment(t *testing.T) {
	elsewhere := func(t *testing.T) string {
		server := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("a request went to the address in the environment")
		}))
		return server.URL
	}
	for _, tc := range []struct {
		name string
		set  func(t *testing.T)
	}{
		{"VAULT_ADDR", func(t *testing.T) { t.Setenv("VAULT_ADDR", elsewhere(t)) }},
		{"VAULT_AGENT_ADDR", func(t *testing.T) { t.Setenv("VAULT_AGENT_ADDR", elsewhere(t)) }},
		{"VAULT_TOKEN", func(t *testing.T) { t.Setenv("VAULT_TOKEN", "hvs.from-the-environment") }},
		{"VAULT_NAMESPACE", func(t *testing.T) { t.Setenv("VAULT_NAMESPACE", "from-the-environment") }},
		{"VAULT_HEADERS", func(t *testing.T) { t.Setenv("VAULT_HEADERS", `{"X-Environment":"1"}`) }},
		{"VAULT_WRAP_TTL", func(t *testing.T) { t.Setenv("VAULT_WRAP_TTL", "60s") }},
		{"VAULT_MAX_RETRIES", func(t *testing.T) { t.Setenv("VAULT_MAX_RETRIES", "5") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake := withSecret()
			server := serve(t, fake)
			tc.set(t)
			// The two ways to set an explicit address.
			cfg := api.DefaultConfig()
			require.NoError(t, cfg.Error)
			corrected, err := api.NewClient(cfg)
			require.NoError(t, err)
			require.NoError(t, corrected.SetAddress(server.URL))
			corrected.SetToken(vaultToken)
			corrected.ClearNamespace()
			t.Cleanup(cfg.HttpClient.CloseIdleConnections)
			bare := dial(t, server.URL)
			bare.ClearNamespace()
			for _, client := range []*api.Client{corrected, bare} {
				headers := client.Headers()
				headers.Del("X-Environment")
				client.SetHeaders(headers)
				p, err := vault.New(client, kv2)
				require.NoError(t, err)
				assert.Equal(t, tokenA, token(t, p))
				asked := fake.last(t)
				assert.Equal(t, vaultToken, asked.Token)
				assert.Empty(t, asked.Namespace)
				assert.Empty(t, asked.Header.Get("X-Environment"))
				assert.Empty(t, asked.Header.Get("X-Vault-Wrap-TTL"))
			}
			assert.Equal(t, []string{"GET " + dataPath, "GET " + dataPath}, fake.asked())
		})
	}

	t.Run("VAULT_TOKEN and a login", func(t *testing.T) {
		t.Setenv("VAULT_TOKEN", "hvs.from-the-environment")
		fake := withSecret()
		var sent string
		fake.answerFunc(loginPath, func(r request) reply {
			sent = r.Token
			return reply{status: http.StatusOK, body: loginBody("hvs.own", "60")}
		})
		p, err := vault.New(clientOf(t, fake), kv2,
			vault.WithAuth(vault.AppRole("role", vault.Value("id"))))
		require.NoError(t, err)
		token(t, p)
		assert.Empty(t, sent)
		assert.Equal(t, "hvs.own", fake.last(t).Token)
	})
}

func TestSingleRequest(t *testing.T) {
	t.Run("no retry although the client retries", func(t *testing.T) {
		for _, status := range []int{412, 429, 500, 502, 503} {
			fake := newFakeVault()
			fake.answer(dataPath, status, `{"errors":[]}`)
			client := clientOf(t, fake)
			client.SetMaxRetries(5)
			client.SetCheckRetry(func(context.Context, *http.Response, error) (bool, error) { return true, nil })
			p, err := vault.New(client, kv2)
			require.NoError(t, err)
			_, err = p.Token(context.Background())
			require.Error(t, err)
			assert.Equal(t, 1, fake.count(), "status %d", status)
		}
	})

	t.Run("no redirect", func(t *testing.T) {
		thief := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("the redirect was followed, with the token %q", r.Header.Get("X-Vault-Token"))
		}))
		for _, status := range []int{301, 302, 303, 307, 308} {
			server := serve(t, http.RedirectHandler(thief.URL, status))
			client := dial(t, server.URL)
			appRole := vault.AppRole("role", vault.Value("secret-id"))
			for _, method := range []api.AuthMethod{nil, appRole, foreignLogin{}} {
				p, err := vault.New(client, with(method)...)
				require.NoError(t, err)
				_, err = p.Token(context.Background())
				require.ErrorContains(t, err, fmt.Sprintf("answered %d, a redirect to %s, which is not "+
					"followed", status, thief.URL))
				assert.NotErrorIs(t, err, credentials.ErrInvalid)
			}
		}
	})

	t.Run("no cookies", func(t *testing.T) {
		fake := withSecret()
		server := serve(t, fake)
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		u, err := url.Parse(server.URL)
		require.NoError(t, err)
		jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "1"}})
		cfg := api.DefaultConfig()
		cfg.Address, cfg.HttpClient.Jar = server.URL, jar
		t.Cleanup(cfg.HttpClient.CloseIdleConnections)
		client, err := api.NewClient(cfg)
		require.NoError(t, err)
		p, err := vault.New(client, kv2)
		require.NoError(t, err)
		token(t, p)
		assert.Empty(t, fake.last(t).Header.Get("Cookie"))
	})
}

// foreignLogin is a login method of another package.
type foreignLogin struct{ body map[string]any }

func (f foreignLogin) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	answer, err := client.Logical().WriteWithContext(ctx, "auth/approle/login", f.body)
	if err != nil {
		return nil, fmt.Errorf("unable to log in: %w", err)
	}
	return answer, nil
}

func TestAddress(t *testing.T) {
	t.Run("not a URL", func(t *testing.T) {
		for address, want := range map[string]string{
			"vault:8200":           `"vault:8200"`,
			"/v1":                  `"/v1"`,
			"ftp://u:secret@vault": `"ftp://u:xxxxx@vault"`,
			vaultToken + "0000":    "(hidden)",
		} {
			client, err := api.NewClient(&api.Config{Address: address})
			require.NoError(t, err)
			_, err = vault.New(client, kv2)
			require.EqualError(t, err, "vault: the address of Vault is "+want+": it must look like "+
				"https://vault.example.com:8200")
		}
	})

	t.Run("with a password", func(t *testing.T) {
		fake := newFakeVault()
		client := clientOf(t, fake)
		require.NoError(t, client.SetAddress("http://user:password@vault.test:8200"))
		p, err := vault.New(client, kv2)
		require.NoError(t, err)
		_, err = p.Token(context.Background())
		require.ErrorContains(t, err, "vault: secret/data/toloka at http://vault.test:8200: no "+
			"such secret")
	})

	t.Run("Unix socket", func(t *testing.T) {
		fake := withSecret()
		// Not in the test's own directory: a socket's path has at most 104 bytes.
		dir, err := os.MkdirTemp("", "")
		require.NoError(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		socket := filepath.Join(dir, "s")
		listener, err := net.Listen("unix", socket)
		require.NoError(t, err)
		server := &httptest.Server{Listener: listener,
			Config: &http.Server{Handler: fake, ReadHeaderTimeout: time.Second}}
		server.Start()
		t.Cleanup(server.Close)
		client := dial(t, "unix://"+socket)
		p, err := vault.New(client, kv2)
		require.NoError(t, err)
		assert.Equal(t, tokenA, token(t, p))
	})

	t.Run("no listener", func(t *testing.T) {
		server := serve(t, http.NotFoundHandler())
		address := server.URL
		server.Close()
		for path, shown := range map[string]string{"toloka": "toloka", tokenA: "(hidden)"} {
			p, err := vault.New(dial(t, address), vault.KVv2("secret", path))
			require.NoError(t, err)
			_, err = p.Token(context.Background())
			host := address[len("http://"):]
			require.EqualError(t, err, "vault: secret/data/"+shown+" at "+address+": cannot be reached: "+
				"dial tcp "+host+": connect: connection refused")
			assert.NotErrorIs(t, err, credentials.ErrNotFound)
			assert.NotErrorIs(t, err, credentials.ErrInvalid)
			var network *net.OpError
			require.ErrorAs(t, err, &network)
			var tree bytes.Buffer
			printTree(&tree, err)
			assert.NotContains(t, tree.String(), tokenA)
		}
	})

	for name, answer := range map[string]func(request string) string{
		"echo instead of HTTP": func(request string) string { return request },
		"echo in a header":     func(request string) string { return "HTTP/1.1 200 OK\r\n" + request },
		"echo as length": func(request string) string {
			line, _, _ := strings.Cut(request, "\r\n")
			return "HTTP/1.1 200 OK\r\nContent-Length: " + line + "\r\n\r\n"
		},
		"echo as encoding": func(request string) string {
			line, _, _ := strings.Cut(request, "\r\n")
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + line + "\r\n\r\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := vault.New(dial(t, answerRaw(t, answer)), vault.KVv2("secret", tokenA))
			require.NoError(t, err)
			_, err = p.Token(context.Background())
			require.ErrorContains(t, err, "cannot be reached: net/http: HTTP/1.x transport connection broken: ")
			var tree bytes.Buffer
			printTree(&tree, err)
			assert.NotContains(t, tree.String(), vaultToken)
			assert.NotContains(t, tree.String(), tokenA)
		})
	}
}

// answerRaw listens for one connection, answers its request and returns its URL.
func answerRaw(t *testing.T, answer func(request string) string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		request := make([]byte, 4096)
		n, _ := conn.Read(request)
		_, _ = conn.Write([]byte(answer(string(request[:n]))))
		_ = conn.Close()
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return "http://" + listener.Addr().String()
}

func TestContext(t *testing.T) {
	t.Run("ended before", func(t *testing.T) {
		fake := withSecret()
		p, err := vault.New(clientOf(t, fake), kv2)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err = p.Token(ctx)
		require.EqualError(t, err, "vault: secret/data/toloka: context canceled")
		require.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, fake.count())
	})

	t.Run("ends during the read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, err := vault.New(clientOf(t, hanging()), kv2)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			start := time.Now()
			_, err = p.Token(ctx)
			require.EqualError(t, err, "vault: secret/data/toloka at http://vault.test:8200: context "+
				"deadline exceeded")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, time.Second, time.Since(start))
		})
	})

	for _, tc := range []struct {
		name    string
		options []vault.Option
		client  time.Duration
		want    time.Duration
	}{
		{name: "default timeout", want: 4 * time.Second},
		{name: "shorter timeout of the client", client: time.Second, want: time.Second},
		{name: "longer timeout of the client", client: time.Minute, want: 4 * time.Second},
		{name: "WithTimeout", client: time.Second,
			options: []vault.Option{vault.WithTimeout(10 * time.Second)}, want: 10 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := clientOf(t, hanging())
				if tc.client != 0 {
					client.SetClientTimeout(tc.client)
				}
				for path, auth := range map[string]api.AuthMethod{
					"secret/data/toloka": nil,
					"auth/jwt/login":     vault.JWT("role", vault.Value("eyJ")),
					"sys/wrapping/lookup": vault.AppRole("role",
						vault.Wrapped(vault.Value("hvs.wrap"))),
					"login by vault_test.foreignLogin":   foreignLogin{},
					"login by *vault_test.stubbornLogin": &stubbornLogin{},
					"secret/data/toloka after a login":   freeLogin{},
				} {
					p, err := vault.New(client, slices.Concat(tc.options, with(auth))...)
					require.NoError(t, err)
					start := time.Now()
					_, err = p.Token(context.Background())
					if _, free := auth.(freeLogin); free {
						path = "secret/data/toloka"
					}
					require.EqualError(t, err, "vault: "+path+" at http://vault.test:8200: no "+
						"answer within "+tc.want.String())
					require.ErrorIs(t, err, context.DeadlineExceeded)
					assert.NotErrorIs(t, err, credentials.ErrInvalid)
					assert.Equal(t, tc.want, time.Since(start))
				}
			})
		})
	}

	t.Run("values are not passed on", func(t *testing.T) {
		fake := withSecret()
		p, err := vault.New(dial(t, serve(t, fake).URL), kv2)
		require.NoError(t, err)
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			WroteHeaderField: func(key string, _ []string) { t.Errorf("an httptrace saw %s", key) },
		})
		_, err = p.Token(ctx)
		require.NoError(t, err)
	})
}

// hanging never answers.
func hanging() http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// stubbornLogin hides that its context ended.
type stubbornLogin struct{}

func (*stubbornLogin) Login(ctx context.Context, _ *api.Client) (*api.Secret, error) {
	<-ctx.Done()
	return nil, errors.New("gave up")
}

// freeLogin sends no request.
type freeLogin struct{}

func (freeLogin) Login(context.Context, *api.Client) (*api.Secret, error) {
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: "hvs.free"}}, nil
}

func TestErrorRedactsVaultToken(t *testing.T) {
	fake := newFakeVault()
	fake.answerFunc(dataPath, func(r request) reply {
		return reply{status: 500, body: fmt.Sprintf(`{"errors":["token %s was sent"]}`, r.Token)}
	})
	p, err := vault.New(clientOf(t, fake), kv2)
	require.NoError(t, err)
	_, err = p.Token(context.Background())
	require.EqualError(t, err, at+`answered 500; Vault says "token [redacted] was sent"`)
}

// serveTLS is serve with TLS. It does not log failed handshakes.
func serveTLS(t testing.TB, h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func certificate(server *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}
