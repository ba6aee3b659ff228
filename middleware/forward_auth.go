package middleware

import (
	"net/http"
	"net/url"
)

// The headers of a forward-auth answer.
const (
	keyAccountID   = "X-Toloka-Account-Id"
	keyAccountName = "X-Toloka-Account-Name"
	keyCompanyID   = "X-Toloka-Company-Id"
)

// ForwardAuth returns a handler that gives a reverse proxy the gate's decision: for nginx's
// auth_request, Caddy's forward_auth, Traefik's ForwardAuth and Envoy's ext_authz over HTTP. It
// looks at the Authorization header only and answers any method and path.
//
// For a caller that may pass it answers 200 without a body and with the headers
// X-Toloka-Account-Id, X-Toloka-Account-Name and X-Toloka-Company-Id. Name and company id are empty
// if the account has none. Values are percent-encoded UTF-8, which leaves usual ids as they are.
// Otherwise it answers as the gate does. The proxy must remove headers of these names from the
// client's request, and should remove Authorization: .github/docs/forward-auth.md has tested
// configurations.
//
// Set DisableGeneralOptionsHandler on the [http.Server]: otherwise it answers "OPTIONS *" itself,
// with 200, which a proxy that sends the method and path of its client takes for a decision.
//
// Nginx's auth_request turns the status 503 into 500: restore it with
// "error_page 500 =503". [WithForwardedToken] has no effect.
func (g *CallerGate) ForwardAuth() http.Handler { return &forwardAuth{g} }

type forwardAuth struct{ gate *CallerGate }

func (f *forwardAuth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, rejection := f.gate.check(r)
	if rejection != nil {
		rejection.serve(w, r, f.gate.config.reject)
		return
	}
	account, h := v.Record.Account, w.Header()
	company, _ := account.Company()
	h.Set(keyAccountID, url.PathEscape(account.ID()))
	// Empty ones are sent too: Caddy passes its own placeholder on for a missing header.
	h.Set(keyAccountName, url.PathEscape(account.Name()))
	h.Set(keyCompanyID, url.PathEscape(company.ID))
	h[keyCacheControl] = noStore
	w.WriteHeader(http.StatusOK)
}
