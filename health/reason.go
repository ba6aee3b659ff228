package health

import (
	"fmt"
	"math/bits"
	"strings"
)

// Reason says why a Snapshot has its Status. Several can hold at once: the first in the order of
// the constants is the primary one and gives the status. The zero value is no reason.
type Reason uint8

// The reasons, most serious first. Those up to ReasonInsufficientBalance mean fail, those up to
// ReasonLowBalance warn.
const (
	// ReasonClosed: [Checker.Close] was called.
	ReasonClosed Reason = iota + 1
	// ReasonNoCredential: no token could be loaded so far.
	ReasonNoCredential
	// ReasonWrongAccount: the platform accepts the token, but its account is not the expected or
	// the pinned one.
	ReasonWrongAccount
	// ReasonRejected: the platform refused the token, as often in a row as
	// [WithRejectionThreshold] says; or at all, if it never accepted it.
	ReasonRejected
	// ReasonUnreachable: the last good answer is older than [WithMaxStale]; or Start is done and
	// there was no answer about the token.
	ReasonUnreachable
	// ReasonStarting: no check has finished, or Start was not called.
	ReasonStarting
	// ReasonInsufficientBalance: the account's balance is under [WithMinBalance], and
	// [FailOnLowBalance] is set.
	ReasonInsufficientBalance
	// ReasonConfirmingRejection: a token that was verified has been refused, less often than
	// [WithRejectionThreshold] says.
	ReasonConfirmingRejection
	// ReasonStale: the last call got no verdict, and the last good answer is younger than
	// [WithMaxStale].
	ReasonStale
	// ReasonRotationRejected: the source has a new token that was refused or belongs to another
	// account, and the old one works.
	ReasonRotationRejected
	// ReasonSourceUnavailable: the file, Vault or other source cannot be read, and the token that
	// was loaded from it is in use.
	ReasonSourceUnavailable
	// ReasonUsingFallback: the first of several tokens does not work, and another one is in use.
	ReasonUsingFallback
	// ReasonLowBalance: the account's balance is under [WithMinBalance].
	ReasonLowBalance
	// ReasonVerified: the platform accepts the token, and nothing else holds.
	ReasonVerified

	reasonEnd
)

// reasonText has the wire name of a reason, its meaning, which is safe to show in public, and
// what an operator should do.
type reasonText struct{ name, meaning, advice string }

var reasonTexts = [reasonEnd]reasonText{
	ReasonClosed: {
		"closed",
		"the checker is closed",
		"nothing to do while the service shuts down; otherwise look for an early call of Close",
	},
	ReasonNoCredential: {
		"no_credential",
		"no API token could be loaded",
		"put a token where the error says that it was looked for, or make that source available",
	},
	ReasonWrongAccount: {
		"wrong_account",
		"the token belongs to another account",
		"provide a token of the expected account, or change the expectation",
	},
	ReasonRejected: {
		"rejected",
		"the platform refuses the token",
		"generate a new token on the account's Integrations page and put it where the service " +
			"reads it; check that it belongs to this environment (production or sandbox)",
	},
	ReasonUnreachable: {
		"unreachable",
		"the platform has not verified the token recently",
		"check the network, the proxy and the platform's status page; the service recovers " +
			"automatically",
	},
	ReasonStarting: {
		"starting",
		"no check has finished yet",
		"wait for the first check",
	},
	ReasonInsufficientBalance: {
		"insufficient_balance",
		"the account's balance is too low",
		"top up the account",
	},
	ReasonConfirmingRejection: {
		"confirming_rejection",
		"the platform refused the token, and the check is repeated to confirm it",
		"wait for the confirmation",
	},
	ReasonStale: {
		"stale",
		"the last check got no valid answer from the platform",
		"nothing to do yet: the last good answer is still used, and the service recovers " +
			"automatically",
	},
	ReasonRotationRejected: {
		"rotation_rejected",
		"a new token was refused and the old one is still in use",
		"put a working token of the same account in place before the old one is deleted",
	},
	ReasonSourceUnavailable: {
		"source_unavailable",
		"the token's source cannot be read and the loaded token is still in use",
		"make the source readable before the service restarts",
	},
	ReasonUsingFallback: {
		"using_fallback",
		"the first token does not work and a fallback is in use",
		"replace the first token",
	},
	ReasonLowBalance: {
		"low_balance",
		"the account's balance is low",
		"top up the account",
	},
	ReasonVerified: {
		"verified",
		"the credential is verified",
		"nothing to do",
	},
}

// text returns the texts of r, also if r is no reason.
func (r Reason) text() reasonText {
	if r > 0 && r < reasonEnd {
		return reasonTexts[r]
	}
	return reasonText{fmt.Sprintf("Reason(%d)", uint8(r)), "unknown reason", "report a bug"}
}

// String returns the reason as health documents, metrics and logs have it, for example
// "rotation_rejected".
func (r Reason) String() string { return r.text().name }

// MarshalText returns the result of String.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Meaning returns what the reason means in a few words. They contain no secret and nothing about
// the account.
func (r Reason) Meaning() string { return r.text().meaning }

// Advice returns what an operator should do.
func (r Reason) Advice() string { return r.text().advice }

// Status returns the status that this reason gives if it is the primary one.
func (r Reason) Status() Status {
	switch {
	case r == ReasonVerified:
		return StatusPass
	case r >= ReasonConfirmingRejection && r <= ReasonLowBalance:
		return StatusWarn
	default:
		return StatusFail
	}
}

// reasonSet is a set of reasons, one bit for each.
type reasonSet uint32

const _ = uint(32 - reasonEnd) // does not compile if there are more reasons than bits

func setOf(reasons ...Reason) reasonSet {
	var set reasonSet
	for _, r := range reasons {
		set |= 1 << r
	}
	return set
}

func (s reasonSet) has(r Reason) bool { return s&(1<<r) != 0 }

// list returns the reasons of the set, most serious first.
func (s reasonSet) list() []Reason {
	list := make([]Reason, 0, bits.OnesCount32(uint32(s)))
	for rest := s; rest != 0; rest &= rest - 1 {
		list = append(list, Reason(bits.TrailingZeros32(uint32(rest))))
	}
	return list
}

// String returns the reasons of the set, most serious first, for example "stale,low_balance".
func (s reasonSet) String() string {
	var names []string
	for _, r := range s.list() {
		names = append(names, r.String())
	}
	return strings.Join(names, ",")
}

// failing are the reasons that mean fail.
const failing = reasonSet(1<<(ReasonInsufficientBalance+1) - 1<<ReasonClosed)

// primary returns the most serious reason of the set. An empty set is a credential that was not
// judged.
func (s reasonSet) primary() Reason {
	if s == 0 {
		return ReasonStarting
	}
	return Reason(bits.TrailingZeros32(uint32(s)))
}
