package requester

import (
	"net/http"
	"runtime/debug"
	"time"
)

// OwnTransport is what the client made for itself, nil where it uses the user's.
func (c *Client) OwnTransport() *http.Transport { return c.own() }

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
