package health

import (
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// role is what a token is to the checker at the moment when an answer about it arrives.
type role uint8

const (
	roleInUse      role = iota // the token in use
	roleCandidate              // offered, and the token in use works
	roleSuccessor              // offered; the one in use neither works nor is offered, or is none
	roleSibling                // offered together with the token in use, which does not work
	roleSuperseded             // not offered any more, or after a healthy token in use
)

// outcome is what an answer means for the token.
type outcome uint8

const (
	accepted     outcome = iota // verified, and of the right account
	otherAccount                // verified, but not of the expected or pinned account
	refused                     // by the platform
	noVerdict                   // an outage, a rate limit, an answer of something else
)

// effect is what an answer does to the token in use and to the candidates. What the answer says
// about the token itself is in its record already.
type effect uint8

const (
	keep     effect = iota // the token in use stays in use
	replace                // the token becomes the one in use
	passOver               // the token does not replace the one in use; the reason is published
)

// transitions has the effect of every answer. The status follows from the record of the token
// that is in use then: it is rejected at the threshold of refusals, of the wrong account at
// once, and stale or unreachable without a verdict.
var transitions = [...][4]effect{
	//           accepted  otherAccount  refused   noVerdict
	roleInUse:      {keep, keep, keep, keep},
	roleCandidate:  {replace, passOver, passOver, keep},
	roleSuccessor:  {replace, replace, replace, replace},
	roleSibling:    {replace, replace, keep, keep}, // a refusal is counted in its record
	roleSuperseded: {keep, keep, keep, keep},
}

// roleOf returns the role of r.
func (m *machine) roleOf(r *record) role {
	switch {
	case r == m.inUse:
		return roleInUse
	case r.rank < 0:
		return roleSuperseded
	case m.betterThan(r):
		return roleSuperseded
	case m.works():
		return roleCandidate
	case m.inUse != nil && m.inUse.rank >= 0:
		return roleSibling
	default:
		return roleSuccessor
	}
}

// betterThan reports whether the token in use is healthy and preferred to r. Then r was asked about
// while that was not so, or not known yet.
func (m *machine) betterThan(r *record) bool {
	return m.healthy() && m.inUse.rank >= 0 && m.inUse.rank < r.rank
}

// outcomeOf returns what an answer about r means, and the error that it leaves in the token's
// record.
func (m *machine) outcomeOf(r *record, a platform.Answer) (outcome, error) {
	switch a.Class {
	case requester.Verified:
		if misfit := m.rules.misfit(r.token, a.Account, m.pinned); misfit != nil {
			return otherAccount, misfit
		}
		return accepted, nil
	case requester.Rejected:
		return refused, a.Err
	default:
		return noVerdict, a.Err
	}
}
