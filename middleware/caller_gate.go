package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/callers"
	"github.com/tolokacheck/tolokacheck/internal/requestcopy"
)

// CallerGate lets the requests through that bring the token of an allowed account, and puts the
// account into their context for [CallerFrom].
//
// The Authorization header is removed from the request, unless [WithForwardedToken] is given: also
// for middleware further out, because the requests share one header map. A second gate behind this
// one therefore finds no token.
//
// Other responses are 401 with WWW-Authenticate, 403, or 503 with Retry-After; all have a constant
// problem details body (RFC 9457) that does not reveal the reason. See [Callers] for which is
// which.
//
// Create a CallerGate with [NewCallerGate]. It is safe for concurrent use.
type CallerGate struct {
	callers *Callers
	config  callerGateConfig
	// unavailable has no Retry-After yet.
	unauthorized, forbidden, unavailable *response
}

// CallerGateOption configures a [CallerGate].
type CallerGateOption func(*callerGateConfig) error

type callerGateConfig struct {
	accounts, companies map[string]struct{}
	allow               func(context.Context, *requester.Account) error
	forward             bool
	realm               string
	reject              rejectionHandler
}

// AllowAccounts admits only the accounts with these ids. With [AllowCompanies] too, one of both is
// enough. By default every verified caller is admitted. An empty list or id is an error.
func AllowAccounts(ids ...string) CallerGateOption {
	return func(c *callerGateConfig) error { return addIDs("AllowAccounts", &c.accounts, ids) }
}

// AllowCompanies admits only accounts of the companies with these ids; see [AllowAccounts].
func AllowCompanies(ids ...string) CallerGateOption {
	return func(c *callerGateConfig) error { return addIDs("AllowCompanies", &c.companies, ids) }
}

// Allow asks a function in addition to the lists: a request passes if it returns nil, and gets 403
// otherwise. It is called in the request's goroutine for every verified request, concurrently, with
// the context of the request. A panic in it is the panic of that request. A nil function is an
// error.
func Allow(f func(context.Context, *requester.Account) error) CallerGateOption {
	return func(c *callerGateConfig) error {
		if f == nil {
			return errors.New("Allow: the function is nil")
		}
		c.allow = f
		return nil
	}
}

// WithForwardedToken leaves the Authorization header in the request, for handlers that call the
// platform with the caller's token. By default it is removed.
func WithForwardedToken() CallerGateOption {
	return func(c *callerGateConfig) error {
		c.forward = true
		return nil
	}
}

// WithRealm sets the realm of WWW-Authenticate. The default is "toloka". It consists of printable
// ASCII characters without quotes and backslashes.
func WithRealm(realm string) CallerGateOption {
	return func(c *callerGateConfig) error {
		for i := range len(realm) {
			if b := realm[i]; b < ' ' || b > '~' || b == '"' || b == '\\' {
				return errors.New("WithRealm: the realm has a quote, a backslash or a character " +
					"outside printable ASCII")
			}
		}
		if realm == "" {
			return errors.New("WithRealm: the realm is empty")
		}
		c.realm = realm
		return nil
	}
}

// WithCallerRejectionHandler is [WithRejectionHandler] for a [CallerGate]: the status of the
// rejection is 401, 403 or 503, and WWW-Authenticate is set, too, before the handler is called.
func WithCallerRejectionHandler(
	handler func(w http.ResponseWriter, r *http.Request, rejection *Rejection),
) CallerGateOption {
	return func(c *callerGateConfig) error {
		if handler == nil {
			return errors.New("WithCallerRejectionHandler: the function is nil")
		}
		c.reject = handler
		return nil
	}
}

func addIDs(option string, set *map[string]struct{}, ids []string) error {
	if len(ids) == 0 {
		return fmt.Errorf("%s: the list is empty: no caller would be admitted", option)
	}
	if *set == nil {
		*set = make(map[string]struct{}, len(ids))
	}
	for _, id := range ids {
		if strings.TrimSpace(id) == "" {
			return fmt.Errorf("%s: an id is empty", option)
		}
		(*set)[id] = struct{}{}
	}
	return nil
}

// NewCallerGate returns a gate that lets verified callers through. It returns an error that lists
// every invalid option, or that c is nil.
func NewCallerGate(c *Callers, opts ...CallerGateOption) (*CallerGate, error) {
	g := &CallerGate{callers: c, config: callerGateConfig{realm: "toloka"}}
	if err := wiringError("NewCallerGate", c.missing(), apply(&g.config, opts)); err != nil {
		return nil, err
	}
	g.unauthorized = newProblem(http.StatusUnauthorized,
		"Send a valid API token as Authorization: ApiKey TOKEN.",
		field{keyWWWAuthenticate, []string{
			`ApiKey realm="` + g.config.realm + `"`, `OAuth realm="` + g.config.realm + `"`,
		}})
	g.forbidden = newProblem(http.StatusForbidden,
		"The account is not allowed to use this service.")
	g.unavailable = newProblem(http.StatusServiceUnavailable,
		"The service cannot verify the API token at the moment. Try again later.")
	return g, nil
}

const (
	keyAuthorization   = "Authorization"
	keyWWWAuthenticate = "Www-Authenticate"
)

// Wrap returns a handler that calls next for requests of verified and allowed callers. next gets
// the same ResponseWriter and a copy of the request; see [Gate.Wrap] for what is handed back from
// the copy. Put CORS middleware outside the gate. Wrap panics if next is nil.
func (g *CallerGate) Wrap(next http.Handler) http.Handler {
	if f, ok := next.(http.HandlerFunc); next == nil || ok && f == nil {
		panic("middleware: CallerGate.Wrap: nil handler")
	}
	return &callerGated{gate: g, next: next}
}

// Admit decides about one request. It is for adapters to frameworks whose handlers are not
// [http.Handler]s. If the request may pass, the rejection is nil and the returned request is for
// the next handler. Otherwise the rejection contains the response. Admit does not call the
// [WithCallerRejectionHandler] function.
//
// Admit waits if the platform must be asked, at most until the request's context ends.
func (g *CallerGate) Admit(r *http.Request) (*http.Request, *Rejection) {
	v, rejection := g.check(r)
	if rejection != nil {
		return r, rejection
	}
	if !g.config.forward {
		delete(r.Header, keyAuthorization)
	}
	return withCaller(r, v), nil
}

// check returns the verdict on a request, or its rejection, and counts it.
func (g *CallerGate) check(r *http.Request) (callers.Verdict, *Rejection) {
	v := callers.Verdict{Outcome: callers.NoToken, Err: callers.ErrNoToken}
	if values := r.Header[keyAuthorization]; len(values) == 1 {
		v = g.callers.engine.Check(r.Context(), values[0])
	}
	rejection := g.rejection(r, v)
	outcome := v.Outcome
	if rejection != nil && rejection.response == g.forbidden {
		outcome = notAllowed
	}
	g.callers.requests.add(outcome)
	return v, rejection
}

// rejection returns the response to a request that may not pass, or nil.
func (g *CallerGate) rejection(r *http.Request, v callers.Verdict) *Rejection {
	switch v.Outcome {
	case callers.Fresh, callers.Stale:
	case callers.NoToken, callers.Refused:
		return &Rejection{
			response: g.unauthorized,
			err:      callerError("the caller has no valid token", v.Err),
		}
	default:
		return &Rejection{
			response: g.unavailable.with(field{keyRetryAfter, retryAfter(v.RetryAfter)}),
			err:      callerError("the token cannot be verified at the moment", v.Err),
		}
	}
	if err := g.allowed(r.Context(), v.Record.Account); err != nil {
		return &Rejection{
			response: g.forbidden,
			err:      callerError("the caller's account is not allowed", err),
		}
	}
	return nil
}

// callerError adds what a cause means for the caller. The cause may be nil.
func callerError(what string, cause error) error {
	if cause == nil {
		return errors.New(what)
	}
	return fmt.Errorf("%s: %w", what, cause)
}

var errNotListed = errors.New("neither the account nor its company is on the list")

func (g *CallerGate) allowed(ctx context.Context, account *requester.Account) error {
	if g.config.accounts != nil || g.config.companies != nil {
		_, listed := g.config.accounts[account.ID()]
		if company, ok := account.Company(); ok && !listed {
			_, listed = g.config.companies[company.ID]
		}
		if !listed {
			return errNotListed
		}
	}
	if g.config.allow != nil {
		return g.config.allow(ctx, account)
	}
	return nil
}

// callerGated is a handler behind a gate.
type callerGated struct {
	gate *CallerGate
	next http.Handler
}

func (h *callerGated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	inner, rejection := h.gate.Admit(r)
	if rejection != nil {
		rejection.serve(w, r, h.gate.config.reject)
		return
	}
	defer requestcopy.HandBack(r, inner)
	h.next.ServeHTTP(w, inner)
}
