package nethttp

import (
	"io"
	"net/http"

	"github.com/tolokacheck/tolokacheck/health"
)

// Lender lends the verified token to outgoing requests. [*health.Checker] is one.
type Lender interface {
	Lend(req *http.Request) (*health.Loan, error)
}

var _ Lender = (*health.Checker)(nil)

// drainLimit is how much of the body of a 401 is read so that its connection can be used again.
const drainLimit = 64 << 10

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
// RoundTripper to see one request per call, or into base to see every attempt; one in base sees the Authorization header. Requests
// are not changed: the token is set on a copy. Safe for concurrent use. It panics if the checker is nil.
func Transport(checker Lender, base http.RoundTripper) http.RoundTripper {
	if checker == nil {
		panic("nethttp: Transport: the checker is nil")
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
	resp, err := t.base.RoundTrip(authorized(req, loan))
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
	_, _ = io.CopyN(io.Discard, resp.Body, drainLimit)
	_ = resp.Body.Close()
	return t.base.RoundTrip(authorized(again, next))
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
