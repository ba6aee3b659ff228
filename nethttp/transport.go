package nethttp

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/internal/isnil"
)

// Lender lends the verified token to outgoing requests. [*health.Checker] is one.
type Lender interface {
	Lend(req *http.Request) (*health.Loan, error)
}

var _ Lender = (*health.Checker)(nil)

// The body of a 401 is read to its end, so that its connection can be used again, if that takes no more than this: a request
// that could go out with a good token does not wait for the end of an answer that nobody wants.
const (
	drainLimit = 64 << 10
	drainTime  = 100 * time.Millisecond
)

// Transport returns a RoundTripper for the service's own calls to the platform. To requests for the checker's base URL
// (same scheme, host and port) that bring no Authorization of their own it adds the verified token, and
// X-Act-Under-Account-ID where the client acts under another account; all others pass as they are, whatever the status. While the status is fail it
// makes no call and returns a [*health.Error] (http.Client wraps it in a *url.Error: use errors.As).
//
// When the platform answers 401, the token is verified again, once for all requests that ask for it. When another token
// is in use then, a request without a body or with GetBody is sent once more with that one; otherwise the 401 is
// returned.
//
// base makes the calls; nil means http.DefaultTransport. Instrumentation such as otelhttp goes around the returned
// RoundTripper to see one request per call, or into base to see every attempt. Requests are not changed: the token is set on a
// copy, and a response has the caller's request in it again. What sees the Authorization header is what is below: base, an
// httptrace in the request's context, which net/http shows every header, and the log of HTTP/2 under GODEBUG=http2debug.
//
// Safe for concurrent use; http.Client's CloseIdleConnections reaches base. It panics if the checker is nil.
func Transport(checker Lender, base http.RoundTripper) http.RoundTripper {
	if isnil.Value(checker) {
		panic("nethttp: Transport: nil checker: look at the error of health.New before the checker is used")
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
		closeBody(req) // a RoundTripper closes the body on errors too
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
	dismiss(resp.Body)
	return t.send(again, req, next)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// send makes one attempt at the caller's request, and leaves nothing of the token in the response.
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

// dismiss is for the body of a response that the caller does not get.
func dismiss(body io.ReadCloser) {
	if body == nil {
		return
	}
	tooLong := time.AfterFunc(drainTime, func() { _ = body.Close() })
	defer tooLong.Stop()
	_, _ = io.CopyN(io.Discard, body, drainLimit)
	_ = body.Close()
}

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

// replay returns the request as it was before its body was read, if that is possible.
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
