package requester_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestWithBaseURL(t *testing.T) {
	tests := []struct{ name, raw, base, environment string }{
		{"https", "https://gateway.example", "https://gateway.example", "gateway.example"},
		{"with a port", "https://gateway.example:8443", "https://gateway.example:8443",
			"gateway.example:8443"},
		{"with a slash", "https://gateway.example/", "https://gateway.example", "gateway.example"},
		{"with the API's path", "https://gateway.example/api/v1", "https://gateway.example",
			"gateway.example"},
		{"with the API's path and a slash", "https://gateway.example/api/v1/", "https://gateway.example",
			"gateway.example"},
		{"in capitals", "HTTPS://Gateway.EXAMPLE:08443", "https://gateway.example:8443",
			"gateway.example:8443"},
		{"an IPv6 address", "https://[2001:DB8::0:1]:8443", "https://[2001:db8::1]:8443",
			"[2001:db8::1]:8443"},
		{"a name with a final dot", "https://toloka.dev.", "https://toloka.dev.", "toloka.dev."},
		{"a name with an underscore", "https://my_gateway", "https://my_gateway", "my_gateway"},
		{"plain http to 127.0.0.1", "http://127.0.0.1:9000", "http://127.0.0.1:9000", "127.0.0.1:9000"},
		{"plain http to anything in 127.0.0.0/8", "http://127.8.9.10", "http://127.8.9.10", "127.8.9.10"},
		{"plain http to ::1", "http://[::1]:9000/api/v1", "http://[::1]:9000", "[::1]:9000"},
		{"plain http to localhost", "http://localhost:9000/", "http://localhost:9000", "localhost:9000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := requester.New("", requester.WithBaseURL(tt.raw))
			require.NoError(t, err)
			assert.Equal(t, tt.base, c.BaseURL().String())
			assert.Equal(t, tt.environment, c.Environment())
		})
	}
	t.Run("copy", func(t *testing.T) {
		c, err := requester.New("")
		require.NoError(t, err)
		c.BaseURL().Host = "elsewhere.example"
		assert.Equal(t, "https://toloka.dev", c.BaseURL().String())
	})
}

func TestWithBaseURL_errors(t *testing.T) {
	const (
		notURL   = "this is not a URL; write it like https://toloka.dev or http://127.0.0.1:9000"
		noScheme = "the URL has no scheme; write it like https://toloka.dev or http://127.0.0.1:9000"
		scheme   = "the URL's scheme is neither https nor http; " +
			"write it like https://toloka.dev or http://127.0.0.1:9000"
		noHost   = "the URL has no host; write it like https://toloka.dev or http://127.0.0.1:9000"
		userinfo = "the URL has a user or password before an @; remove it, " +
			"the token is sent in the Authorization header only"
		query     = "the URL has a query (from the ? on); remove it"
		fragment  = "the URL has a fragment (from the # on); remove it"
		path      = "the URL has a path other than /api/v1; remove it, the client appends /api/v1"
		port      = "the URL's port is not a number from 1 to 65535"
		hostChars = "the URL's host is not a host name; write an international name in its ASCII form (xn--…)"
		notIPv6   = "the URL's host is not an IPv6 address"
	)
	plain := func(host string) string {
		return `plain http to "` + host +
			`" would show the token to the network; use https ` +
			`(http is only for a loopback address, 127.0.0.0/8 or [::1], and exactly localhost)`
	}
	tests := []struct{ name, raw, want string }{
		{"empty", "", "the URL is empty; leave the option out for the environment's own"},
		{"not a URL", "https://exa mple.com", notURL},
		{"a line break at its end", "https://toloka.dev\n", notURL},
		{"a host and port alone", "127.0.0.1:9000", notURL},
		{"a port that is a word", "https://toloka.dev:https", notURL},
		{"an open bracket", "https://[::1", notURL},
		{"password in text that is not a URL", "https://me:s3cret@exa mple.com", notURL},
		{"a host alone", "toloka.dev", noScheme},
		{"a host without a scheme", "//toloka.dev", noScheme},
		{"unknown scheme", "ftp://toloka.dev", scheme},
		{"a name and port alone", "localhost:9000", scheme},
		{"a password in front of a host", "s3cret:x@toloka.dev", scheme},
		{"no host", "https://", noHost},
		{"no host but a path", "https:///api/v1", noHost},
		{"no host but a port", "https://:8443", noHost},
		{"a scheme alone", "https:", noHost},
		{"an opaque URL", "https:toloka.dev", noHost},
		{"a user", "https://s3cret@toloka.dev", userinfo},
		{"a password", "https://me:s3cret@toloka.dev", userinfo},
		{"an empty user", "https://@toloka.dev", userinfo},
		{"a password and plain http", "http://me:s3cret@toloka.dev", userinfo},
		{"a password and no host", "https://me:s3cret@", userinfo},
		{"a password in another scheme", "ftp://me:s3cret@toloka.dev", userinfo},
		{"a query", "https://toloka.dev?token=s3cret", query},
		{"an empty query", "https://toloka.dev/?", query},
		{"a fragment", "https://toloka.dev/#s3cret", fragment},
		{"an empty fragment", "https://toloka.dev/#", fragment},
		{"another path", "https://toloka.dev/s3cret", path},
		{"the whole endpoint", "https://toloka.dev/api/v1/requester", path},
		{"escaped path", "https://toloka.dev/%61pi/v1", path},
		{"a port of zero", "https://toloka.dev:0", port},
		{"a port that is too large", "https://toloka.dev:65536", port},
		{"a colon without a port", "https://toloka.dev:", "the URL's port is missing after the colon"},
		{"an international name", "https://толока.dev", hostChars},
		{"an escape in the host", "https://tol%6Fka%20.dev", notURL},
		{"a star", "https://*.toloka.dev", hostChars},
		{"a dot", "https://.", hostChars},
		{"an address with a zone", "https://[fe80::1%25eth0]", notIPv6},
		{"plain http to the platform", "http://toloka.dev", plain("toloka.dev")},
		{"plain http to a private address", "http://10.0.0.1:9000", plain("10.0.0.1")},
		{"plain http to every address", "http://0.0.0.0:9000", plain("0.0.0.0")},
		{"plain http to 127.1", "http://127.1:9000", plain("127.1")},
		{"plain http to a number", "http://2130706433", plain("2130706433")},
		{"plain http to LOCALHOST", "http://LOCALHOST:9000", plain("LOCALHOST")},
		{"plain http to localhost with a final dot", "http://localhost.:9000", plain("localhost.")},
		{"plain http to a name under localhost", "http://a.localhost:9000", plain("a.localhost")},
		{"plain http to a name that begins like a loopback address", "http://127.0.0.1.example",
			plain("127.0.0.1.example")},
		{"plain http to a mapped address", "http://[::ffff:127.0.0.1]:9000", plain("::ffff:127.0.0.1")},
		{"plain http to ::", "http://[::]:9000", plain("::")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := requester.New("", requester.WithBaseURL(tt.raw))
			assert.Nil(t, c)
			require.Error(t, err)
			assert.Equal(t, "requester: WithBaseURL: "+tt.want, err.Error())
			assert.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestClient_Covers(t *testing.T) {
	const (
		prod = "https://toloka.dev"
		api  = "https://toloka-api.example"
		v6   = "https://[2001:db8::1]"
	)
	tests := []struct {
		name, base, url, host string
		want                  bool
	}{
		{"same", prod, "https://toloka.dev/api/v1/projects?x=1", "", true},
		{"same Host", prod, "https://toloka.dev/", "toloka.dev", true},
		{"default port", prod, "https://toloka.dev:443/", "toloka.dev:443", true},
		{"default port in the base", "https://toloka.dev:443", "https://toloka.dev/", "toloka.dev", true},
		{"port with a leading zero", prod, "https://toloka.dev:0443/", "", true},
		{"upper case", prod, "HTTPS://TOLOKA.dev/", "Toloka.DEV", true},
		{"port", "http://127.0.0.1:9000", "http://127.0.0.1:9000/", "127.0.0.1:9000", true},
		{"default port of http", "http://localhost", "http://localhost:80/", "", true},
		{"IPv6", "http://[::1]:9000", "http://[::1]:9000/", "[::1]:9000", true},
		{"IPv6 without a port", v6, "https://[2001:db8::1]/", "[2001:db8::1]:443", true},
		{"IPv6 in the notation of the base", "https://[2001:DB8:0::0]", "https://[2001:DB8:0::0]/", "",
			true},
		{"IPv6 in another notation", v6, "https://[2001:0db8:0::1]/", "[2001:0db8::0:1]", true},
		{"IPv6 loopback in another notation", "http://[::1]:9000", "http://[0:0:0:0:0:0:0:1]:9000/", "",
			true},
		{"IPv6 with a zone", "https://[fe80::1]", "https://[fe80::1%25eth0]/", "", false},
		{"another host", prod, "https://elsewhere.example/", "", false},
		{"subdomain", prod, "https://sandbox.toloka.dev/", "", false},
		{"host with the same end", prod, "https://nottoloka.dev/", "", false},
		{"trailing dot", prod, "https://toloka.dev./", "", false},
		{"another scheme", prod, "http://toloka.dev/", "", false},
		{"another scheme on the same port", prod, "http://toloka.dev:443/", "", false},
		{"another port", prod, "https://toloka.dev:8443/", "", false},
		{"port that overflows to the same", prod, "https://toloka.dev:65979/", "", false},
		{"another Host", prod, "https://toloka.dev/", "elsewhere.example", false},
		{"another port in Host", prod, "https://toloka.dev/", "toloka.dev:8443", false},
		{"user in Host", prod, "https://toloka.dev/", "me@toloka.dev", false},
		{"no host", prod, "https:///", "", false},
		{"path only", prod, "/api/v1/requester", "", false},
		{"opaque URL", prod, "https:toloka.dev", "", false},
		{"dotted capital I (U+0130)", api, "https://toloka-ap\u0130.example/", "", false},
		{"dotted capital I (U+0130) in Host", api, "https://toloka-api.example/", "toloka-ap\u0130.example",
			false},
		{"Kelvin sign (U+212A)", prod, "https://tolo\u212aa.dev/", "", false},
		{"Kelvin sign (U+212A) in Host", prod, "https://toloka.dev/", "tolo\u212aa.dev", false},
		{"full-width letter (U+FF54)", prod, "https://\uff54oloka.dev/", "", false},
		{"soft hyphen (U+00AD)", prod, "https://tol\u00adoka.dev/", "", false},
		{"ideographic full stop (U+3002)", prod, "https://toloka\u3002dev/", "", false},
		{"localhost in upper case over http", "http://localhost:9000", "http://LOCALHOST:9000/", "", false},
		{"localhost in upper case over https", "https://localhost:9000", "https://LOCALHOST:9000/", "",
			true},
		{"localhost with a trailing dot", "http://localhost:9000", "http://localhost.:9000/", "", false},
		{"short loopback address", "http://127.0.0.1:9000", "http://127.1:9000/", "", false},
		{"mapped loopback address", "http://127.0.0.1:9000", "http://[::ffff:127.0.0.1]:9000/", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustClient(t, requester.WithBaseURL(tt.base))
			u, err := url.Parse(tt.url)
			require.NoError(t, err)
			assert.Equal(t, tt.want, c.Covers(u, tt.host))
		})
	}
	t.Run("built by hand", func(t *testing.T) {
		c := mustClient(t)
		for _, u := range []*url.URL{
			nil,
			{Scheme: "https", Host: "toloka.dev", Opaque: "//elsewhere.example/"},
			{Scheme: "HTTPS", Host: "toloka.dev"},
			{Scheme: "http\u017f", Host: "toloka.dev"}, // folds to https
			{Scheme: "https", Host: "[toloka.dev]"},
			{Scheme: "https", Host: "toloka.dev\x00"},
			{Scheme: "https", Host: "toloka.dev:+443"},
		} {
			assert.False(t, c.Covers(u, ""), u)
		}
	})
}

// FuzzClient_Covers compares with where net/http sends a request: a covered one goes to the base
// URL's own address, and over plain http through no proxy.
func FuzzClient_Covers(f *testing.F) {
	bases := []struct{ url, address string }{
		{"https://toloka-api.example", "toloka-api.example:443"},
		{"http://localhost:9000", "localhost:9000"},
		{"http://[::1]:9000", "[::1]:9000"},
		{"https://[2001:db8::1]:8443", "[2001:db8::1]:8443"},
	}
	var clients []*requester.Client
	for _, base := range bases {
		clients = append(clients, mustClient(f, requester.WithBaseURL(base.url)))
	}
	for _, host := range []string{
		"toloka-api.example", "TOLOKA-API.example:443", "toloka-ap\u0130.example",
		"tolo\u212aa-api.example",
		"toloka-api.example:0443", "toloka-api.example:65979", "toloka-api.example.",
		"[toloka-api.example]",
		"me@toloka-api.example", "toloka-api.example:", "localhost:9000", "LOCALHOST:9000", "[::1]:9000",
		"[0:0:0:0:0:0:0:1]:9000", "[::1%25lo]:9000", "[2001:DB8::1]:8443", "127.0.0.1:9000", "",
	} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		for i, base := range bases {
			u := *clients[i].BaseURL()
			u.Host = host
			if !clients[i].Covers(&u, "") {
				continue
			}
			if strings.ContainsFunc(host, func(c rune) bool { return c >= 0x80 }) {
				t.Fatalf("%s covers %q", base.url, host)
			}
			req := &http.Request{Method: http.MethodGet, URL: &u, Header: http.Header{}}
			proxy, err := http.ProxyFromEnvironment(req)
			if u.Scheme == "http" && (proxy != nil || err != nil) {
				t.Fatalf("%s covers %q, which goes through %v, %v", base.url, host, proxy, err)
			}
			if dialed := dialedFor(req); dialed != base.address {
				t.Fatalf("%s covers %q, which net/http dials as %q", base.url, host, dialed)
			}
		}
	})
}

// dialedFor returns the address that net/http connects to, in the notation of a base URL.
func dialedFor(req *http.Request) string {
	dialed := "nothing"
	transport := &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		dialed = addr
		return nil, errors.New("not dialed")
	}}
	_, _ = transport.RoundTrip(req)
	host, port, err := net.SplitHostPort(dialed)
	if err != nil {
		return dialed
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.String()
	}
	return net.JoinHostPort(strings.ToLower(host), strings.TrimLeft(port, "0"))
}
