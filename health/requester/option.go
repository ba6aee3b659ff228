package requester

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// DefaultTimeout is how long a call may take, connection and body included, without
// [WithTimeout].
const DefaultTimeout = 5 * time.Second

// Option sets up a [Client]. Where the same option is given twice the last one counts. A
// value that an option cannot take is an error of [New].
type Option func(*config) error

type config struct {
	base      *url.URL
	client    *http.Client
	timeout   time.Duration
	actUnder  string
	userAgent string
	scheme    credentials.Scheme
}

// WithBaseURL asks at another place than the environment's own: a gateway, or a fake
// platform. It is an https URL of scheme, host and port, such as
// https://gateway.example:8443. The client appends /api/v1 by itself, and takes a URL that
// already ends in it; any other path is an error.
//
// Plain http is for a platform on this machine only: a loopback address (127.0.0.0/8,
// [::1]) or exactly "localhost". Then no proxy is used, and no connection is made to
// anything but a loopback address, whatever "localhost" resolves to.
func WithBaseURL(raw string) Option {
	return func(c *config) error {
		base, err := parseBaseURL(raw)
		if err != nil {
			return fmt.Errorf("WithBaseURL: %w", err)
		}
		c.base = base
		return nil
	}
}

// WithHTTPClient uses the Transport of hc: for certificates, a proxy or a fake of one's
// own. It must honour the request's context. Nothing else of hc is used, and hc is not
// changed: redirects are never followed, no cookies are sent, and [WithTimeout] bounds the
// call. Where its Transport is nil the client makes its own.
//
// For plain http (see [WithBaseURL]) an *http.Transport is copied, without its proxy and
// with the address of each connection checked; any other Transport is used as it is.
func WithHTTPClient(hc *http.Client) Option {
	return func(c *config) error {
		if hc == nil {
			return errors.New("WithHTTPClient(nil): the client must not be nil; leave the option out for the default")
		}
		c.client = hc
		return nil
	}
}

// WithTimeout bounds one call as a whole. It must be positive; the default is
// [DefaultTimeout].
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithTimeout(%v): must be positive", d)
		}
		c.timeout = d
		return nil
	}
}

// WithActUnderAccount acts under the account with that id, which has shared access with the
// token's owner, by the header X-Act-Under-Account-ID: the platform then answers with that
// account. By default the token acts for its own.
func WithActUnderAccount(id string) Option {
	return func(c *config) error {
		if id == "" {
			return errors.New("WithActUnderAccount: the account id is empty")
		}
		if strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return errors.New("WithActUnderAccount: the account id has white space or characters outside printable ASCII in it")
		}
		c.actUnder = id
		return nil
	}
}

// WithUserAgent puts the service's own product, such as "billing/1.4 (team@example.com)",
// before this library's in the User-Agent header: the platform's support asks for one that
// tells who calls. It is printable ASCII. By default the header has the library's product
// alone.
func WithUserAgent(product string) Option {
	return func(c *config) error {
		if strings.TrimSpace(product) == "" {
			return errors.New("WithUserAgent: the product is empty")
		}
		if strings.ContainsFunc(product, func(r rune) bool { return r < ' ' || r > '~' }) {
			return errors.New("WithUserAgent: the product has line breaks, control characters or characters outside ASCII in it")
		}
		c.userAgent = strings.TrimSpace(product)
		return nil
	}
}

// WithScheme is the authorization scheme of tokens that do not state one themselves. The
// default is [credentials.SchemeAPIKey], as the platform's Integrations page says for every
// token that it generates.
func WithScheme(s credentials.Scheme) Option {
	return func(c *config) error {
		if s != credentials.SchemeAPIKey && s != credentials.SchemeOAuth {
			return fmt.Errorf("WithScheme(%q): unknown scheme: use %q or %q", s, credentials.SchemeAPIKey, credentials.SchemeOAuth)
		}
		c.scheme = s
		return nil
	}
}
