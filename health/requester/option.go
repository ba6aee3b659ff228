package requester

import (
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// Option sets up a [Client]. Of the same option twice the last counts. What an option cannot take is an error of [New].
type Option func(*config) error

type config struct{}

// WithBaseURL asks at another place than the environment's own: a gateway, or a fake platform. It is an https URL of
// scheme, host and port, such as https://gateway.example:8443; the client appends /api/v1 by itself, and takes a URL that already
// ends in it. Plain http is for a platform on this machine only: a loopback address (127.0.0.0/8, [::1]) or exactly "localhost", and then no
// proxy is used and every connection is checked to lead to this machine.
func WithBaseURL(raw string) Option { return func(*config) error { return nil } }

// WithHTTPClient uses the client's Transport: for certificates, a proxy or a fake of one's own. Everything else of it is not used:
// redirects are never followed, no cookies are sent, and [WithTimeout] bounds the call. Where the
// Transport is nil the client makes its own; a Transport must honour the request's context.
func WithHTTPClient(hc *http.Client) Option { return func(*config) error { return nil } }

// WithTimeout bounds one call as a whole; the default is [DefaultTimeout].
func WithTimeout(d time.Duration) Option { return func(*config) error { return nil } }

// WithActUnderAccount acts under the account with that id, which has shared access with the token's owner: the
// platform then answers with that account. By default the token's own.
func WithActUnderAccount(id string) Option { return func(*config) error { return nil } }

// WithUserAgent puts the service's own product, such as "billing/1.4 (team@example.com)", before this library's in the User-Agent header. The
// platform's support asks for one that tells who calls.
func WithUserAgent(product string) Option { return func(*config) error { return nil } }

// WithScheme is the scheme of tokens that do not carry one themselves; the default is [credentials.SchemeAPIKey].
func WithScheme(s credentials.Scheme) Option { return func(*config) error { return nil } }
