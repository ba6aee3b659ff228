package nethttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

const (
	oldToken = "AAAAAAAAAAAAAAAAAAAAAA.old.0000000000000000000000000000000000000000"
	newToken = "BBBBBBBBBBBBBBBBBBBBBB.new.1111111111111111111111111111111111111111"
)

// platform answers in memory, with 401 to all but the valid tokens.
type platform struct {
	mu       sync.Mutex
	valid    map[string]bool
	requests []*http.Request
	bodies   []string
	verified int  // calls of GET /requester
	reject   bool // 401 to everything but GET /requester
}

func (p *platform) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answer := &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, ProtoMajor: 1, ProtoMinor: 1}
	text := "done"
	switch _, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); {
	case r.URL.Path == "/api/v1/requester":
		p.verified++
		text = `{"id":"1"}`
		if !p.valid[token] {
			answer.StatusCode, text = 401, `{"code":"AUTHENTICATION_ERROR","request_id":"r"}`
		}
	default:
		p.requests, p.bodies = append(p.requests, r), append(p.bodies, string(body))
		if !p.valid[token] || p.reject {
			answer.StatusCode, text = 401, "no"
		}
	}
	answer.Body = io.NopCloser(strings.NewReader(text))
	return answer, nil
}

func (p *platform) accepts(tokens ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.valid = map[string]bool{}
	for _, t := range tokens {
		p.valid[t] = true
	}
}

func (p *platform) sent() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, r := range p.requests {
		out = append(out, r.Header.Get("Authorization"))
	}
	return out
}

// variable is a provider whose token a test can change.
type variable struct {
	mu    sync.Mutex
	value string
}

func (v *variable) Token(context.Context) (credentials.Token, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return credentials.ParseToken(v.value)
}

func (v *variable) set(value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.value = value
}

// lending is a started checker, its platform, and a client that sends its token.
type lending struct {
	platform *platform
	source   *variable
	checker  *health.Checker
	client   *http.Client
}

func lend(t *testing.T, opts ...requester.Option) *lending {
	t.Helper()
	l := &lending{platform: &platform{}, source: &variable{value: oldToken}}
	l.platform.accepts(oldToken)
	opts = append(opts, requester.WithHTTPClient(&http.Client{Transport: l.platform}))
	client, err := requester.New(requester.Production, opts...)
	require.NoError(t, err)
	l.checker, err = health.New(l.source, health.WithClient(client))
	require.NoError(t, err)
	t.Cleanup(func() { l.checker.Close() })
	require.NoError(t, l.checker.Start(t.Context()))
	l.client = &http.Client{Transport: nethttp.Transport(l.checker, l.platform)}
	return l
}

// rotate replaces the token in the source and deletes the old one on the platform, at a time when a
// 401 makes the checker verify again.
func (l *lending) rotate() {
	time.Sleep(11 * time.Second)
	l.platform.accepts(newToken)
	l.source.set(newToken)
}

// get returns the status of the answer to a GET request.
func get(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	resp, err := client.Get(url)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// post returns the status of the answer to a POST request to the platform.
func post(t *testing.T, client *http.Client, body io.Reader) int {
	t.Helper()
	resp, err := client.Post(pools, "text/plain", body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

const pools = "https://toloka.dev/api/v1/pools"

func TestTransport_coverage(t *testing.T) {
	tests := []struct {
		name string
		url  string
		edit func(*http.Request)
		want string // the Authorization that arrives
	}{
		{name: "base URL", url: pools, want: "ApiKey " + oldToken},
		{name: "base URL with port", url: "https://toloka.dev:443/api/v1/pools", want: "ApiKey " + oldToken},
		{name: "base URL in capitals", url: "https://TOLOKA.DEV/api/v1/pools", want: "ApiKey " + oldToken},
		{name: "sandbox", url: "https://sandbox.toloka.dev/api/v1/pools"},
		{name: "another host", url: "https://elsewhere.example/api/v1/pools"},
		{name: "another port", url: "https://toloka.dev:8443/api/v1/pools"},
		{name: "plain http", url: "http://toloka.dev/api/v1/pools"},
		{name: "host with the same prefix", url: "https://toloka.dev.elsewhere.example/"},
		{name: "another Host", url: pools, edit: func(r *http.Request) { r.Host = "elsewhere.example" }},
		{
			name: "same Host", url: pools, want: "ApiKey " + oldToken,
			edit: func(r *http.Request) { r.Host = "toloka.dev" },
		},
		{
			name: "caller's Authorization", url: pools,
			edit: func(r *http.Request) { r.Header.Set("Authorization", "OAuth own") },
			want: "OAuth own",
		},
		{
			name: "caller's Authorization in lower case", url: pools,
			edit: func(r *http.Request) { r.Header["authorization"] = []string{"OAuth own"} },
		},
		{
			name: "caller's empty Authorization", url: pools,
			edit: func(r *http.Request) { r.Header["Authorization"] = []string{""} },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := lend(t)
				req, err := http.NewRequestWithContext(t.Context(), "GET", tt.url, nil)
				require.NoError(t, err)
				if tt.edit != nil {
					tt.edit(req)
				}
				before := req.Header.Clone()
				resp, err := l.client.Transport.RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, tt.want, l.platform.sent()[0])
				assert.Equal(t, before, req.Header, "the caller's request is not changed")
			})
		})
	}
}

func TestTransport_actsUnderAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t, requester.WithActUnderAccount("other"))
		get(t, l.client, pools)
		assert.Equal(t, "other", l.platform.requests[0].Header.Get("X-Act-Under-Account-ID"))

		req, err := http.NewRequestWithContext(t.Context(), "GET", pools, nil)
		require.NoError(t, err)
		req.Header.Set("X-Act-Under-Account-ID", "own")
		resp, err := l.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		sent := l.platform.requests[1].Header.Values("X-Act-Under-Account-ID")
		assert.Equal(t, []string{"own"}, sent, "the caller's is not overwritten")
	})
}

func TestTransport_fail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t)
		l.checker.Close()
		body := &closeCounter{Reader: strings.NewReader("body")}
		req, err := http.NewRequestWithContext(t.Context(), "POST", pools, body)
		require.NoError(t, err)
		_, err = l.client.Do(req)
		var verdict *health.Error
		require.ErrorAs(t, err, &verdict)
		assert.Equal(t, health.ReasonClosed, verdict.Reason)
		assert.ErrorIs(t, err, health.ErrClosed)
		assert.Equal(t, 1, body.closed, "a RoundTripper must close the body on errors too")
		assert.Empty(t, l.platform.sent())

		assert.Equal(t, 401, get(t, l.client, "https://elsewhere.example/"), "other requests pass")
	})
}

type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error { c.closed++; return nil }

func TestTransport_response(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t)
		for _, accepted := range []string{oldToken, newToken} { // first attempt, second attempt
			l.platform.accepts(accepted)
			l.source.set(accepted)
			time.Sleep(11 * time.Second)
			req, err := http.NewRequestWithContext(t.Context(), "GET", pools, nil)
			require.NoError(t, err)
			resp, err := l.client.Transport.RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, 200, resp.StatusCode)
			assert.Same(t, req, resp.Request)
			assert.Empty(t, req.Header)
		}
	})
}

func TestTransport_incompleteBase(t *testing.T) {
	t.Run("no response and no error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			req, err := http.NewRequestWithContext(t.Context(), "GET", pools, nil)
			require.NoError(t, err)
			base := roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil })
			resp, err := nethttp.Transport(l.checker, base).RoundTrip(req)
			assert.EqualError(t, err, "nethttp: Transport: the base returned neither a response nor an error")
			assert.Nil(t, resp)
		})
	})
	t.Run("401 without a body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			l.rotate()
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.Header.Get("Authorization"), newToken) {
					return &http.Response{StatusCode: 200}, nil
				}
				return &http.Response{StatusCode: 401}, nil
			})
			client := &http.Client{Transport: nethttp.Transport(l.checker, base)}
			resp, err := client.Get(pools)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, 200, resp.StatusCode)
		})
	})
}

// hanging is a body whose Read waits until release is closed, and Close too unless closes is set.
type hanging struct {
	release chan struct{}
	closes  bool
	closed  *atomic.Int64
}

func (b hanging) Read([]byte) (int, error) { <-b.release; return 0, io.ErrUnexpectedEOF }

func (b hanging) Close() error {
	b.closed.Add(1)
	if !b.closes {
		<-b.release
	}
	return nil
}

// panicking is a body whose methods panic.
type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("Read") }
func (panicking) Close() error             { panic("Close") }

func TestTransport_discardedBody(t *testing.T) {
	// exchange sends a request that is answered with a 401 with the body, and then, with the new
	// token, with 200. It asserts that the body does not delay the second answer.
	exchange := func(t *testing.T, body io.ReadCloser) {
		t.Helper()
		l := lend(t)
		l.rotate()
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := l.platform.RoundTrip(r)
			if err == nil && resp.StatusCode == 401 {
				resp.Body = body
			}
			return resp, err
		})
		client := &http.Client{Transport: nethttp.Transport(l.checker, base)}
		begin := time.Now()
		assert.Equal(t, 200, get(t, client, pools))
		assert.Zero(t, time.Since(begin))
		synctest.Wait()
	}
	t.Run("drained and closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			text := strings.NewReader("no")
			body := &closeCounter{Reader: text}
			exchange(t, body)
			assert.Zero(t, text.Len())
			assert.Equal(t, 1, body.closed)
		})
	})
	t.Run("long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			text := strings.NewReader(strings.Repeat("no", 1<<20))
			body := &closeCounter{Reader: text}
			exchange(t, body)
			assert.Equal(t, 2<<20-64<<10, text.Len())
			assert.Equal(t, 1, body.closed)
		})
	})
	for name, closes := range map[string]bool{"Read hangs": true, "Read and Close hang": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := hanging{make(chan struct{}), closes, &atomic.Int64{}}
				defer close(body.release)
				exchange(t, body)
				assert.Zero(t, body.closed.Load())
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				assert.EqualValues(t, 1, body.closed.Load(), "closed after 100 ms")
			})
		})
	}
	t.Run("panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { exchange(t, panicking{}) })
	})
}

func TestTransport_closeIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t)
		base := &closable{RoundTripper: l.platform}
		(&http.Client{Transport: nethttp.Transport(l.checker, base)}).CloseIdleConnections()
		assert.Equal(t, 1, base.closed)
		assert.NotPanics(t, l.client.CloseIdleConnections, "base has no such method")
	})
}

type closable struct {
	http.RoundTripper
	closed int
}

func (c *closable) CloseIdleConnections() { c.closed++ }

func TestTransport_retry(t *testing.T) {
	run := func(name string, test func(t *testing.T, l *lending)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := lend(t)
				l.rotate() // the checker does not know it yet
				test(t, l)
			})
		})
	}
	run("several requests", func(t *testing.T, l *lending) {
		for _, body := range []io.Reader{nil, bytes.NewReader([]byte("hello"))} {
			assert.Equal(t, 200, post(t, l.client, body))
		}
		want := []string{"ApiKey " + oldToken, "ApiKey " + newToken, "ApiKey " + newToken}
		assert.Equal(t, want, l.platform.sent())
		assert.Equal(t, []string{"", "", "hello"}, l.platform.bodies)
		assert.Equal(t, health.StatusPass, l.checker.Snapshot().Status())
	})
	run("body with GetBody", func(t *testing.T, l *lending) {
		assert.Equal(t, 200, post(t, l.client, strings.NewReader("hello")))
		assert.Equal(t, []string{"hello", "hello"}, l.platform.bodies)
	})
	run("body without GetBody", func(t *testing.T, l *lending) {
		resp, err := l.client.Post(pools, "text/plain", io.NopCloser(strings.NewReader("once")))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, 401, resp.StatusCode)
		assert.Equal(t, "no", string(body), "the answer is complete")
		assert.Len(t, l.platform.sent(), 1)
		assert.Equal(t, 200, get(t, l.client, pools), "the token has been replaced")
	})
	run("GetBody fails", func(t *testing.T, l *lending) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", pools, strings.NewReader("x"))
		require.NoError(t, err)
		req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
		resp, err := l.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, 401, resp.StatusCode)
	})
}

func TestTransport_reverification(t *testing.T) {
	run := func(name string, test func(t *testing.T, l *lending)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := lend(t)
				time.Sleep(11 * time.Second) // otherwise the verification by Start is recent enough
				test(t, l)
			})
		})
	}
	run("a hundred requests share one", func(t *testing.T, l *lending) {
		l.platform.mu.Lock()
		l.platform.reject, l.platform.verified = true, 0
		l.platform.mu.Unlock()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { assert.Equal(t, 401, get(t, l.client, pools)) })
		}
		all.Wait()
		assert.Equal(t, 1, l.platform.verified)
		assert.Len(t, l.platform.sent(), 100, "none is retried")

		get(t, l.client, pools)
		assert.Equal(t, 1, l.platform.verified, "within ten seconds")
		time.Sleep(10 * time.Second)
		get(t, l.client, pools)
		assert.Equal(t, 2, l.platform.verified, "after ten seconds")
	})
	run("rejected", func(t *testing.T, l *lending) {
		l.platform.accepts()
		assert.Equal(t, 401, get(t, l.client, pools))
		assert.Equal(t, health.ReasonConfirmingRejection, l.checker.Snapshot().Reason())
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, health.ReasonRejected, l.checker.Snapshot().Reason())
	})
}

func TestTransport_redirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t)
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := l.platform.RoundTrip(r)
			if r.URL.Host == "toloka.dev" {
				resp.StatusCode = 307
				resp.Header.Set("Location", "https://elsewhere.example/")
			}
			return resp, err
		})
		l.client.Transport = nethttp.Transport(l.checker, base)
		get(t, l.client, pools)
		assert.Equal(t, []string{"ApiKey " + oldToken, ""}, l.platform.sent())
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTransport_request(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t)
		var got *http.Request
		rt := nethttp.Transport(l.checker, roundTripper(func(r *http.Request) (*http.Response, error) {
			got = r
			return l.platform.RoundTrip(r)
		}))
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "value")
		req, err := http.NewRequestWithContext(ctx, "PATCH", pools, strings.NewReader("x"))
		require.NoError(t, err)
		req.Trailer = http.Header{"Sum": {"1"}}
		req.Header = nil
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, "PATCH", got.Method)
		assert.Equal(t, req.Trailer, got.Trailer)
		assert.Equal(t, "value", got.Context().Value(key{}))
		assert.NotNil(t, got.GetBody)
		assert.Equal(t, int64(1), got.ContentLength)
		assert.Nil(t, req.Header)
	})
}
