package requester

import (
	"context"
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/secrettext"
)

// exchange is one call, and what is needed to explain its outcome.
type exchange struct {
	client *Client
	caller context.Context
	call   context.Context // nil until the request is made
	token  credentials.Token
	redact redactor
}

func (x *exchange) answer(resp *http.Response) (*Account, error) {
	e := &APIError{
		StatusCode: resp.StatusCode,
		class:      classOfStatus(resp.StatusCode),
		server:     x.client.base.String(),
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode < 400 {
		return nil, e // the body cannot change what the status says
	}
	body, p, err := x.readBody(resp)
	switch {
	case err != nil && x.caller.Err() != nil:
		return nil, x.failure(err)
	case err != nil && resp.StatusCode == http.StatusOK && isCut(err):
		e.problem = problemCut
		return nil, e
	case err != nil && (resp.StatusCode == http.StatusOK || e.class == Rejected):
		// Half a body does not tell the platform's refusal from a proxy's, and an outage
		// must not look like a refusal.
		return nil, x.failure(err)
	case resp.StatusCode != http.StatusOK:
		x.refuse(e, resp.Header, body, p)
		return nil, e
	}
	var a *Account
	if p == "" {
		a, p = parseAccount(body, x.redact)
	}
	if p != "" {
		e.problem = p
		return nil, e
	}
	return a, nil
}

// refuse fills in e from an answer of 400 or more. Without a readable body only the status
// counts; p says why the body cannot be read.
func (x *exchange) refuse(e *APIError, h http.Header, body []byte, p problem) {
	doc := parseErrorBody(body)
	e.Code = x.redact.identifier(doc.code)
	e.RequestID = x.redact.identifier(doc.requestID)
	switch e.class {
	case Rejected:
		switch {
		case p != "" && p != problemTooLong:
			// It may be the platform's error object, or not.
			e.class, e.problem = Malformed, p
		case p != "" || !doc.ofPlatform && !isBlank(body):
			e.class, e.advice = Misdirected, adviceForeign
		default:
			e.advice = x.rejectionAdvice(e)
		}
	case RateLimited, Unavailable:
		hint, ok := retryAfter(h, time.Now())
		if !ok && e.class == RateLimited {
			hint = quota(doc.interval)
		}
		e.RetryAfter = hint
	}
}

// rejectionAdvice names the token, and what to do about the common causes of a refusal.
func (x *exchange) rejectionAdvice(e *APIError) string {
	name := "the token " + x.token.Fingerprint()
	if x.token.Fingerprint() == "hidden" {
		name = "the token"
	}
	if x.client.actUnder != "" && e.StatusCode == http.StatusForbidden {
		return name + " may not act under the account " + x.client.actUnder +
			": check that this account shares access with the token's owner"
	}
	s := name + " is rejected: generate a new one on the account's Integrations page, " +
		integrationsPage
	switch x.client.environment {
	case string(Production):
		s += "; a token of the sandbox does not work in production"
	case string(Sandbox):
		s += "; a token of production does not work in the sandbox"
	}
	switch scheme := x.client.schemeOf(x.token); {
	case scheme == credentials.SchemeOAuth && secrettext.APIKey(x.token.Reveal()):
		s += "; it looks like an API key but was sent as OAuth: if it is one, " +
			`write "ApiKey " before it`
	case scheme == credentials.SchemeAPIKey && x.token.Scheme() == "" &&
		!secrettext.APIKey(x.token.Reveal()):
		// Only where the scheme is a default: a token that states ApiKey is meant as a key.
		s += `; if it is a legacy OAuth token, write "OAuth " before it`
	}
	return s
}
