package requester

import "errors"

// Class is what the outcome of a call means for the token. Callers decide on the class, not on a
// status code or a text. The zero value is not a class.
type Class int

const (
	// Verified: the platform named the account that the token belongs to.
	Verified Class = iota + 1
	// Rejected: the platform itself rejected the token, with 401 or 403.
	Rejected
	// RateLimited: 429. It says nothing about the token. Retry after [APIError.RetryAfter].
	RateLimited
	// Unavailable: no answer, or a temporary failure: network, DNS, TLS, timeout, 408, 5xx.
	Unavailable
	// Malformed: an answer that cannot be read: a 200 with HTML, with JSON without a valid id,
	// or with a body that is cut short or longer than 64 KiB; another 2xx; or a 200, 401 or 403
	// in a content encoding other than gzip. A login page or a broken proxy may be the cause,
	// and it may pass.
	Malformed
	// Misdirected: an answer that the platform does not give to this call: a redirect, 400,
	// 404, 405, 407, another 4xx, or a 401 or 403 without the platform's error object. The base
	// URL is wrong, or a proxy or firewall answers. It does not pass by itself.
	Misdirected
	// NotAsked: no call was made.
	NotAsked
	// Cancelled: the caller's context ended first.
	Cancelled
)

// String returns the class in lower case, such as "rate limited", and "unknown" for other values.
func (c Class) String() string {
	switch c {
	case Verified:
		return "verified"
	case Rejected:
		return "rejected"
	case RateLimited:
		return "rate limited"
	case Unavailable:
		return "unavailable"
	case Malformed:
		return "malformed"
	case Misdirected:
		return "misdirected"
	case NotAsked:
		return "not asked"
	case Cancelled:
		return "cancelled"
	default:
		return "unknown"
	}
}

// ClassOf returns the class of an error of [Client.Requester]: Verified for nil; else the result
// of the first error in the tree that has a method Class() Class, which errors of other packages
// can have too; else Unavailable, because an unknown error says nothing about the token.
func ClassOf(err error) Class {
	if err == nil {
		return Verified
	}
	var classed interface{ Class() Class }
	if errors.As(err, &classed) {
		if c := classed.Class(); c >= Verified && c <= Cancelled {
			return c
		}
	}
	return Unavailable
}
