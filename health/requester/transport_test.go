package requester_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/faults"
)

const noAnswer = "requester: no answer from "

func TestTLSFailures(t *testing.T) {
	day := 24 * time.Hour
	tests := []struct {
		name      string
		notBefore time.Time
		names     []string
		usage     x509.ExtKeyUsage
		trusted   bool
		want      string
	}{
		{"unknown authority", time.Now().Add(-day), []string{"127.0.0.1"}, x509.ExtKeyUsageServerAuth,
			false,
			"its certificate is signed by an authority that this machine does not know: " +
				"check for a proxy that opens TLS, and that CA certificates are installed"},
		{"expired", time.Now().Add(-30 * day), []string{"127.0.0.1"}, x509.ExtKeyUsageServerAuth, true,
			"its certificate has expired or is not valid yet: check this machine's clock"},
		{"not yet valid", time.Now().Add(day), []string{"127.0.0.1"}, x509.ExtKeyUsageServerAuth, true,
			"its certificate has expired or is not valid yet: check this machine's clock"},
		{"another host name", time.Now().Add(-day), []string{"elsewhere.example"},
			x509.ExtKeyUsageServerAuth, true,
			"its certificate is for another host name: check the base URL and any proxy in between"},
		{"client certificate", time.Now().Add(-day), []string{"127.0.0.1"}, x509.ExtKeyUsageClientAuth,
			true,
			"its certificate is not valid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert := certificate(t, tt.notBefore, tt.usage, tt.names...)
			platform := requestertest.NewPlatform()
			server := httptest.NewUnstartedServer(platform)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()

			client := mustClient(t, requester.WithBaseURL(server.URL))
			if tt.trusted {
				pool := x509.NewCertPool()
				pool.AddCert(cert.Leaf)
				client.Trust(pool)
			}
			_, err := client.Requester(t.Context(), mustToken(t, apiKey))
			assert.EqualError(t, err, noAnswer+server.URL+": "+tt.want)
			assert.Equal(t, requester.Unavailable, requester.ClassOf(err))
			var verification *tls.CertificateVerificationError
			assert.ErrorAs(t, err, &verification)
			assert.Zero(t, platform.Count())
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		platform := requestertest.NewServer()
		defer platform.Close()
		base := strings.Replace(platform.URL, "http:", "https:", 1)
		_, err := mustClient(t, requester.WithBaseURL(base)).Requester(t.Context(), mustToken(t, apiKey))
		assert.EqualError(t, err,
			noAnswer+base+": it does not speak TLS: check the base URL and any proxy in between")
		var record tls.RecordHeaderError
		assert.ErrorAs(t, err, &record)
	})
	t.Run("no CA certificates", func(t *testing.T) {
		_, err := failing(t, x509.SystemRootsError{})
		assert.EqualError(t, err,
			noAnswer+"https://toloka.dev: "+
				"this machine has no CA certificates: install them (ca-certificates)")
	})
}

func TestHTTPS(t *testing.T) {
	platform := requestertest.NewPlatform()
	server := httptest.NewTLSServer(platform)
	defer server.Close()
	client := mustClient(t, requester.WithBaseURL(server.URL), requester.WithHTTPClient(server.Client()))
	account, err := client.Requester(t.Context(), platform.IssueToken(""))
	require.NoError(t, err)
	assert.Equal(t, "Jack Smith", account.Name())
}

func TestNetworkFailures(t *testing.T) {
	t.Run("connection refused", func(t *testing.T) {
		platform := requestertest.NewServer()
		platform.Close()
		_, err := mustClient(t, requester.WithBaseURL(platform.URL)).Requester(t.Context(),
			mustToken(t, apiKey))
		assert.EqualError(t, err,
			noAnswer+platform.URL+": connection refused ("+platform.URL[len("http://"):]+")")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
	t.Run("no TLS handshake", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		base := "https://" + listener.Addr().String()
		client := mustClient(t, requester.WithBaseURL(base), requester.WithTimeout(50*time.Millisecond))
		_, err = client.Requester(t.Context(), mustToken(t, apiKey))
		assert.EqualError(t, err, noAnswer+base+": not within 50ms")
	})
	t.Run("longest timeout", func(t *testing.T) {
		platform := requestertest.NewServer()
		defer platform.Close()
		client := mustClient(t, requester.WithBaseURL(platform.URL), requester.WithTimeout(math.MaxInt64))
		_, err := client.Requester(t.Context(), platform.IssueToken(""))
		assert.NoError(t, err)
	})
	tests := []struct {
		name  string
		cause error
		want  string
	}{
		{"unknown host", &net.DNSError{Name: "toloka.dev", IsNotFound: true},
			"DNS knows no host toloka.dev"},
		{"DNS timeout", &net.DNSError{Name: "toloka.dev", IsTimeout: true},
			"DNS does not answer for toloka.dev"},
		{"DNS failure", &net.DNSError{Name: "toloka.dev", Err: "server misbehaving"},
			"DNS fails for toloka.dev"},
		{"dial timeout",
			&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443},
				Err: context.DeadlineExceeded},
			"the connection timed out (192.0.2.1:443)"},
		{"broken pipe", &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE},
			"the connection was reset"},
		{"network unreachable", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH},
			"dial tcp: network is unreachable"},
		{"open quotation", errorText(`bad "thing`), `bad "…"`},
		{"quotation with a quote", errorText(`bad "th\"ing", and more`), `bad "…", and more`},
		{"long text", errorText(strings.Repeat("ä", 300)), strings.Repeat("ä", 199) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := failing(t, tt.cause)
			assert.EqualError(t, err, noAnswer+"https://toloka.dev: "+tt.want)
			assert.Equal(t, requester.Unavailable, requester.ClassOf(err))
			assert.ErrorIs(t, err, tt.cause)
		})
	}
}

type errorText string

func (e errorText) Error() string { return string(e) }

// failing makes a call over a transport that fails with cause.
func failing(t *testing.T, cause error) (*requester.Account, error) {
	client := mustClient(t,
		requester.WithHTTPClient(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response,
			error) {
			return nil, cause
		})}))
	return client.Requester(t.Context(), mustToken(t, apiKey))
}

func TestProxies(t *testing.T) {
	token := mustToken(t, apiKey)
	t.Run("https", func(t *testing.T) {
		envProxy.taken()
		_, err := mustClient(t, requester.WithBaseURL("https://nowhere.invalid")).Requester(t.Context(),
			token)
		assert.EqualError(t, err,
			noAnswer+"https://nowhere.invalid: the proxy "+envProxy.server.Listener.Addr().String()+
				" answered 502 to CONNECT")
		dumps := envProxy.taken()
		require.Len(t, dumps, 1)
		assert.Contains(t, dumps[0], "CONNECT nowhere.invalid:443 HTTP/1.1\r\n")
		assert.NotContains(t, dumps[0], apiKey)
	})
	for status, want := range map[int]requester.Class{
		302: requester.Misdirected, 400: requester.Misdirected, 401: requester.Misdirected,
		403: requester.Misdirected, 404: requester.Misdirected, 407: requester.Misdirected,
		204: requester.Unavailable, 408: requester.Unavailable, 429: requester.Unavailable,
		500: requester.Unavailable, 502: requester.Unavailable, 503: requester.Unavailable,
	} {
		t.Run(fmt.Sprintf("https/%d", status), func(t *testing.T) {
			envProxy.answers(status)
			defer envProxy.answers(http.StatusBadGateway)
			_, err := mustClient(t, requester.WithBaseURL("https://nowhere.invalid")).Requester(t.Context(),
				token)
			assert.Equal(t, want, requester.ClassOf(err))
			text := noAnswer + "https://nowhere.invalid: the proxy " +
				envProxy.server.Listener.Addr().String() + fmt.Sprintf(" answered %d to CONNECT", status)
			if want == requester.Misdirected {
				text += ": check HTTPS_PROXY and NO_PROXY, " +
					"and that the proxy lets this service connect to the platform"
			}
			assert.EqualError(t, err, text)
		})
	}
	t.Run("plain http", func(t *testing.T) {
		platform := requestertest.NewServer()
		defer platform.Close()
		proxy, err := url.Parse(envProxy.server.URL)
		require.NoError(t, err)
		envProxy.taken()
		user := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
		for _, opts := range [][]requester.Option{nil, {requester.WithHTTPClient(user)}} {
			client := mustClient(t, append(opts, requester.WithBaseURL(platform.URL))...)
			_, err := client.Requester(t.Context(), platform.IssueToken(""))
			assert.NoError(t, err)
		}
		assert.Empty(t, envProxy.taken())
	})
}

func TestPlainHTTP_loopbackOnly(t *testing.T) {
	token := mustToken(t, apiKey)
	var written atomic.Int64
	// A name server that resolves localhost to another machine.
	astray := func(ctx context.Context, network, addr string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			n, _ := io.Copy(io.Discard, server)
			written.Add(n)
		}()
		return &addressed{client, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}}, nil
	}
	dial := func(network, addr string) (net.Conn,
		error) {
		return astray(context.Background(), network, addr)
	}
	transports := map[string]*http.Transport{
		"DialContext": {DialContext: astray},
		"Dial":        {Dial: dial},
	}
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			client := mustClient(t, requester.WithBaseURL("http://localhost"),
				requester.WithHTTPClient(&http.Client{Transport: transport}))
			_, err := client.Requester(t.Context(), token)
			assert.EqualError(t, err,
				noAnswer+"http://localhost: localhost:80 is 192.0.2.1, "+
					"which is not a loopback address: plain http is for this machine only")
			assert.Equal(t, requester.Unavailable, requester.ClassOf(err))
			assert.Zero(t, written.Load())
		})
	}
	t.Run("dial fails", func(t *testing.T) {
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn,
			error) {
			return nil, syscall.ECONNREFUSED
		}}
		client := mustClient(t, requester.WithBaseURL("http://localhost"),
			requester.WithHTTPClient(&http.Client{Transport: transport}))
		_, err := client.Requester(t.Context(), token)
		assert.EqualError(t, err, noAnswer+"http://localhost: connection refused")
	})
	t.Run("connection in memory", func(t *testing.T) {
		platform := requestertest.NewPlatform()
		dial := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() { _ = (&http.Server{Handler: platform}).Serve(&oneConn{conn: server}) }()
			return client, nil
		}
		transport := &http.Transport{DisableKeepAlives: true, DialContext: dial}
		client := mustClient(t, requester.WithBaseURL("http://localhost"),
			requester.WithHTTPClient(&http.Client{Transport: transport}))
		_, err := client.Requester(t.Context(), platform.IssueToken(""))
		assert.NoError(t, err)
	})
	t.Run("localhost", func(t *testing.T) {
		platform := requestertest.NewServer()
		defer platform.Close()
		client := mustClient(t,
			requester.WithBaseURL(strings.Replace(platform.URL, "127.0.0.1", "localhost", 1)))
		_, err := client.Requester(t.Context(), platform.IssueToken(""))
		assert.NoError(t, err)
	})
}

func TestConnections(t *testing.T) {
	for name, own := range map[string]bool{"own transport": true, "custom transport": false} {
		t.Run("closed after use/"+name, func(t *testing.T) {
			platform := requestertest.NewPlatform()
			platform.SetFaults(requestertest.Sequence(faults.Join(), requestertest.Status(401),
				requestertest.HTML(502), requestertest.RateLimited("")))
			var opened atomic.Int64
			closed := make(chan struct{}, 10)
			server := httptest.NewUnstartedServer(platform)
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				switch s {
				case http.StateNew:
					opened.Add(1)
				case http.StateClosed:
					closed <- struct{}{}
				}
			}
			server.Start()
			defer server.Close()
			opts := []requester.Option{requester.WithBaseURL(server.URL)}
			if !own {
				opts = append(opts, requester.WithHTTPClient(&http.Client{Transport: &http.Transport{}}))
			}
			client := mustClient(t, opts...)
			for n := range 4 {
				_, _ = client.Requester(t.Context(), platform.IssueToken(""))
				<-closed
				assert.EqualValues(t, n+1, opened.Load())
			}
		})
	}
	t.Run("no HTTP2", func(t *testing.T) {
		var proto atomic.Value
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			proto.Store(r.Proto)
			_, _ = w.Write([]byte(jackSmith))
		}))
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		client := mustClient(t, requester.WithBaseURL(server.URL))
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		client.Trust(pool)
		_, err := client.Requester(t.Context(), mustToken(t, apiKey))
		require.NoError(t, err)
		assert.Equal(t, "HTTP/1.1", proto.Load())
	})
}

// addressed is a connection with the remote address addr.
type addressed struct {
	net.Conn
	addr net.Addr
}

func (a *addressed) RemoteAddr() net.Addr { return a.addr }

// oneConn is a listener with one connection.
type oneConn struct {
	conn net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, io.EOF
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// certificate is self-signed and valid for ten days.
func certificate(t *testing.T, notBefore time.Time, usage x509.ExtKeyUsage,
	names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		NotBefore:    notBefore,
		NotAfter:     notBefore.Add(10 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{usage},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
