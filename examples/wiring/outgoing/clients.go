package outgoing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/tolokacheck/tolokacheck/health"
)

// NewRetryableClient returns a client that sends requests through transport, which is the result of
// nethttp.Transport, and retries as usual, but not while the credential is invalid.
func NewRetryableClient(transport http.RoundTripper) *retryablehttp.Client {
	client := retryablehttp.NewClient()
	client.HTTPClient.Transport = transport
	client.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if isUnusable(err) {
			return false, err
		}
		return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	}
	return client
}

// NewRestyClient returns a client that sends requests through transport, which is the result of
// nethttp.Transport, and retries other errors than an invalid credential. Do not call its
// SetAuthToken: an Authorization header that is set is not replaced.
func NewRestyClient(transport http.RoundTripper) *resty.Client {
	return resty.New().
		SetTransport(transport).
		SetRetryCount(3).
		AddRetryCondition(func(_ *resty.Response, err error) bool {
			return err != nil && !isUnusable(err)
		})
}

// NewReverseProxy returns a proxy to the platform that sends the checker's token instead of the
// client's. transport is the result of nethttp.Transport.
func NewReverseProxy(platform *url.URL, transport http.RoundTripper) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(platform) // also sets Host
			r.Out.Header.Del("Authorization")
			r.Out.Header.Del("X-Act-Under-Account-ID")
		},
		Transport: transport,
	}
}

// isUnusable reports whether the transport has not sent a request because of the credential.
func isUnusable(err error) bool {
	var verdict *health.Error
	return errors.As(err, &verdict)
}
