package requester

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"runtime/debug"
	"time"
)

// Trust makes a client's own transport accept the certificates of pool.
func (c *Client) Trust(pool *x509.CertPool) {
	transport := newTransport(c.timeout)
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	c.roundTrip = transport.RoundTrip
}

func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) { return retryAfter(h, now) }

func ProductOf(info *debug.BuildInfo) string { return productOf(info) }

// ErrorBody is what parseErrorBody found.
type ErrorBody struct {
	Platforms                          bool
	Code, RequestID, Message, Interval string
}

func ParseErrorBody(data []byte) ErrorBody {
	b := parseErrorBody(data)
	return ErrorBody{b.platforms, b.code, b.requestID, b.message, b.interval}
}

// Identifier is what becomes of a code or request id when value was the token's.
func Identifier(value, s string) string { return redactorFor(value).identifier(s) }
