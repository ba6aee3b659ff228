package requester

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// maxBody is what is read of an answer. The platform's have a few hundred bytes.
const maxBody = 64 << 10

// exchange is one call, and what is needed to say what its outcome means.
type exchange struct {
	client *Client
	caller context.Context
	call   context.Context // nil until the request is made
	token  credentials.Token
	redact redactor
}

func (x *exchange) answer(resp *http.Response) (*Account, error) {
	e := &APIError{StatusCode: resp.StatusCode, class: classOfStatus(resp.StatusCode), server: x.client.base.String()}
	if resp.StatusCode != http.StatusOK && resp.StatusCode < 400 {
		return nil, e // nothing in the body could change what the status says
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil && x.caller.Err() != nil:
		return nil, x.failure(err)
	case resp.StatusCode == http.StatusOK:
		return x.account(e, body, err)
	case err != nil && e.class == Rejected:
		// Half a body does not tell the platform's refusal from a proxy's, and an outage
		// must not look like a refusal.
		return nil, x.failure(err)
	}
	x.refuse(e, resp.Header, body)
	return nil, e
}

// account reads the body of a 200; err is how reading it ended.
func (x *exchange) account(e *APIError, body []byte, err error) (*Account, error) {
	switch {
	case err != nil && isCut(err):
		e.problem = problemCut
		return nil, e
	case err != nil:
		return nil, x.failure(err)
	case len(body) > maxBody:
		e.problem = problemTooLong
		return nil, e
	}
	a, p := parseAccount(body, x.redact)
	if p != "" {
		e.problem = p
		return nil, e
	}
	return a, nil
}

// refuse fills in e from an answer of 400 or more. Where the body could not be read as a
// whole the status alone speaks.
func (x *exchange) refuse(e *APIError, h http.Header, body []byte) {
	doc := parseErrorBody(body)
	e.Code = x.redact.identifier(doc.code)
	e.RequestID = x.redact.identifier(doc.requestID)
	if doc.message != "" {
		message := x.redact.clean(doc.message)
		e.message = func() string { return message }
	}
	switch e.class {
	case Rejected:
		if !doc.platforms && !isBlank(body) {
			e.class = Misdirected
			e.advice = "something in front of the platform refuses, not the platform: check the base URL and any proxy or firewall on the way"
			return
		}
		e.advice = x.rejectionAdvice()
	case RateLimited, Unavailable:
		hint, ok := retryAfter(h, time.Now())
		if !ok && e.class == RateLimited {
			hint = quota(doc.interval)
		}
		e.RetryAfter = hint
	}
}

// rejectionAdvice tells the person who reads it which token it is, and what commonly is
// wrong with one.
func (x *exchange) rejectionAdvice() string {
	s := "the token " + x.token.Fingerprint() + " is refused: generate a new one on the account's Integrations page, " + integrationsPage
	switch x.client.environment {
	case string(Production):
		s += "; a token of the sandbox does not work in production"
	case string(Sandbox):
		s += "; a token of production does not work in the sandbox"
	}
	if x.client.actUnder != "" {
		s += "; check that the account " + x.client.actUnder + " has shared access with the token's owner"
	}
	switch scheme := x.client.schemeOf(x.token); {
	case scheme == credentials.SchemeAPIKey && !x.token.LooksLikeAPIKey():
		s += `; it does not look like an API key: if it is an OAuth token, write "OAuth " before it`
	case scheme == credentials.SchemeOAuth && x.token.LooksLikeAPIKey():
		s += `; it looks like an API key but was sent as OAuth: if it is one, write "ApiKey " before it`
	}
	return s
}
