package nethttp

import (
	"net/http"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/outgoing"
)

// Transport returns a RoundTripper for the service's own calls to the platform. It adds the
// verified token, and X-Act-Under-Account-ID if the client acts under another account, to requests
// for the checker's base URL: same scheme, host and port, and no other Host. A caller-supplied
// Authorization is never overwritten. All other requests pass unchanged, whatever the status. While
// the status is fail, a request for the base URL is not sent and the error is a [*health.Error];
// http.Client wraps it in a *url.Error, so use errors.As.
//
// After a 401 the token is verified again; concurrent requests share one verification. If another
// token is in use then, a request without a body or with GetBody is sent once more with that token.
// Otherwise the 401 is returned.
//
// base makes the calls; nil means http.DefaultTransport. Wrap the returned RoundTripper in
// instrumentation such as otelhttp to see one request per call, or wrap base to see every attempt.
// The caller's request is not modified: the token is set on a copy, and the response refers to the
// caller's request. The Authorization header is visible to base, to an httptrace in the request's
// context, and in net/http's log of HTTP/2 under GODEBUG=http2debug.
//
// A Transport is safe for concurrent use. http.Client's CloseIdleConnections reaches base.
// Transport panics if the checker is nil.
//
// # Reverse proxies
//
// httputil.NewSingleHostReverseProxy and a Director keep the client's Host header. That is another
// host than the platform's, so these requests get no token and the platform answers 401. Use
// Rewrite with SetURL, which sets Host, and remove the client's own headers:
//
//	proxy := &httputil.ReverseProxy{
//		Rewrite: func(r *httputil.ProxyRequest) {
//			r.SetURL(platform)                         // also sets r.Out.Host
//			r.Out.Header.Del("Authorization")          // otherwise the client's is sent
//			r.Out.Header.Del("X-Act-Under-Account-ID") // otherwise the client chooses
//		},
//		Transport: nethttp.Transport(checker, nil),
//	}
//
// # Client libraries
//
// Libraries that retry, such as go-retryablehttp and resty, must not retry a [*health.Error]: no
// attempt is sent before the credential is valid again. oauth2.Transport sets Authorization itself,
// so the platform would get its token: use a client without it. examples/wiring/outgoing has tested
// code.
func Transport(checker *health.Checker, base http.RoundTripper) http.RoundTripper {
	return outgoing.Transport(checker, base)
}
