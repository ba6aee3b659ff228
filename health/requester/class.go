package requester

import "errors"

// Class is what one call says about the credential: the only part of an outcome that a
// caller should decide on. The zero value is no class.
type Class int

const (
	// Verified: the platform named the account that the token belongs to.
	Verified Class = iota + 1
	// Rejected: the platform itself refused the token, with 401 or 403.
	Rejected
	// RateLimited: 429. It says nothing of the token; ask again after [APIError.RetryAfter].
	RateLimited
	// Unavailable: no answer, or one that says to come back: network, DNS, TLS, timeout,
	// 408, 5xx.
	Unavailable
	// Malformed: a success that names no account: HTML, a JSON document without an id, a
	// body that is too long or cut short, a 2xx other than 200.
	Malformed
	// Misdirected: an answer that the platform's GET /requester does not give: a redirect,
	// 400, 404, 405, 407, or a 401 or 403 with somebody else's body. The base URL is wrong,
	// or something stands in front.
	Misdirected
	// NotAsked: no call was made, so there is nothing to learn.
	NotAsked
	// Cancelled: the caller's own context ended first.
	Cancelled
)

// String returns the class in words, "rate limited" for RateLimited; "unknown" for what is
// no class.
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

// ClassOf returns the class of what [Client.Requester] returned: Verified for nil; else the
// word of the first error in the tree that has a method Class() Class, which errors of
// other packages may have too; else Unavailable, because an error that nobody can place
// says nothing of the token.
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
