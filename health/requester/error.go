package requester

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// APIError says that the platform, or something in front of it, answered, and the answer
// was no account. Its text says what to do. It has the platform's code and request id, and never its
// message or any other part of a body, which may repeat the token.
//
// A literal with only a StatusCode is a good error for a fake: Class is then the one that
// the platform itself would mean by that status.
type APIError struct {
	// StatusCode is the HTTP status of the answer.
	StatusCode int
	// Code is the platform's constant for the error, such as AUTHENTICATION_ERROR; "" where the
	// answer had none, or one with other characters than letters, digits and "_-.", or
	// longer than 64.
	Code string
	// RequestID is what the platform's support asks for; "" under the same conditions as Code.
	RequestID string
	// RetryAfter is how long the answer asks to wait, counted from its arrival; 0 where it does not say.
	// It is never negative, and as long as the answer says, up to the largest Duration:
	// clamp it. It comes from the Retry-After header of a 408, 429 or 5xx, and for a 429 without
	// one from the quota that ran out: a minute, an hour or a day.
	RetryAfter time.Duration

	class   Class
	server  string        // scheme and host that were asked
	problem string        // what is wrong with the answer, where the status does not say it
	advice  string        // what to do, where the class alone does not say it
	message func() string // behind a func, so that no printer reaches what may repeat the token
}

// Class places the answer. See the constants for what belongs where.
func (e *APIError) Class() Class {
	if e.class != 0 {
		return e.class
	}
	return classOfStatus(e.StatusCode)
}

// Message returns the platform's words for people, "" where there are none. They vary
// for one Code, and a careless server may repeat what it was sent: the token itself is replaced by
// "[redacted]", but show it to an operator who asks for it rather than to a log.
func (e *APIError) Message() string {
	if e.message == nil {
		return ""
	}
	return e.message()
}

// Error says who answered what, and what to do about it.
func (e *APIError) Error() string {
	var b strings.Builder
	b.WriteString("requester: ")
	if e.server == "" {
		b.WriteString("the platform")
	} else {
		b.WriteString(e.server)
	}
	fmt.Fprintf(&b, " answered %d", e.StatusCode)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.RequestID != "" {
		b.WriteString(" (request_id " + e.RequestID + ")")
	}
	b.WriteString(": ")
	if e.problem != "" {
		b.WriteString(e.problem + ": ")
	}
	b.WriteString(e.adviceOrDefault())
	return b.String()
}

func (e *APIError) adviceOrDefault() string {
	if e.advice != "" {
		return e.advice
	}
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
			return "the platform does not work at the moment: if it stays so, give the request_id to its support"
		}
		return "the platform does not work at the moment: ask again later"
	case Malformed:
		return "something else than the platform answers: check the base URL and any proxy on the way"
	default:
		return "the platform does not answer this way: check the base URL and any proxy on the way"
	}
}

// integrationsPage is where tokens are made and deleted, by the platform's own documentation.
const integrationsPage = "https://platform.toloka.ai/requester/profile/integration"

// classOfStatus is what a status says when the body is what the platform would send with it.
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

// TransportError says that there was no answer, or not the whole of it. Its text names the server and
// the cause, never the token.
//
// Unwrap gives the cause, for errors.Is and errors.As: syscall.ECONNREFUSED,
// *net.DNSError, *tls.CertificateVerificationError; os.ErrDeadlineExceeded where the client's own
// timeout ended the call; and context.Canceled or context.DeadlineExceeded where the caller's context did. A cause whose
// text has the token in it is left out.
type TransportError struct {
	class   Class
	server  string
	problem string
	cause   error
}

// Class is Cancelled when the caller's context ended the call, else Unavailable.
func (e *TransportError) Class() Class {
	if e.class != 0 {
		return e.class
	}
	return Unavailable
}

// Error says who was asked, and what came between.
func (e *TransportError) Error() string {
	server, problem := e.server, e.problem
	if server == "" {
		server = "the platform"
	}
	if problem == "" {
		problem = "it cannot be reached"
	}
	return "requester: no answer from " + server + ": " + problem
}

// Unwrap returns the cause, or nil.
func (e *TransportError) Unwrap() error { return e.cause }
