package requester

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// integrationsPage is where tokens are made and deleted, by the platform's own documentation.
const integrationsPage = "https://platform.toloka.ai/requester/profile/integration"

// APIError says that the platform, or something in front of it, answered, and that the
// answer was no account. Its text says what to do. It has the platform's code and request
// id, and never its message or any other part of a body, which may repeat the token.
//
// A literal with no more than a StatusCode is a good error for a fake: Class is then what
// the platform itself would mean by that status.
type APIError struct {
	// StatusCode is the HTTP status of the answer.
	StatusCode int
	// Code is the platform's constant for the error, such as AUTHENTICATION_ERROR. It is ""
	// where the answer had none, or one that is longer than 64 or has other characters than
	// letters, digits and "_-.".
	Code string
	// RequestID is what the platform's support asks for. It is "" under the same conditions
	// as Code.
	RequestID string
	// RetryAfter is how long the answer asks to wait, counted from its arrival; 0 where it
	// does not say. It is never negative, and not clamped: a header can ask for a century.
	// It comes from the Retry-After header of a 408, 429 or 5xx, and for a 429 without one
	// from the quota that ran out: a minute, an hour or a day.
	RetryAfter time.Duration

	class   Class
	server  string        // scheme and host that were asked
	problem problem       // what is wrong with the body of a 200
	advice  string        // what to do, where the class alone does not say it
	message func() string // a func, so that no printer shows what may repeat the token
}

// Class places the answer; the constants say what belongs where.
func (e *APIError) Class() Class {
	if e.class != 0 {
		return e.class
	}
	return classOfStatus(e.StatusCode)
}

// Message returns the platform's words for people, "" where there are none. They vary for
// one Code, and a careless server may repeat what it was sent. The token itself has been
// replaced by "[redacted]"; still, show them to a person who asks rather than to a log.
func (e *APIError) Message() string {
	if e.message == nil {
		return ""
	}
	return e.message()
}

// Error says who answered what, and what to do about it.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "requester: %s answered %d", serverOr(e.server), e.StatusCode)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.RequestID != "" {
		b.WriteString(" (request_id " + e.RequestID + ")")
	}
	b.WriteString(": ")
	if e.problem != "" {
		b.WriteString(string(e.problem) + ": ")
	}
	if e.advice != "" {
		b.WriteString(e.advice)
	} else {
		b.WriteString(e.defaultAdvice())
	}
	return b.String()
}

func (e *APIError) defaultAdvice() string {
	switch e.Class() {
	case Rejected:
		return "the token is refused: generate a new one on the account's Integrations page, " + integrationsPage
	case RateLimited:
		if e.RetryAfter > 0 {
			return "too many requests: ask again in " + e.RetryAfter.String()
		}
		return "too many requests: ask again later"
	case Unavailable:
		if e.StatusCode == http.StatusInternalServerError && e.RequestID != "" {
			return "the platform is out of order: if it stays so, give the request_id to its support"
		}
		return "the platform is out of order: ask again later"
	case Malformed:
		return "this is not how the platform answers: check the base URL and any proxy on the way"
	default:
		if e.StatusCode >= 300 && e.StatusCode <= 399 {
			return "the platform does not redirect, and redirects are not followed: check the base URL and any proxy on the way"
		}
		return "the platform does not answer like this: check the base URL and any proxy on the way"
	}
}

// classOfStatus is what a status says when the body is what the platform sends with it.
func classOfStatus(status int) Class {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Rejected
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status == http.StatusRequestTimeout, status >= 500 && status <= 599:
		return Unavailable
	case status >= 200 && status <= 299:
		return Malformed
	default:
		return Misdirected
	}
}

// noTokenError is what Requester says of a zero token.
type noTokenError struct{}

func (noTokenError) Error() string {
	return "requester: there is no token to ask the platform about"
}

// Class is always NotAsked.
func (noTokenError) Class() Class { return NotAsked }

func serverOr(server string) string {
	if server == "" {
		return "the platform"
	}
	return server
}
