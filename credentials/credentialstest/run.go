package credentialstest

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// The tokens that the checks store. Each has a marker in its value, after the characters
// that a fingerprint shows. The marker must not be in any text.
const (
	marker  = "CANARY"
	first   = "AQVN-first-" + marker + "-0123456789"
	second  = "AQVN-second-" + marker + "-0123456789"
	invalid = "AQVN-invalid-" + marker + " 0123456789" // white space inside
)

type check struct {
	name    string
	applies func(Driver) bool
	run     func(tb testing.TB, d Driver)
	value   string // what the source holds at first; empty means first
}

// Run tests a provider. open creates a source that holds value, which may be invalid as a token,
// and a provider on it, and registers the cleanup with tb. Each check is a subtest with a source of
// its own. Run uses the real clock and takes well under a second with a local source.
func Run(t *testing.T, open func(tb testing.TB, value string) Driver) {
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

func always(Driver) bool     { return true }
func canSet(d Driver) bool   { return d.Set != nil }
func canMiss(d Driver) bool  { return d.Remove != nil }
func canBreak(d Driver) bool { return d.Break != nil }
func canReset(d Driver) bool { return canMiss(d) && canSet(d) }
func canHeal(d Driver) bool  { return canBreak(d) && canSet(d) }

func canPoll(d Driver) bool {
	_, ok := d.Provider.(credentials.Poller)
	return ok
}

func canPollChange(d Driver) bool { return canPoll(d) && canSet(d) }

func hasSeveral(d Driver) bool {
	_, ok := d.Provider.(credentials.MultiProvider)
	return ok
}

var checks = []check{
	{name: "token is delivered at every call", applies: always, run: present},
	{name: "white space around the value is removed", applies: always, value: " " + first + "\r\n",
		run: present},
	{name: "scheme before the value is kept", applies: always, value: "oauth " + first,
		run: schemed},
	{name: "invalid value is ErrInvalid", applies: always, value: invalid, run: refused},
	{name: "missing token is ErrNotFound", applies: canMiss, run: missing},
	{name: "token that is added later is delivered", applies: canReset, run: added},
	{name: "changed token is delivered at the next call", applies: canSet, run: changed},
	{name: "removed token is delivered again when it returns", applies: canReset, run: returns},
	{name: "broken source is an error other than ErrNotFound", applies: canBreak, run: breaks},
	{name: "repaired source delivers again", applies: canHeal, run: repaired},
	{name: "ended context gives its own error", applies: always, run: cancelled},
	{name: "poll compares with the tokens of its caller", applies: canPollChange, run: polled},
	{name: "poll with an ended context gives its own error", applies: canPoll, run: pollCancelled},
	{name: "several tokens start with the one of Token", applies: hasSeveral, run: several},
	{name: "concurrent callers", applies: always, run: concurrent},
	{name: "concurrent callers and changes", applies: canSet, run: concurrentChange},
	{name: "description is a short line without a secret", applies: always, run: described},
}
