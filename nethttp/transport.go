package nethttp

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// Lender lends the verified token to outgoing requests. [*health.Checker] implements it.
type Lender interface {
	Lend(req *http.Request) (*health.Loan, error)
}

var _ Lender = (*health.Checker)(nil)

// The body of a response that is not returned is read up to drainLimit bytes and for up to
// drainTime, so that its connection can be reused. More would cost more than a new connection.
const (
	drainLimit = 64 << 10
	drainTime  = 100 * time.Millisecond
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
func Transport(checker Lender, base http.RoundTripper) http.RoundTripper {
	if isnil.Value(checker) {
		panic(errors.New("nethttp: Transport: the checker is nil; handle the error of health.New first"))
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{checker: checker, base: base}
}

type transport struct {
	checker Lender
	base    http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	loan, err := t.checker.Lend(req)
	if err != nil {
		closeBody(req) // a RoundTripper must close the body on errors too
		return nil, err
	}
	if loan == nil {
		return t.base.RoundTrip(req)
	}
	resp, err := t.send(req, req, loan)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	next := loan.Refused(req.Context())
	if next == nil {
		return resp, nil
	}
	again, ok := replay(req)
	if !ok {
		return resp, nil
	}
	discard(resp.Body)
	return t.send(again, req, next)
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// send makes one attempt at the caller's request. The response does not refer to the request with
// the token.
func (t *transport) send(attempt, callers *http.Request, loan *health.Loan) (*http.Response, error) {
	resp, err := t.base.RoundTrip(authorized(attempt, loan))
	if resp == nil && err == nil {
		return nil, errors.New("nethttp: Transport: base returned neither a response nor an error")
	}
	if resp != nil {
		resp.Request = callers
	}
	return resp, err
}

// discard drains and closes the body of a response that is not returned. It does so in a goroutine
// of its own, because Read and Close of a body from base may hang or panic.
func discard(body io.ReadCloser) {
	if body == nil {
		return
	}
	go func() {
		defer ignorePanic()
		tooLong := time.AfterFunc(drainTime, func() {
			defer ignorePanic()
			_ = body.Close()
		})
		defer tooLong.Stop()
		_, _ = io.CopyN(io.Discard, body, drainLimit)
		_ = body.Close()
	}()
}

// ignorePanic is for defer. A panic in a goroutine of discard would end the process.
func ignorePanic() { _ = recover() }

// authorized returns a copy of req that carries the token.
func authorized(req *http.Request, loan *health.Loan) *http.Request {
	out := req.WithContext(req.Context())
	out.Header = req.Header.Clone()
	if out.Header == nil {
		out.Header = make(http.Header)
	}
	loan.Authorize(out.Header)
	return out
}

// replay returns the request with a body that has not been read, if that is possible.
func replay(req *http.Request) (*http.Request, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again := req.WithContext(req.Context())
	again.Body = body
	return again, true
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
