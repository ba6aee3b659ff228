package middleware_test

import (
	"bytes"
	"context"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

const plainBody = `{"status":"pass"}`

func TestWithDetails_query(t *testing.T) {
	c := newChecker(fullState(t, health.ReasonVerified))
	queries := map[string]bool{
		"":                           false,
		"?":                          false,
		"?verbose":                   true,
		"?verbose=1":                 true,
		"?verbose=":                  true,
		"?verbose=false":             true, // the presence of the key counts
		"?a=b&verbose":               true,
		"?a=b&verbose=1&c":           true,
		"?&&verbose":                 true,
		"?Verbose":                   false,
		"?verbosely":                 false,
		"?a=verbose":                 false,
		"?not-verbose&a=b":           false,
		"?a=b&&=verbose":             false,
		"?a;verbose":                 false,
		"?" + strings.Repeat("&", 9): false,
	}
	for query, verbose := range queries {
		t.Run("query "+query, func(t *testing.T) {
			body := func(opts ...middleware.HealthOption) string {
				return ask(newHealth(c, opts...), http.MethodGet, "/healthz"+query).Body.String()
			}
			assert.Equal(t, !verbose, body(toAll) == plainBody)
			assert.Equal(t, plainBody, body(toNone), "not allowed")
			assert.Equal(t, plainBody, body(), "by default")
		})
	}
}

func TestWithDetails_policy(t *testing.T) {
	c := newChecker(fullState(t, health.ReasonVerified))

	t.Run("called for verbose only", func(t *testing.T) {
		var seen []string
		endpoint := newHealth(c, middleware.WithDetails(func(r *http.Request) bool {
			seen = append(seen, r.URL.String())
			return false
		}))
		assert.Equal(t, plainBody, ask(endpoint, http.MethodGet, "/healthz").Body.String())
		assert.Empty(t, seen)
		assert.Equal(t, plainBody, ask(endpoint, http.MethodGet, "/healthz?verbose").Body.String())
		assert.Equal(t, []string{"/healthz?verbose"}, seen)
	})
	t.Run("other endpoints", func(t *testing.T) {
		routes := must(middleware.Routes(c, toAll))
		assert.Equal(t, plainBody, ask(routes["/livez"], http.MethodGet, "/livez?verbose").Body.String())
		assert.Equal(t, plainBody, ask(routes["/startupz"], http.MethodGet, "/startupz?verbose").Body.String())
	})
	t.Run("panic", func(t *testing.T) {
		for _, value := range []any{"a secret of the request", http.ErrAbortHandler} {
			endpoint := newHealth(c, middleware.WithDetails(func(*http.Request) bool { panic(value) }))
			var logged bytes.Buffer
			server := &http.Server{ErrorLog: log.New(&logged, "", 0)}
			for range 2 {
				r := httptest.NewRequest(http.MethodGet, "/healthz?verbose", nil)
				r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, server))
				rec := httptest.NewRecorder()
				endpoint.ServeHTTP(rec, r)
				assert.Equal(t, http.StatusOK, rec.Code)
				assert.Equal(t, healthHeader(health.StatusPass, ""), rec.Header())
				assert.Equal(t, plainBody, rec.Body.String())
			}
			assert.Equal(t, 1, strings.Count(logged.String(), "\n"), "once for each endpoint")
			assert.Contains(t, logged.String(), "middleware: the policy of WithDetails panicked (")
			assert.NotContains(t, logged.String(), "secret")
		}
	})
	t.Run("panic without a server", func(t *testing.T) {
		var logged bytes.Buffer
		defer log.SetOutput(log.Writer())
		log.SetOutput(&logged)
		endpoint := newHealth(c, middleware.WithDetails(func(*http.Request) bool { panic(7) }))
		assert.Equal(t, plainBody, ask(endpoint, http.MethodGet, "/?verbose").Body.String())
		assert.Contains(t, logged.String(), "panicked (int): its requests get no details")
	})
}

func TestLoopbackOnly(t *testing.T) {
	const local = "127.0.0.1:50000"
	tests := map[string]struct {
		peer, host, header string
		want               bool
	}{
		"curl by name":             {peer: local, host: "localhost:8080", want: true},
		"curl by address":          {peer: local, host: "127.0.0.1:8080", want: true},
		"default port":             {peer: local, host: "localhost", want: true},
		"another loopback address": {peer: "127.8.9.1:50000", host: "127.8.9.1", want: true},
		"name in capitals":         {peer: local, host: "LOCALHOST:8080", want: true},
		"IPv6":                     {peer: "[::1]:50000", host: "[::1]:8080", want: true},
		"IPv6 default port":        {peer: "[::1]:50000", host: "[::1]", want: true},
		"IPv4 in IPv6":             {peer: "[::ffff:127.0.0.1]:50000", host: "localhost", want: true},
		"unrelated header":         {peer: local, host: "localhost", header: "X-Request-Id: 7", want: true},
		"another machine":          {peer: "10.0.0.7:50000", host: "localhost:8080"},
		"another machine, IPv6":    {peer: "[2001:db8::1]:50000", host: "localhost:8080"},
		"unspecified address":      {peer: "0.0.0.0:50000", host: "localhost:8080"},
		"Unix socket":              {peer: "@", host: "localhost"},
		"no peer":                  {peer: "", host: "localhost"},
		"no port":                  {peer: "127.0.0.1", host: "localhost"},
		"public host":              {peer: local, host: "api.example.com"},
		"host like localhost":      {peer: local, host: "localhost.example.com"},
		"host like an address":     {peer: local, host: "127.0.0.1.example.com"},
		"no host":                  {peer: local},
		"X-Forwarded-For":          {peer: local, host: "localhost", header: "X-Forwarded-For: 127.0.0.1"},
		"X-Forwarded-For, empty":   {peer: local, host: "localhost", header: "X-Forwarded-For: "},
		"X-Forwarded-Proto":        {peer: local, host: "localhost", header: "X-Forwarded-Proto: https"},
		"Forwarded":                {peer: local, host: "localhost", header: "Forwarded: for=_x"},
		"Via":                      {peer: local, host: "localhost", header: "Via: 1.1 proxy"},
		"X-Real-Ip":                {peer: local, host: "localhost", header: "X-Real-Ip: 10.0.0.7"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr, r.Host = tt.peer, tt.host
			if key, value, ok := strings.Cut(tt.header, ": "); ok {
				r.Header.Set(key, value)
			}
			assert.Equal(t, tt.want, middleware.LoopbackOnly(r))
		})
	}
	t.Run("HTTP/1.0", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
		r.RemoteAddr = local
		assert.True(t, middleware.LoopbackOnly(r))
		r.ProtoMinor = 0
		assert.False(t, middleware.LoopbackOnly(r))
	})
	t.Run("real server", func(t *testing.T) {
		c := newChecker(fullState(t, health.ReasonVerified))
		endpoint := newHealth(c, middleware.WithDetails(middleware.LoopbackOnly))
		server := httptest.NewServer(endpoint)
		defer server.Close()
		resp, err := server.Client().Get(server.URL + "/healthz?verbose")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Greater(t, resp.ContentLength, int64(len(plainBody)))
	})
}

func TestBearerToken(t *testing.T) {
	const secret = "h2Jq0Z-ops.token~1+/=="
	policy := middleware.BearerToken(mustToken(t, secret))
	tests := map[string]struct {
		authorization []string
		want          bool
	}{
		"right":             {[]string{"Bearer " + secret}, true},
		"scheme lower case": {[]string{"bearer " + secret}, true},
		"two spaces":        {[]string{"Bearer  " + secret}, true},
		"none":              {nil, false},
		"empty":             {[]string{""}, false},
		"scheme alone":      {[]string{"Bearer"}, false},
		"scheme and space":  {[]string{"Bearer "}, false},
		"token alone":       {[]string{secret}, false},
		"another scheme":    {[]string{"ApiKey " + secret}, false},
		"wrong":             {[]string{"Bearer h2Jq0Z-ops.token~1+/="}, false},
		"longer":            {[]string{"Bearer " + secret + "="}, false},
		"in capitals":       {[]string{"Bearer " + strings.ToUpper(secret)}, false},
		"twice":             {[]string{"Bearer " + secret, "Bearer " + secret}, false},
		"trailing space":    {[]string{"Bearer " + secret + " "}, false},
		"1 MB":              {[]string{"Bearer " + strings.Repeat("a", 1<<20)}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{}}
			if tt.authorization != nil {
				r.Header["Authorization"] = tt.authorization
			}
			assert.Equal(t, tt.want, policy(r))
		})
	}
	t.Run("zero token", func(t *testing.T) {
		assert.Nil(t, middleware.BearerToken(credentials.Token{}))
	})
}

// FuzzVerboseQuery compares asksForDetails with net/url's parser. Queries with escapes are left
// out: an escaped key does not ask for details.
func FuzzVerboseQuery(f *testing.F) {
	for _, query := range []string{
		"", "verbose", "verbose=1", "a=b&verbose", "&&verbose=&", "a=verbose", "=verbose", "Verbose",
	} {
		f.Add(query)
	}
	endpoint := newHealth(because(health.ReasonVerified), toAll)
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil || strings.ContainsAny(query, "%+;") {
			return
		}
		rec := httptest.NewRecorder()
		u := &url.URL{Path: "/healthz", RawQuery: query}
		endpoint.ServeHTTP(rec, &http.Request{Method: http.MethodGet, URL: u})
		assert.Equal(t, values.Has("verbose"), rec.Body.String() != plainBody, query)
	})
}

// FuzzLoopbackOnly compares the decision about the peer with package net's.
func FuzzLoopbackOnly(f *testing.F) {
	for _, peer := range []string{
		"127.0.0.1:1", "[::1]:1", "10.0.0.1:1", "[::ffff:127.0.0.1]:1", "[::1%lo]:1", "@", "",
	} {
		f.Add(peer, "localhost")
	}
	f.Fuzz(func(t *testing.T, peer, host string) {
		if !middleware.LoopbackOnly(&http.Request{ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: peer, Host: host}) {
			return
		}
		name := strings.Trim(peer[:strings.LastIndexByte(peer, ':')], "[]")
		name, _, _ = strings.Cut(name, "%") // a zone
		assert.True(t, net.ParseIP(name).IsLoopback(), peer)
	})
}
