package requester

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// integrationsPage is where tokens are made and deleted, by the platform's documentation.
const integrationsPage = "https://platform.toloka.ai/requester/profile/integration"

const (
	adviceRejected = "the token is rejected: generate a new one on the account's Integrations " +
		"page, " +
		integrationsPage
	adviceLimited     = "too many requests: retry later"
	adviceUnavailable = "the platform is not available: retry later"
	adviceSupport     = "the platform failed: if this persists, give the request_id to its support"
	adviceMalformed   = "this is not an answer of the platform: check the base URL, " +
		"and any proxy or login page in between"
	adviceRedirect = "the platform does not redirect, and redirects are not followed: " +
		"check the base URL and any proxy in between"
	adviceNotFound = "the platform's API is not at this address: " +
		"check the base URL and any proxy in between"
	adviceProxyLogin = "a proxy requires authentication: check the base URL and any proxy in " +
		"between, and its user and password in HTTPS_PROXY"
	adviceForeign = "something in front of the platform refuses the request: " +
		"check the base URL and any proxy or firewall in between"
	adviceMisdirected = "the platform does not give this answer: " +
		"check the base URL and any proxy in between"
)

// APIError is the error of an answer that is not an account. It comes from the platform, or from
// something in front of it. Its text says what to do. It carries the platform's code and request
// id, and no other part of the body, which may repeat the token.
//
// A literal with only a StatusCode is a valid error for a fake: its Class is what the platform
// means by that status.
type APIError struct {
	// StatusCode is the HTTP status of the answer.
	StatusCode int
	// Code is the platform's constant for the error, such as AUTHENTICATION_ERROR. It is "" if
	// the answer had none, or one of more than 64 characters or of other characters than
	// letters, digits and "_-.".
	Code string
	// RequestID identifies the request to the platform's support. It is "" under the same
	// conditions as Code.
	RequestID string
	// RetryAfter is how long the answer asks to wait, counted from its arrival; 0 if it does
	// not say. It is never negative, and not capped: a header can ask for a century. It comes
	// from the Retry-After header of a 408, 429 or 5xx, and for a 429 without one from the
	// exhausted quota: a minute, an hour or a day.
	RetryAfter time.Duration

	class   Class
	server  string  // scheme and host of the call
	problem problem // what is wrong with the body
	advice  string  // what to do, if the class alone does not say it
}

// Class returns the class of the answer. See the constants of [Class].
func (e *APIError) Class() Class {
	if e.class != 0 {
		return e.class
	}
	return classOfStatus(e.StatusCode)
}

// Error says which server answered what, and what to do about it.
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
		return adviceRejected
	case RateLimited:
		if e.RetryAfter > 0 {
			return "too many requests: retry in " + e.RetryAfter.String()
		}
		return adviceLimited
	case Unavailable:
		if e.StatusCode == http.StatusInternalServerError && e.RequestID != "" {
			return adviceSupport
		}
		return adviceUnavailable
	case Malformed:
		return adviceMalformed
	}
	switch {
	case e.StatusCode >= 300 && e.StatusCode <= 399:
		return adviceRedirect
	case e.StatusCode == http.StatusNotFound, e.StatusCode == http.StatusMethodNotAllowed:
		return adviceNotFound
	case e.StatusCode == http.StatusProxyAuthRequired:
		return adviceProxyLogin
	default:
		return adviceMisdirected
	}
}

// classOfStatus is what a status means with the body that the platform sends with it.
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

// usageError is the error of a call that cannot be made. It never changes by itself.
type usageError struct {
	text  string
	class Class
}

var (
	errNoToken = &usageError{"requester: there is no token to verify", NotAsked}
	// Misdirected makes health.Checker.Start fail at once.
	errZeroClient = &usageError{
		"requester: the Client is a zero value: create it with requester.New", Misdirected}
)

func (e *usageError) Error() string { return e.text }

// Class returns the class that the caller should act on.
func (e *usageError) Class() Class { return e.class }

func serverOr(server string) string {
	if server == "" {
		return "the platform"
	}
	return server
}
