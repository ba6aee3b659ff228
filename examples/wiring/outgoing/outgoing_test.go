package outgoing

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/oauth2"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

// post sends a body and returns the response.
type post func(ctx context.Context, url, body string) (status int, answer string, err error)

func TestClients(t *testing.T) {
	standard := func(client *http.Client) post {
		return func(ctx context.Context, url, body string) (int, string, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
			if err != nil {
				return 0, "", err
			}
			return read(client.Do(req))
		}
	}
	tests := map[string]func(http.RoundTripper) post{
		"net_http": func(rt http.RoundTripper) post { return standard(&http.Client{Transport: rt}) },
		"otelhttp": func(rt http.RoundTripper) post {
			return standard(&http.Client{Transport: otelhttp.NewTransport(rt)})
		},
		"go-retryablehttp": func(rt http.RoundTripper) post {
			client := NewRetryableClient(rt)
			client.Logger = nil
			return func(ctx context.Context, url, body string) (int, string, error) {
				req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, url, []byte(body))
				if err != nil {
					return 0, "", err
				}
				return read(client.Do(req))
			}
		},
		"go-retryablehttp standard client": func(rt http.RoundTripper) post {
			client := NewRetryableClient(rt)
			client.Logger = nil
			return standard(client.StandardClient())
		},
		"resty": func(rt http.RoundTripper) post {
			return func(ctx context.Context, url, body string) (int, string, error) {
				res, err := NewRestyClient(rt).R().SetContext(ctx).SetBody(body).Post(url)
				return res.StatusCode(), res.String(), err
			}
		},
	}
	for name, newPost := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			send := newPost(p.transport)

			status, answer, err := send(t.Context(), p.url+"/api/v1/tasks", "one")
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, "one", answer)

			p.rotate()
			status, answer, err = send(t.Context(), p.url+"/api/v1/tasks", "two")
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, "two", answer)
			assert.EqualValues(t, 3, p.attempts.Load(), "one with the old token, two with the new one")
			assert.EqualValues(t, 2, p.transport.calls.Load())

			p.reject()
			_, _, err = send(t.Context(), p.url+"/api/v1/tasks", "three")
			var verdict *health.Error
			require.ErrorAs(t, err, &verdict)
			assert.Equal(t, health.ReasonRejected, verdict.Reason)
			assert.EqualValues(t, 3, p.attempts.Load(), "nothing is sent")
			assert.EqualValues(t, 3, p.transport.calls.Load(), "nothing is retried")
		})
	}
}

func TestOAuth2(t *testing.T) {
	p := newPlatform(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "of-another-api"})
	client := &http.Client{Transport: &oauth2.Transport{Source: source, Base: p.transport}}

	_, answer, err := read(client.Post(other.URL, "text/plain", nil))
	require.NoError(t, err)
	assert.Equal(t, "Bearer of-another-api", answer)
	status, _, err := read(client.Post(p.url+"/api/v1/tasks", "text/plain", nil))
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, status, "the platform gets the token of the other API")

	status, _, err = read((&http.Client{Transport: p.transport}).Post(p.url+"/api/v1/tasks", "text/plain", nil))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status)
}

func TestOpenTelemetry(t *testing.T) {
	tests := map[string]struct {
		transport func(*platform, otelhttp.Option) http.RoundTripper
		spans     int
	}{
		"span for each call": {
			func(p *platform, spans otelhttp.Option) http.RoundTripper {
				return otelhttp.NewTransport(nethttp.Transport(p.checker, nil), spans)
			}, 1,
		},
		"span for each attempt": {
			func(p *platform, spans otelhttp.Option) http.RoundTripper {
				return nethttp.Transport(p.checker, otelhttp.NewTransport(http.DefaultTransport, spans))
			}, 2,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			recorder := tracetest.NewSpanRecorder()
			provider := trace.NewTracerProvider(trace.WithSpanProcessor(recorder))
			client := &http.Client{Transport: tt.transport(p, otelhttp.WithTracerProvider(provider))}

			old := p.token()
			p.rotate()
			status, _, err := read(client.Post(p.url+"/api/v1/tasks", "text/plain", strings.NewReader("x")))
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, status)

			require.Len(t, recorder.Ended(), tt.spans)
			for _, span := range tracetest.SpanStubsFromReadOnlySpans(recorder.Ended()) {
				for _, attr := range span.Attributes {
					assert.NotContains(t, attr.Value.String(), old.Reveal(), attr.Key)
					assert.NotContains(t, attr.Value.String(), p.token().Reveal(), attr.Key)
				}
			}
		})
	}
}

func TestReverseProxy(t *testing.T) {
	p := newPlatform(t)
	target, err := url.Parse(p.url)
	require.NoError(t, err)
	tests := map[string]struct {
		proxy *httputil.ReverseProxy
		want  int
	}{
		"Rewrite": {NewReverseProxy(target, p.transport), http.StatusOK},
		"Director": {&httputil.ReverseProxy{
			//lint:ignore SA1019 this is what does not work
			Director: func(r *http.Request) {
				r.URL.Scheme, r.URL.Host = target.Scheme, target.Host
				r.Header.Del("Authorization")
			},
			Transport: p.transport,
		}, http.StatusUnauthorized},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			front := httptest.NewServer(tt.proxy)
			defer front.Close()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
				front.URL+"/api/v1/tasks", strings.NewReader("x"))
			require.NoError(t, err)
			req.Header.Set("Authorization", "ApiKey of-the-client")
			status, _, err := read(http.DefaultClient.Do(req))
			require.NoError(t, err)
			assert.Equal(t, tt.want, status)
		})
	}
}

// platform accepts one token, which can be rotated. POST /api/v1/tasks echoes the body.
type platform struct {
	t         *testing.T
	url       string
	checker   *health.Checker
	transport *counter
	attempts  atomic.Int64 // of POST /api/v1/tasks
	fake      *requestertest.Platform

	mu      sync.Mutex
	current credentials.Token
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, fake: requestertest.NewPlatform()}
	p.current = p.fake.IssueToken("")
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	client, err := requester.New(requester.Production, requester.WithBaseURL(server.URL))
	require.NoError(t, err)
	p.checker, err = health.New(p, health.WithClient(client), health.WithRejectionThreshold(1))
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.checker.Close() })
	require.NoError(t, p.checker.Start(t.Context()))
	p.transport = &counter{base: nethttp.Transport(p.checker, nil)}
	return p
}

// Token implements credentials.Provider.
func (p *platform) Token(context.Context) (credentials.Token, error) { return p.token(), nil }

func (p *platform) token() credentials.Token {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// rotate issues a new token, and deletes the old one.
func (p *platform) rotate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fake.DeleteToken(p.current)
	p.current = p.fake.IssueToken("")
}

// reject deletes the token and waits until the checker knows.
func (p *platform) reject() {
	p.t.Helper()
	p.fake.DeleteToken(p.token())
	require.Eventually(p.t, func() bool {
		_ = p.checker.Refresh(p.t.Context())
		return p.checker.Check(p.t.Context()) != nil
	}, 10*time.Second, 20*time.Millisecond)
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/api/v1/tasks" {
		p.fake.ServeHTTP(w, r)
		return
	}
	p.attempts.Add(1)
	if r.Header.Get("Authorization") != "ApiKey "+p.token().Reveal() {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = io.Copy(w, r.Body)
}

// counter counts the calls that a client library makes.
type counter struct {
	base  http.RoundTripper
	calls atomic.Int64
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	return c.base.RoundTrip(r)
}

func read(res *http.Response, err error) (int, string, error) {
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}
