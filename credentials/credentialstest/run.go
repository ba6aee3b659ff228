package credentialstest

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// The tokens that the checks store. Each has a marker inside its value, behind the characters
// that a fingerprint shows, that must not turn up in any text.
const (
	marker = "CANARY"
	first  = "AQVN-first-" + marker + "-0123456789"
	second = "AQVN-second-" + marker + "-0123456789"
	broken = "AQVN-broken-" + marker + " 0123456789" // white space inside
)

type check struct {
	name    string
	applies func(Driver) bool
	run     func(tb testing.TB, d Driver)
	value   string // what the source holds at first; first where it is empty
}

// Run checks the provider that open makes, each point of the contract in a subtest with a source
// of its own. It works on the real clock, in well under a second for a source that is
// local.
func Run(t *testing.T, open Open) {
	t.Helper()
	probe := open(t, first)
	for _, c := range checks {
		if !c.applies(probe) {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t, c.holds())) })
	}
}

func (c check) holds() string {
	if c.value == "" {
		return first
	}
	return c.value
}

func always(Driver) bool      { return true }
func canChange(d Driver) bool { return d.Set != nil }
func canMiss(d Driver) bool   { return d.Remove != nil }
func canBreak(d Driver) bool  { return d.Break != nil }
func canReturn(d Driver) bool { return d.Remove != nil && d.Set != nil }
func canMend(d Driver) bool   { return d.Break != nil && d.Set != nil }

func canPoll(d Driver) bool {
	_, ok := d.Provider.(credentials.Poller)
	return ok
}

func canPollChange(d Driver) bool { return canPoll(d) && canChange(d) }

func hasSeveral(d Driver) bool {
	_, ok := d.Provider.(credentials.MultiProvider)
	return ok
}

var checks = []check{
	{name: "a token that is there is delivered at every call", applies: always, run: present},
	{name: "white space and line ends around the value are dropped", applies: always, value: " " + first + "\r\n", run: present},
	{name: "a scheme before the value is kept", applies: always, value: "oauth " + first, run: schemed},
	{name: "a value that is no token is invalid", applies: always, value: broken, run: refused},
	{name: "a missing token is not found", applies: canMiss, run: missing},
	{name: "a token that comes later is found", applies: canReturn, run: arrives},
	{name: "a changed token is delivered at the next call", applies: canChange, run: changed},
	{name: "a token that goes and comes back is delivered again", applies: canReturn, run: returns},
	{name: "a broken source is an error and never a missing token", applies: canBreak, run: breaks},
	{name: "a source that was mended delivers again", applies: canMend, run: mended},
	{name: "a context that has ended gives its own error", applies: always, run: cancelled},
	{name: "a poll tells a change once it is there and until it is read", applies: canPollChange, run: polled},
	{name: "a poll with a context that has ended gives its own error", applies: canPoll, run: pollCancelled},
	{name: "several tokens begin with the one that Token gives", applies: hasSeveral, run: several},
	{name: "callers may come at the same time", applies: always, run: concurrent},
	{name: "callers may come while the token changes", applies: canChange, run: concurrentChange},
	{name: "the description is short, of one line, and no secret", applies: always, run: described},
}
