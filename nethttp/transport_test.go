package nethttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
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

// platform answers in memory: GET /requester and everything else alike, to the tokens that are good.
type platform struct {
	mu       sync.Mutex
	good     map[string]bool
	requests []*http.Request
	bodies   []string
	verified int // calls of GET /requester
	strict   bool
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
		if !p.good[token] {
			answer.StatusCode, text = 401, `{"code":"AUTHENTICATION_ERROR","request_id":"r"}`
		}
	default:
		p.requests, p.bodies = append(p.requests, r), append(p.bodies, string(body))
		if !p.good[token] || p.strict {
			answer.StatusCode, text = 401, "no"
		}
	}
	answer.Body = io.NopCloser(strings.NewReader(text))
	return answer, nil
}

func (p *platform) accepts(tokens ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.good = map[string]bool{}
	for _, t := range tokens {
		p.good[t] = true
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

// lending is a started checker, its platform and a client that sends its token along.
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
	client, err := requester.New(requester.Production, append(opts, requester.WithHTTPClient(&http.Client{Transport: l.platform}))...)
	require.NoError(t, err)
	l.checker, err = health.New(l.source, health.WithClient(client))
	require.NoError(t, err)
	t.Cleanup(func() { l.checker.Close() })
	require.NoError(t, l.checker.Start(t.Context()))
	l.client = &http.Client{Transport: nethttp.Transport(l.checker, l.platform)}
	return l
}

func (l *lending) get(t *testing.T, url string) int {
	t.Helper()
	resp, err := l.client.Get(url)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

const pools = "https://toloka.dev/api/v1/pools"

func TestTransportSendsTheTokenToThePlatformOnly(t *testing.T) {
	tests := []struct {
		name string
		url  string
		edit func(*http.Request)
		want string // the Authorization that arrives
	}{
		{name: "to the base URL", url: pools, want: "ApiKey " + oldToken},
		{name: "to the base URL with its port", url: "https://toloka.dev:443/api/v1/pools", want: "ApiKey " + oldToken},
		{name: "to the base URL in capitals", url: "https://TOLOKA.DEV/api/v1/pools", want: "ApiKey " + oldToken},
		{name: "not to the sandbox", url: "https://sandbox.toloka.dev/api/v1/pools"},
		{name: "not to another host", url: "https://elsewhere.example/api/v1/pools"},
		{name: "not to another port", url: "https://toloka.dev:8443/api/v1/pools"},
		{name: "not over plain http", url: "http://toloka.dev/api/v1/pools"},
		{name: "not to a host that only begins like it", url: "https://toloka.dev.elsewhere.example/"},
		{name: "not where the Host header says another host", url: pools, edit: func(r *http.Request) { r.Host = "elsewhere.example" }},
		{name: "where the Host header says the same host", url: pools, edit: func(r *http.Request) { r.Host = "toloka.dev" }, want: "ApiKey " + oldToken},
		{name: "not over the caller's own", url: pools, edit: func(r *http.Request) { r.Header.Set("Authorization", "OAuth own") }, want: "OAuth own"},
		{name: "not beside the caller's own in another spelling", url: pools, edit: func(r *http.Request) { r.Header["authorization"] = []string{"OAuth own"} }},
		{name: "not over the caller's own, be it empty", url: pools, edit: func(r *http.Request) { r.Header["Authorization"] = []string{""} }},
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

func TestTransportActsUnderAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t, requester.WithActUnderAccount("other"))
		l.get(t, pools)
		assert.Equal(t, "other", l.platform.requests[0].Header.Get("X-Act-Under-Account-ID"))

		req, err := http.NewRequestWithContext(t.Context(), "GET", pools, nil)
		require.NoError(t, err)
		req.Header.Set("X-Act-Under-Account-ID", "own")
		resp, err := l.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, []string{"own"}, l.platform.requests[1].Header.Values("X-Act-Under-Account-ID"), "never over the caller's own")
	})
}

func TestTransportMakesNoCallWhileTheCredentialFails(t *testing.T) {
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
		assert.Equal(t, 1, body.closed, "a RoundTripper closes the body on errors too")
		assert.Empty(t, l.platform.sent())

		assert.Equal(t, 401, l.get(t, "https://elsewhere.example/"), "other requests pass whatever the status")
	})
}

type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error { c.closed++; return nil }

func TestTransportKeepsTheTokenFromItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t)
		for _, accepted := range []string{oldToken, newToken} { // at the first attempt, and at the second
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

func TestTransportOverACarelessBase(t *testing.T) {
	t.Run("that returns nothing at all has an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			req, err := http.NewRequestWithContext(t.Context(), "GET", pools, nil)
			require.NoError(t, err)
			resp, err := nethttp.Transport(l.checker, roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil })).RoundTrip(req)
			assert.EqualError(t, err, "nethttp: Transport: base returned neither a response nor an error")
			assert.Nil(t, resp)
		})
	})
	t.Run("whose 401 has no body sends the request again all the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			time.Sleep(11 * time.Second)
			l.platform.accepts(newToken)
			l.source.set(newToken)
			client := &http.Client{Transport: nethttp.Transport(l.checker, roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.Header.Get("Authorization"), newToken) {
					return &http.Response{StatusCode: 200}, nil
				}
				return &http.Response{StatusCode: 401}, nil
			}))}
			resp, err := client.Get(pools)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, 200, resp.StatusCode)
		})
	})
}

func TestTransportRefusesANilChecker(t *testing.T) {
	const message = "nethttp: Transport: nil checker: look at the error of health.New before the checker is used"
	assert.PanicsWithValue(t, message, func() { nethttp.Transport(nil, nil) })
	assert.PanicsWithValue(t, message, func() { nethttp.Transport((*health.Checker)(nil), nil) })
}

// endless is a body that does not end before it is closed.
type endless struct{ closed chan struct{} }

func (b endless) Read([]byte) (int, error) { <-b.closed; return 0, io.ErrUnexpectedEOF }
func (b endless) Close() error {
	select {
	case <-b.closed:
	default:
		close(b.closed)
	}
	return nil
}

func TestTransportDismissesA401(t *testing.T) {
	// exchange has a request answered with a 401 that has the body, and returns how long the good answer took.
	exchange := func(t *testing.T, body io.ReadCloser) time.Duration {
		t.Helper()
		l := lend(t)
		time.Sleep(11 * time.Second)
		l.platform.accepts(newToken)
		l.source.set(newToken)
		client := &http.Client{Transport: nethttp.Transport(l.checker, roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := l.platform.RoundTrip(r)
			if err == nil && resp.StatusCode == 401 {
				resp.Body = body
			}
			return resp, err
		}))}
		begin := time.Now()
		resp, err := client.Get(pools)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode)
		return time.Since(begin)
	}
	t.Run("reads its body to the end and closes it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			text := strings.NewReader("no")
			body := &closeCounter{Reader: text}
			assert.Zero(t, exchange(t, body))
			assert.Zero(t, text.Len())
			assert.Equal(t, 1, body.closed)
		})
	})
	t.Run("reads no more of it than is worth a connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			text := strings.NewReader(strings.Repeat("no", 1<<20))
			body := &closeCounter{Reader: text}
			exchange(t, body)
			assert.Equal(t, 2<<20-64<<10, text.Len())
			assert.Equal(t, 1, body.closed)
		})
	})
	t.Run("does not wait for a body that does not end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			body := endless{make(chan struct{})}
			assert.Equal(t, 100*time.Millisecond, exchange(t, body))
			<-body.closed
		})
	})
}

func TestTransportClosesIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t)
		base := &closable{RoundTripper: l.platform}
		(&http.Client{Transport: nethttp.Transport(l.checker, base)}).CloseIdleConnections()
		assert.Equal(t, 1, base.closed)
		assert.NotPanics(t, l.client.CloseIdleConnections, "where base has no such method")
	})
}

type closable struct {
	http.RoundTripper
	closed int
}

func (c *closable) CloseIdleConnections() { c.closed++ }

func TestTransportAfterA401(t *testing.T) {
	t.Run("sends the request again with the new token, body and all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			time.Sleep(11 * time.Second)
			l.platform.accepts(newToken) // replaced and deleted before anybody looked
			l.source.set(newToken)
			for _, body := range []io.Reader{nil, bytes.NewReader([]byte("hello"))} {
				resp, err := l.client.Post(pools, "text/plain", body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, 200, resp.StatusCode)
			}
			assert.Equal(t, []string{"ApiKey " + oldToken, "ApiKey " + newToken, "ApiKey " + newToken}, l.platform.sent())
			assert.Equal(t, []string{"", "", "hello"}, l.platform.bodies)
			assert.Equal(t, health.StatusPass, l.checker.Snapshot().Status())
		})
	})
	t.Run("sends a body that can be read again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			time.Sleep(11 * time.Second)
			l.platform.accepts(newToken)
			l.source.set(newToken)
			resp, err := l.client.Post(pools, "text/plain", strings.NewReader("hello"))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, 200, resp.StatusCode)
			assert.Equal(t, []string{"hello", "hello"}, l.platform.bodies)
		})
	})
	t.Run("does not send a body again that cannot be read again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			time.Sleep(11 * time.Second)
			l.platform.accepts(newToken)
			l.source.set(newToken)
			resp, err := l.client.Post(pools, "text/plain", io.NopCloser(strings.NewReader("once")))
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, 401, resp.StatusCode)
			assert.Equal(t, "no", string(body), "the answer is whole")
			assert.Len(t, l.platform.sent(), 1)
			assert.Equal(t, 200, l.get(t, pools), "but the token was replaced on the occasion")
		})
	})
	t.Run("does not send again when GetBody fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			time.Sleep(11 * time.Second)
			l.platform.accepts(newToken)
			l.source.set(newToken)
			req, err := http.NewRequestWithContext(t.Context(), "POST", pools, strings.NewReader("x"))
			require.NoError(t, err)
			req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
			resp, err := l.client.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, 401, resp.StatusCode)
		})
	})
	t.Run("verifies the token once for a hundred requests", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			time.Sleep(11 * time.Second)
			l.platform.mu.Lock()
			l.platform.strict, l.platform.verified = true, 0 // the endpoint refuses what the platform accepts
			l.platform.mu.Unlock()
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() { assert.Equal(t, 401, l.get(t, pools)) })
			}
			all.Wait()
			assert.Equal(t, 1, l.platform.verified)
			assert.Len(t, l.platform.sent(), 100, "and none is sent again")

			l.get(t, pools)
			assert.Equal(t, 1, l.platform.verified, "nor again within ten seconds")
			time.Sleep(10 * time.Second)
			l.get(t, pools)
			assert.Equal(t, 2, l.platform.verified, "but after them")
		})
	})
	t.Run("confirms a refusal and closes the gate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			time.Sleep(11 * time.Second)
			l.platform.accepts()
			assert.Equal(t, 401, l.get(t, pools))
			assert.Equal(t, health.ReasonConfirmingRejection, l.checker.Snapshot().Reason())
			time.Sleep(time.Second)
			synctest.Wait()
			assert.Equal(t, health.ReasonRejected, l.checker.Snapshot().Reason())
		})
	})
	t.Run("does not ask about a token that was replaced meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			time.Sleep(11 * time.Second)
			req, err := http.NewRequestWithContext(t.Context(), "GET", pools, nil)
			require.NoError(t, err)
			loan, err := l.checker.Lend(req)
			require.NoError(t, err)
			l.platform.accepts(newToken)
			l.source.set(newToken)
			require.NoError(t, l.checker.Refresh(t.Context()))
			l.platform.verified = 0
			next := loan.Refused(t.Context())
			require.NotNil(t, next)
			assert.Zero(t, l.platform.verified)
			h := http.Header{}
			next.Authorize(h)
			assert.Equal(t, "ApiKey "+newToken, h.Get("Authorization"))
		})
	})
	t.Run("waits no longer than its request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := lend(t)
			time.Sleep(11 * time.Second)
			req, err := http.NewRequestWithContext(t.Context(), "GET", pools, nil)
			require.NoError(t, err)
			loan, err := l.checker.Lend(req)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			assert.Nil(t, loan.Refused(ctx))
		})
	})
}

func TestTransportFollowsNoRedirectWithTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lend(t)
		l.client.Transport = nethttp.Transport(l.checker, roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := l.platform.RoundTrip(r)
			if r.URL.Host == "toloka.dev" {
				resp.StatusCode = 307
				resp.Header.Set("Location", "https://elsewhere.example/")
			}
			return resp, err
		}))
		l.get(t, pools)
		assert.Equal(t, []string{"ApiKey " + oldToken, ""}, l.platform.sent())
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTransportLeavesTheRequestWhole(t *testing.T) {
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
