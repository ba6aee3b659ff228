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

// Environment is one of the platform's two environments. Each has its own accounts and tokens: a
// token of one is rejected by the other.
type Environment string

const (
	// Production is https://toloka.dev, the default.
	Production Environment = "production"
	// Sandbox is https://sandbox.toloka.dev, where tasks cost nothing.
	Sandbox Environment = "sandbox"
)

// Client asks the platform which account a token belongs to. Create it once with [New]; the
// methods of a zero Client make no call and cover no request. A Client holds no token and is safe
// for concurrent use.
type Client struct {
	environment string
	base        *url.URL // scheme and host only
	timeout     time.Duration
	actUnder    string
	userAgent   string
	scheme      credentials.Scheme
	// A func, so that no printer follows it: the connections of a transport have buffers with
	// the data that was sent.
	roundTrip func(*http.Request) (*http.Response, error)
}

// New returns a client of the environment; "" means [Production]. By default it connects by
// itself, over HTTP/1.1 and through the proxy in HTTPS_PROXY. New makes no call. Its error lists
// every invalid option.
func New(env Environment, opts ...Option) (*Client, error) {
	cfg := config{timeout: DefaultTimeout, scheme: credentials.SchemeAPIKey, client: &http.Client{}}
	var problems []error
	for i, opt := range opts {
		if opt == nil {
			problems = append(problems,
				fmt.Errorf("requester: option %d of %d is nil", i+1, len(opts)))
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
	c.roundTrip = transportFor(c.base, cfg.client.Transport).RoundTrip
	return c, nil
}

// Requester makes one GET /api/v1/requester with the token and returns the token's account. The
// error is an [*APIError] or a [*TransportError]. For a zero token, without a call, it has the
// class [NotAsked], and for a zero Client the class [Misdirected]. Use [ClassOf] to tell errors
// apart. No error shows the token.
//
// The call ends when ctx ends, and at the latest after the client's timeout. The values of ctx
// are not used: a net/http/httptrace in it would see the token.
//
// Each call is one request on its own connection.
func (c *Client) Requester(ctx context.Context, t credentials.Token) (*Account, error) {
	switch {
	case c.base == nil:
		return nil, errZeroClient
	case t.IsZero():
		return nil, errNoToken
	}
	x := exchange{client: c, caller: ctx, token: t, redact: redactorFor(t.Reveal())}
	if ctx.Err() != nil {
		return nil, x.failure(ctx.Err())
	}
	call, cancel := context.WithTimeoutCause(context.Background(), c.timeout, errTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	x.call = call

	url := c.base.String() + apiPath + "/requester"
	req, err := http.NewRequestWithContext(withCall(call), http.MethodGet, url, nil)
	if err != nil {
		return nil, x.failure(err)
	}
	c.Authorize(req.Header, t)
	req.Header.Set("Accept", "application/json")
	// Without this header a server may choose any encoding (RFC 9110, section 12.5.3).
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", c.userAgent)
	// By the next call a kept connection would be dead, and net/http would make that call twice.
	// It also logs what a server sends on an idle connection, which may repeat the token.
	req.Close = true

	// An http.Client would follow redirects, and adds nothing else to a single GET.
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

// Environment returns "production" or "sandbox", or the host, and port if any, of [WithBaseURL].
// It is "" for a zero Client.
func (c *Client) Environment() string { return c.environment }

// BaseURL returns a copy of the client's base URL: scheme, host and port, without a path.
func (c *Client) BaseURL() *url.URL {
	if c.base == nil {
		return &url.URL{}
	}
	u := *c.base
	return &u
}

// Timeout returns the time limit of one call.
func (c *Client) Timeout() time.Duration {
	if c.base == nil {
		return DefaultTimeout
	}
	return c.timeout
}

// Covers reports whether a request to u goes to the client's base URL, so that it may carry the
// token. The scheme, host and port must be those of the base URL, and host, the Host field of the
// http.Request, must be empty or the same.
//
// Hosts are compared byte by byte, ignoring the case of ASCII letters. An IPv6 address is the
// same in every notation. A host with other characters than ASCII is never covered: net/http
// would convert it. Nor is a name that leads to the same place in another way, as with a trailing
// dot. Over plain http "localhost" is covered in lower case only: net/http sends a request to
// LOCALHOST, but not one to localhost, through HTTP_PROXY.
func (c *Client) Covers(u *url.URL, host string) bool {
	return c.base != nil && covers(c.base, u, host)
}

// Authorize sets the Authorization header to the token, under the token's own scheme or else the
// client's, and sets X-Act-Under-Account-ID if [WithActUnderAccount] was given. It does nothing
// for a zero token or a zero Client. h must not be nil.
func (c *Client) Authorize(h http.Header, t credentials.Token) {
	if t.IsZero() || c.base == nil {
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
		return nil, fmt.Errorf("requester: unknown environment %q: use %q or %q",
			env, Production, Sandbox)
	}
}
