package health

import (
	"fmt"
	"iter"
	"math/bits"
	"strings"
)

// Reason says why a Snapshot has its Status. Several can hold at once; the first in the order of the constants is the
// primary one and gives the status.
//
// The zero value is no reason.
type Reason uint8

// The reasons, most serious first. Those up to ReasonInsufficientBalance mean fail, those up to
// ReasonLowBalance warn.
const (
	// ReasonClosed: [Checker.Close] was called. Nothing is checked any more.
	ReasonClosed Reason = iota + 1
	// ReasonNoCredential: no token could be loaded so far.
	ReasonNoCredential
	// ReasonWrongAccount: the platform accepts the token, but it belongs to an account other than the expected or the pinned one.
	ReasonWrongAccount
	// ReasonRejected: the platform has refused the token, as often in a row as [WithRejectionThreshold] asks.
	ReasonRejected
	// ReasonUnreachable: the token was verified once, but the last good answer is older than [WithMaxStale] allows; or it
	// was never verified and Start is done.
	ReasonUnreachable
	// ReasonStarting: no check has come to a verdict yet.
	ReasonStarting
	// ReasonInsufficientBalance: the account's balance is below [WithMinBalance], and
	// [FailOnLowBalance] is set.
	ReasonInsufficientBalance
	// ReasonConfirmingRejection: a token that was verified has been refused, less often than [WithRejectionThreshold] asks.
	ReasonConfirmingRejection
	// ReasonStale: the platform does not answer, and the last good answer is younger than [WithMaxStale].
	ReasonStale
	// ReasonRotationRejected: the source offers a new token that was refused or belongs to another account; the old one still works.
	ReasonRotationRejected
	// ReasonSourceUnavailable: the file, Vault or other source cannot be read; the token loaded from it earlier is still in use.
	ReasonSourceUnavailable
	// ReasonUsingFallback: the first of several tokens was refused and another one is in use.
	ReasonUsingFallback
	// ReasonLowBalance: the account's balance is below [WithMinBalance].
	ReasonLowBalance
	// ReasonVerified: the platform has accepted the token and nothing else holds.
	ReasonVerified

	reasonEnd
)

// reasonTexts has, for each reason, its constant in documents and logs, what it means in a sentence that is safe to show
// to anybody, and what to do about it.
var reasonTexts = [reasonEnd]struct{ name, meaning, advice string }{
	ReasonClosed:              {"closed", "the checker is closed", "nothing to do while the service shuts down; otherwise look for an early call of Close"},
	ReasonNoCredential:        {"no_credential", "no API token could be loaded", "put a token where the error says that it was looked for, or make that source answer"},
	ReasonWrongAccount:        {"wrong_account", "the token belongs to another account", "provide a token of the expected account, or change the expectation"},
	ReasonRejected:            {"rejected", "the platform refuses the token", "generate a new token on the account's Integrations page and put it where the service reads it; check that it belongs to this environment (production or sandbox)"},
	ReasonUnreachable:         {"unreachable", "the platform has not verified the token recently", "check the network, the proxy and the platform's status page; the service recovers automatically"},
	ReasonStarting:            {"starting", "no check has finished yet", "wait for the first check"},
	ReasonInsufficientBalance: {"insufficient_balance", "the account's balance is too low to work with", "top up the account"},
	ReasonConfirmingRejection: {"confirming_rejection", "the platform has refused the token and is asked again", "wait for the confirmation, which follows in about a second"},
	ReasonStale:               {"stale", "the platform does not answer at the moment", "nothing to do yet: the last good answer is still used, and the service recovers by itself"},
	ReasonRotationRejected:    {"rotation_rejected", "a new token was refused and the old one is still in use", "put a working token of the same account in place before the old one is deleted"},
	ReasonSourceUnavailable:   {"source_unavailable", "the token's source cannot be read and the loaded token is still in use", "make the source readable again before the service restarts"},
	ReasonUsingFallback:       {"using_fallback", "the first token does not work and a fallback is in use", "replace the first token"},
	ReasonLowBalance:          {"low_balance", "the account's balance is low", "top up the account"},
	ReasonVerified:            {"verified", "the credential is verified", "nothing to do"},
}

// String returns the reason's constant as it stands in health documents and logs, for example "rotation_rejected".
func (r Reason) String() string {
	if r > 0 && r < reasonEnd {
		return reasonTexts[r].name
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// MarshalText returns what String does.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Meaning says in a few words, for people, what the reason stands for. It holds no secret and nothing about the account.
func (r Reason) Meaning() string {
	if r > 0 && r < reasonEnd {
		return reasonTexts[r].meaning
	}
	return "unknown reason"
}

// Advice says what an operator should do about it.
func (r Reason) Advice() string {
	if r > 0 && r < reasonEnd {
		return reasonTexts[r].advice
	}
	return "report a bug"
}

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

// Reasons is a set of reasons. The zero value is the empty set.
type Reasons uint16

// ReasonsOf returns the set of the given reasons.
func ReasonsOf(reasons ...Reason) Reasons {
	var set Reasons
	for _, r := range reasons {
		set |= 1 << r
	}
	return set
}

// Has reports whether r is in the set.
func (s Reasons) Has(r Reason) bool { return s&(1<<r) != 0 }

// All yields the reasons of the set, most serious first.
func (s Reasons) All() iter.Seq[Reason] {
	return func(yield func(Reason) bool) {
		for rest := s; rest != 0; rest &= rest - 1 {
			if !yield(Reason(bits.TrailingZeros16(uint16(rest)))) {
				return
			}
		}
	}
}

// String returns the constants of the set, most serious first, for example "stale,low_balance".
func (s Reasons) String() string {
	var b strings.Builder
	for r := range s.All() {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

// failing are the reasons that mean fail.
const failing = Reasons(1<<(ReasonInsufficientBalance+1) - 1<<ReasonClosed)

// primary returns the most serious reason of the set. An empty set is a credential that was not
// judged.
func (s Reasons) primary() Reason {
	if s == 0 {
		return ReasonStarting
	}
	return Reason(bits.TrailingZeros16(uint16(s)))
}
