package requester_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestBaseURL(t *testing.T) {
	tests := []struct{ name, raw, base, environment string }{
		{"https", "https://gateway.example", "https://gateway.example", "gateway.example"},
		{"with a port", "https://gateway.example:8443", "https://gateway.example:8443", "gateway.example:8443"},
		{"with a slash", "https://gateway.example/", "https://gateway.example", "gateway.example"},
		{"with the API's path", "https://gateway.example/api/v1", "https://gateway.example", "gateway.example"},
		{"with the API's path and a slash", "https://gateway.example/api/v1/", "https://gateway.example", "gateway.example"},
		{"in capitals", "HTTPS://Gateway.EXAMPLE:08443", "https://gateway.example:8443", "gateway.example:8443"},
		{"an IPv6 address", "https://[2001:DB8::0:1]:8443", "https://[2001:db8::1]:8443", "[2001:db8::1]:8443"},
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
	t.Run("what BaseURL returns is a copy", func(t *testing.T) {
		c, err := requester.New("")
		require.NoError(t, err)
		c.BaseURL().Host = "elsewhere.example"
		assert.Equal(t, "https://toloka.dev", c.BaseURL().String())
	})
}

func TestBaseURLErrors(t *testing.T) {
	const (
		notURL    = "this is not a URL; write it like https://toloka.dev or http://127.0.0.1:9000"
		noScheme  = "the URL has no scheme; write it like https://toloka.dev or http://127.0.0.1:9000"
		scheme    = "the URL's scheme is neither https nor http; write it like https://toloka.dev or http://127.0.0.1:9000"
		noHost    = "the URL has no host; write it like https://toloka.dev or http://127.0.0.1:9000"
		userinfo  = "the URL has user information before an @; remove it, a token goes nowhere but into the Authorization header"
		query     = "the URL has a query (from the ? on); remove it"
		fragment  = "the URL has a fragment (from the # on); remove it"
		path      = "the URL has a path other than /api/v1; remove it, the client appends /api/v1 by itself"
		port      = "the URL's port is not a number from 1 to 65535"
		hostChars = "the URL's host has characters that no host name has; write an international name in its ASCII form (xn--…)"
		notIPv6   = "the URL's host is not an IPv6 address"
	)
	plain := func(host string) string {
		return `plain http to "` + host + `" would show the token to the network; use https (http is only for a loopback address, 127.0.0.0/8 or [::1], and exactly localhost)`
	}
	tests := []struct{ name, raw, want string }{
		{"empty", "", "the URL is empty; leave the option out for the environment's own"},
		{"not a URL", "https://exa mple.com", notURL},
		{"a line break at its end", "https://toloka.dev\n", notURL},
		{"a host and port alone", "127.0.0.1:9000", notURL},
		{"a port that is a word", "https://toloka.dev:https", notURL},
		{"an open bracket", "https://[::1", notURL},
		{"a password in what is no URL", "https://me:s3cret@exa mple.com", notURL},
		{"a host alone", "toloka.dev", noScheme},
		{"a host without a scheme", "//toloka.dev", noScheme},
		{"a scheme that is none of ours", "ftp://toloka.dev", scheme},
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
		{"the API's path in disguise", "https://toloka.dev/%61pi/v1", path},
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
		{"plain http to a name that begins like a loopback address", "http://127.0.0.1.example", plain("127.0.0.1.example")},
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

func TestCovers(t *testing.T) {
	tests := []struct {
		name, base, url, host string
		want                  bool
	}{
		{"the same", "https://toloka.dev", "https://toloka.dev/api/v1/projects?x=1", "", true},
		{"the same host in Host", "https://toloka.dev", "https://toloka.dev/", "toloka.dev", true},
		{"the default port", "https://toloka.dev", "https://toloka.dev:443/", "toloka.dev:443", true},
		{"the default port in the base", "https://toloka.dev:443", "https://toloka.dev/", "toloka.dev", true},
		{"capitals", "https://toloka.dev", "https://TOLOKA.dev/", "Toloka.DEV", true},
		{"a port", "http://127.0.0.1:9000", "http://127.0.0.1:9000/", "127.0.0.1:9000", true},
		{"plain http's default port", "http://localhost", "http://localhost:80/", "", true},
		{"an IPv6 address", "http://[::1]:9000", "http://[::1]:9000/", "[::1]:9000", true},
		{"an IPv6 address without a port", "https://[2001:db8::1]", "https://[2001:db8::1]/", "[2001:db8::1]:443", true},
		{"the base's own spelling of an IPv6 address", "https://[2001:DB8:0::0]", "https://[2001:DB8:0::0]/", "", true},
		{"another spelling of an IPv6 address in Host", "https://[2001:db8::1]", "https://[2001:db8::1]/", "[2001:0db8::0:1]", true},
		{"an IPv6 address with a zone", "https://[fe80::1]", "https://[fe80::1%25eth0]/", "", false},
		{"another host", "https://toloka.dev", "https://elsewhere.example/", "", false},
		{"a host below", "https://toloka.dev", "https://sandbox.toloka.dev/", "", false},
		{"a host that ends alike", "https://toloka.dev", "https://nottoloka.dev/", "", false},
		{"a final dot", "https://toloka.dev", "https://toloka.dev./", "", false},
		{"another scheme", "https://toloka.dev", "http://toloka.dev/", "", false},
		{"another scheme on the same port", "https://toloka.dev", "http://toloka.dev:443/", "", false},
		{"another port", "https://toloka.dev", "https://toloka.dev:8443/", "", false},
		{"another Host", "https://toloka.dev", "https://toloka.dev/", "elsewhere.example", false},
		{"another port in Host", "https://toloka.dev", "https://toloka.dev/", "toloka.dev:8443", false},
		{"a user in Host", "https://toloka.dev", "https://toloka.dev/", "me@toloka.dev", false},
		{"no host", "https://toloka.dev", "https:///", "", false},
		{"a path alone", "https://toloka.dev", "/api/v1/requester", "", false},
		{"an opaque URL", "https://toloka.dev", "https:toloka.dev", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := requester.New("", requester.WithBaseURL(tt.base))
			require.NoError(t, err)
			u, err := url.Parse(tt.url)
			require.NoError(t, err)
			assert.Equal(t, tt.want, c.Covers(u, tt.host))
		})
	}
	t.Run("an opaque part hides another target", func(t *testing.T) {
		c, err := requester.New("")
		require.NoError(t, err)
		assert.False(t, c.Covers(&url.URL{Scheme: "https", Host: "toloka.dev", Opaque: "//elsewhere.example/"}, ""))
	})
	t.Run("no URL at all", func(t *testing.T) {
		c, err := requester.New("")
		require.NoError(t, err)
		assert.False(t, c.Covers(nil, ""))
	})
}
