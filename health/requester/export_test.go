package requester

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"
)

// Trust makes a client's own transport accept the certificates of pool.
func (c *Client) Trust(pool *x509.CertPool) { c.use(newDialer(), pool) }

// TrustAndResolve does that, and asks another resolver for names.
func (c *Client) TrustAndResolve(pool *x509.CertPool, r *net.Resolver) {
	d := newDialer()
	d.lookup = r.LookupNetIP
	c.use(d, pool)
}

func (c *Client) use(d *dialer, pool *x509.CertPool) {
	transport := newTransport(d)
	transport.Proxy = nil
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	c.roundTrip = transport.RoundTrip
}

// Dial connects as the client's own transport does, with another resolver and network.
func Dial(
	ctx context.Context, addr string,
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error),
	dial func(ctx context.Context, network, addr string) (net.Conn, error),
) (net.Conn, error) {
	return (&dialer{lookup: lookup, dial: dial}).DialContext(ctx, "tcp", addr)
}

func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) { return retryAfter(h, now) }

func ProductOf(info *debug.BuildInfo) string { return productOf(info) }

// Gunzip returns the decoded text, or what is wrong with it.
func Gunzip(data []byte) ([]byte, string) {
	body, p := gunzip(data)
	return body, string(p)
}

// ErrorBody is the result of parseErrorBody.
type ErrorBody struct {
	OfPlatform                bool
	Code, RequestID, Interval string
}

func ParseErrorBody(data []byte) ErrorBody {
	b := parseErrorBody(data)
	return ErrorBody{b.ofPlatform, b.code, b.requestID, b.interval}
}

// Identifier returns a code or request id as it is shown if value is the token's.
func Identifier(value, s string) string { return redactorFor(value).identifier(s) }

// Clean returns s as it is displayed if value is the token's.
func Clean(value, s string) string { return redactorFor(value).clean(s) }
