package requester

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Environment is one of the platform's two worlds. Each has accounts and tokens of its own: a token of one
// is refused by the other.
type Environment string

const (
	// Production is https://toloka.dev, the default.
	Production Environment = "production"
	// Sandbox is https://sandbox.toloka.dev, where nothing costs money.
	Sandbox Environment = "sandbox"
)

// DefaultTimeout is how long a call may take, connection and body included, without [WithTimeout].
const DefaultTimeout = 5 * time.Second

// Client asks the platform which account a token belongs to. Make one with [New]; it is safe for
// concurrent use, holds no token, and is meant to be kept.
type Client struct {
	env     string
	base    *url.URL
	timeout time.Duration
}

// New returns a client of the environment; "" means [Production]. Without options it connects by itself, over HTTP/1.1
// and through the proxy that HTTPS_PROXY names. It makes no call. The error names the
// option that cannot be, and why.
func New(env Environment, opts ...Option) (*Client, error) { return &Client{}, nil }

// Requester makes one GET /api/v1/requester with the token and returns its account. The error is an [*APIError], a
// [*TransportError], or, for a zero token, one of the class [NotAsked]; [ClassOf] places it.
//
// The call ends with ctx or after the client's timeout, whichever is first, and takes nothing else from ctx: a trace in it
// would see the token.
func (c *Client) Requester(ctx context.Context, t credentials.Token) (*Account, error) {
	return nil, nil
}

// Environment is "production" or "sandbox", or the host (and port, if one was given) of [WithBaseURL].
func (c *Client) Environment() string { return c.env }

// BaseURL is where the client asks, scheme, host and port without the path: a copy.
func (c *Client) BaseURL() *url.URL { u := *c.base; return &u }

// Timeout is how long one call may take.
func (c *Client) Timeout() time.Duration { return c.timeout }

// Covers reports whether a request to u with that Host (http.Request.Host, which may be empty) goes to the platform that
// this client asks, so that it may carry the token: scheme, host and port are the base URL's.
func (c *Client) Covers(u *url.URL, host string) bool { return false }

// Authorize sets Authorization to the token, under its own scheme or else the client's, and
// X-Act-Under-Account-ID where [WithActUnderAccount] asks for it. A zero token sets nothing.
func (c *Client) Authorize(h http.Header, t credentials.Token) {}

// CloseIdleConnections closes the connections that the client keeps for its next call. It leaves
// those of a transport that came by [WithHTTPClient] alone.
func (c *Client) CloseIdleConnections() {}
