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

// DefaultTimeout is the time limit of a call, including connection and body, without
// [WithTimeout].
const DefaultTimeout = 5 * time.Second

// Option configures a [Client]. If an option is given twice, the last one counts. [New] returns an
// error for an invalid value and for a nil option.
type Option func(*config) error

type config struct {
	base      *url.URL
	client    *http.Client
	timeout   time.Duration
	actUnder  string
	userAgent string
	scheme    credentials.Scheme
}

// WithBaseURL sends the calls to another address than the environment's: a gateway, or a fake
// platform. raw is an https URL of scheme, host and port, such as https://gateway.example:8443.
// The client appends /api/v1; raw may end in it, but any other path is an error.
//
// Plain http is accepted for this machine only: a loopback address (127.0.0.0/8, [::1]) or exactly
// "localhost". The client then uses no proxy, and connects to loopback addresses only, whatever
// "localhost" resolves to.
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

// WithHTTPClient uses the Transport of hc, for custom certificates, a proxy or a fake. The
// Transport must honor the request's context. Nothing else of hc is used, and hc is not changed:
// redirects are never followed, no cookies are sent, and [WithTimeout] limits the call. If its
// Transport is nil, the client creates its own.
//
// The client's own transport tries the next address of a name every 250 ms. A custom Transport
// dials by itself: a net.Dialer tries the addresses of one family in sequence, and divides only
// its own Timeout between them. Make that shorter than the timeout of the call, or a name whose
// first address does not answer is not reachable.
//
// For plain http (see [WithBaseURL]) the client works on a copy of an *http.Transport, without
// its proxy, and checks the address of each connection; any other Transport is used as it is.
func WithHTTPClient(hc *http.Client) Option {
	return func(c *config) error {
		if hc == nil {
			return errors.New("WithHTTPClient(nil): the client must not be nil; " +
				"leave the option out for the default")
		}
		c.client = hc
		return nil
	}
}

// leastTimeout is the shortest timeout. Anything shorter is a number without a unit.
const leastTimeout = 10 * time.Millisecond

// WithTimeout sets the time limit of one call, including connection and body, at least 10 ms. The
// default is [DefaultTimeout].
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < leastTimeout {
			return fmt.Errorf("WithTimeout(%v): must be at least %v; is its unit missing, "+
				"as in 5*time.Second?", d, leastTimeout)
		}
		c.timeout = d
		return nil
	}
}

// WithActUnderAccount acts under another account, which shares access with the token's owner, by
// the header X-Act-Under-Account-ID. The platform then answers with that account. By default the
// token acts under its own account.
func WithActUnderAccount(id string) Option {
	return func(c *config) error {
		if id == "" {
			return errors.New("WithActUnderAccount: the account id is empty")
		}
		if !isID(id) {
			return fmt.Errorf(
				"WithActUnderAccount: the account id is longer than %d bytes, or has "+
					"white space or characters outside printable ASCII", maxID)
		}
		c.actUnder = id
		return nil
	}
}

// WithUserAgent puts the service's own product, such as "billing/1.4 (team@example.com)", before
// this library's in the User-Agent header, so that the platform's support can see who calls. It
// is printable ASCII. By default the header has the library's product only.
func WithUserAgent(product string) Option {
	return func(c *config) error {
		if strings.TrimSpace(product) == "" {
			return errors.New("WithUserAgent: the product is empty")
		}
		if strings.ContainsFunc(product,
			func(r rune) bool { return r != ' ' && notPrintableASCII(r) }) {
			return errors.New("WithUserAgent: the product has line breaks, control characters " +
				"or characters outside ASCII")
		}
		c.userAgent = strings.TrimSpace(product)
		return nil
	}
}

// WithScheme sets the authorization scheme of tokens that do not state one. The default is
// [credentials.SchemeAPIKey], which the platform's Integrations page gives for every token.
func WithScheme(s credentials.Scheme) Option {
	return func(c *config) error {
		if s != credentials.SchemeAPIKey && s != credentials.SchemeOAuth {
			return fmt.Errorf("WithScheme: unknown scheme: use %q or %q",
				credentials.SchemeAPIKey, credentials.SchemeOAuth)
		}
		c.scheme = s
		return nil
	}
}
