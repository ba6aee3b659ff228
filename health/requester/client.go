package requester

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Environment is one of the platform's two worlds. Each has accounts and tokens of its own:
// a token of one is refused by the other.
type Environment string

const (
	// Production is https://toloka.dev, the default.
	Production Environment = "production"
	// Sandbox is https://sandbox.toloka.dev, where nothing costs money.
	Sandbox Environment = "sandbox"
)

// Client asks the platform which account a token belongs to. Make one with [New]. It is
// safe for concurrent use, holds no token, and is meant to be kept.
type Client struct {
	environment string
	base        *url.URL // scheme and host only
	timeout     time.Duration
	actUnder    string
	userAgent   string
	scheme      credentials.Scheme
	// A func, so that no printer follows it: the connections of a transport have buffers
	// with what was sent in them.
	roundTrip func(*http.Request) (*http.Response, error)
}

// New returns a client of the environment; "" means [Production]. Without options it makes
// its own connections, over HTTP/1.1 and through the proxy that HTTPS_PROXY names. New
// makes no call. Its error names every option that cannot be used, and why.
func New(env Environment, opts ...Option) (*Client, error) {
	cfg := config{timeout: DefaultTimeout, scheme: credentials.SchemeAPIKey, client: &http.Client{}}
	var problems []error
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt(&cfg); err != nil {
			problems = append(problems, fmt.Errorf("requester: %w", err))
		}
	}
	if env == "" {
		env = Production
	}
	base, err := baseOf(env)
	if err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	c := &Client{
		environment: string(env),
		base:        base,
		timeout:     cfg.timeout,
		actUnder:    cfg.actUnder,
		userAgent:   ownProduct(),
		scheme:      cfg.scheme,
	}
	if cfg.base != nil {
		c.base, c.environment = cfg.base, cfg.base.Host
	}
	if cfg.userAgent != "" {
		c.userAgent = cfg.userAgent + " " + c.userAgent
	}
	c.roundTrip = transportFor(c.base, cfg.client.Transport, c.timeout).RoundTrip
	return c, nil
}

// Requester makes one GET /api/v1/requester with the token and returns the token's account.
// The error is an [*APIError], a [*TransportError] or, for a zero token, one of the class
// [NotAsked]; [ClassOf] places each of them. None of them shows the token.
//
// The call ends with ctx or after the client's timeout, whichever comes first. Nothing else
// is taken from ctx: a net/http/httptrace in it would see the token.
//
// One call is one request on a connection of its own.
func (c *Client) Requester(ctx context.Context, t credentials.Token) (*Account, error) {
	if t.IsZero() {
		return nil, noTokenError{}
	}
	x := exchange{client: c, caller: ctx, token: t, redact: redactorFor(t.Reveal())}
	if ctx.Err() != nil {
		return nil, x.failure(ctx.Err())
	}
	call, cancel := context.WithTimeoutCause(context.Background(), c.timeout, errTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	x.call = call

	req, err := http.NewRequestWithContext(call, http.MethodGet, c.base.String()+apiPath+"/requester", nil)
	if err != nil {
		return nil, x.failure(err)
	}
	c.Authorize(req.Header, t)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	// A connection that is kept would be dead by the next call anyway, and net/http would then make that call twice. What
	// a server sends on it in between goes to the standard logger, and may repeat the token.
	req.Close = true

	// Not by an http.Client: it would parse, and on redirects follow, what an answer says,
	// and has nothing to add to a single GET.
	resp, err := c.roundTrip(req)
	if err != nil {
		return nil, x.failure(err)
	}
	if resp == nil {
		return nil, x.failure(errors.New("the transport returned neither an answer nor an error"))
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	defer resp.Body.Close()
	return x.answer(resp)
}

// Environment is "production" or "sandbox", or the host (and the port, if one was given) of
// [WithBaseURL].
func (c *Client) Environment() string { return c.environment }

// BaseURL is where the client asks: scheme, host and port, without a path. It is a copy.
func (c *Client) BaseURL() *url.URL {
	u := *c.base
	return &u
}

// Timeout is how long one call may take.
func (c *Client) Timeout() time.Duration { return c.timeout }

// Covers reports whether a request to u goes to the platform that this client asks, so that
// it may carry the token: its scheme, host and port are those of the base URL, and host,
// the Host field of the http.Request, is empty or the same. An IPv6 address is the same in
// every spelling; a name that merely means the same place, as with a trailing dot, is not
// covered.
func (c *Client) Covers(u *url.URL, host string) bool { return covers(c.base, u, host) }

// Authorize sets the Authorization header to the token, under the scheme that it states or
// else the client's, and X-Act-Under-Account-ID where [WithActUnderAccount] asks for it. A
// zero token sets nothing. h must not be nil.
func (c *Client) Authorize(h http.Header, t credentials.Token) {
	if t.IsZero() {
		return
	}
	h.Set("Authorization", string(c.schemeOf(t))+" "+t.Reveal())
	if c.actUnder != "" {
		h.Set("X-Act-Under-Account-ID", c.actUnder)
	}
}

func (c *Client) schemeOf(t credentials.Token) credentials.Scheme {
	if s := t.Scheme(); s != "" {
		return s
	}
	return c.scheme
}

func baseOf(env Environment) (*url.URL, error) {
	switch env {
	case Production:
		return &url.URL{Scheme: "https", Host: "toloka.dev"}, nil
	case Sandbox:
		return &url.URL{Scheme: "https", Host: "sandbox.toloka.dev"}, nil
	default:
		return nil, fmt.Errorf("requester: unknown environment %q: use %q or %q", env, Production, Sandbox)
	}
}
