// Package outgoing tests nethttp.Transport under HTTP client libraries. What to set in each:
//
// hashicorp/go-retryablehttp and go-resty/resty: pass the transport, and do not retry a
// *health.Error, which every retry gets as long as the credential is invalid. See
// [NewRetryableClient] and [NewRestyClient].
//
// golang.org/x/oauth2: its Transport sets Authorization itself, so the platform would get the OAuth
// token, and never the checker's. Use a client without it for the platform.
//
// otelhttp: around nethttp.Transport it makes one span for each call, and as its base one for each
// attempt. Spans do not have the Authorization header.
//
//	otelhttp.NewTransport(nethttp.Transport(checker, nil))
//	nethttp.Transport(checker, otelhttp.NewTransport(http.DefaultTransport))
//
// httputil.ReverseProxy: use Rewrite with SetURL, see [NewReverseProxy]. A Director keeps the
// client's Host, so the request is not one for the platform and gets no token.
package outgoing
