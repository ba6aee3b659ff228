package health

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// Tokens by the name of what they are in the cases here.
const (
	oldToken  = "old-0000000000000000000000000000"
	newToken  = "new-1111111111111111111111111111"
	nextToken = "next-222222222222222222222222222"
)

// atWork is when the answers arrive.
const atWork = instant(time.Hour)

func parse(t *testing.T, values ...string) []credentials.Token {
	t.Helper()
	var tokens []credentials.Token
	for _, v := range values {
		token, err := credentials.ParseToken(v)
		require.NoError(t, err)
		tokens = append(tokens, token)
	}
	return tokens
}

// newTestMachine returns a machine with the default options that is started.
func newTestMachine(t *testing.T) *machine {
	t.Helper()
	cfg, err := newConfig(nil)
	require.NoError(t, err)
	return &machine{
		rules: cfg.rules, stats: &stats{}, pace: cfg.pace, jitter: func() float64 { return 0.5 },
		breaker: func() *platform.Breaker {
			return platform.NewBreaker(platform.Settings{Failures: 3, Open: cfg.pace.breakerOpen})
		},
		cache: newAccounts(), records: make(map[string]*record),
		source: sourceState{name: func() string { return "test" }},
		begun:  true, started: true,
	}
}

// recordOf returns the record of a token.
func (m *machine) recordOf(t *testing.T, value string) *record {
	t.Helper()
	return m.records[m.cache.key(parse(t, value)[0])]
}

// hear applies an answer about r that was asked for at its arrival.
func (m *machine) hear(now instant, r *record, o outcome) note {
	r.asking, r.asked, r.askedAt = true, true, now
	return m.answer(now, r, answerOf(o))
}

func testAccount(id string) *requester.Account {
	a, err := requester.ParseAccount([]byte(`{"id":"` + id + `"}`))
	if err != nil {
		panic(err)
	}
	return a
}

var (
	errRefused   = &requester.APIError{StatusCode: 401}
	errNoVerdict = errors.New("no answer")
)

// answerOf returns an answer with an outcome, where account 1 is pinned.
func answerOf(o outcome) platform.Answer {
	switch o {
	case accepted:
		return platform.Answer{Account: testAccount("1"), Class: requester.Verified, Answered: true}
	case otherAccount:
		return platform.Answer{Account: testAccount("2"), Class: requester.Verified, Answered: true}
	case refused:
		return platform.Answer{Err: errRefused, Class: requester.Rejected, Answered: true}
	default:
		return platform.Answer{Err: errNoVerdict, Class: requester.Unavailable}
	}
}

// machineWith returns a machine, and the record of a token that has the role in it. The account
// of oldToken, "1", is pinned.
func machineWith(t *testing.T, as role) (*machine, *record) {
	t.Helper()
	m := newTestMachine(t)
	m.offer(parse(t, oldToken))
	old := m.recordOf(t, oldToken)
	m.hear(0, old, accepted)
	reject := func() {
		m.hear(time.Minute, old, refused)
		m.hear(2*time.Minute, old, refused)
	}
	switch as {
	case roleInUse:
		m.hear(atWork-time.Minute, old, accepted)
		return m, old
	case roleCandidate:
		m.hear(atWork-time.Minute, old, accepted)
		m.offer(parse(t, newToken))
	case roleSuccessor:
		reject()
		m.offer(parse(t, newToken))
	case roleSibling:
		m.offer(parse(t, oldToken, newToken, nextToken))
		reject()
	case roleSuperseded:
		m.hear(atWork-time.Minute, old, accepted)
		m.offer(parse(t, newToken))
		m.recordOf(t, newToken).asking = true
		r := m.recordOf(t, newToken)
		m.offer(parse(t, oldToken))
		return m, r
	}
	return m, m.recordOf(t, newToken)
}

// TestTransitions has the table of roles and outcomes, cell by cell.
func TestTransitions(t *testing.T) {
	roles := map[role]string{
		roleInUse: "in use", roleCandidate: "candidate", roleSuccessor: "successor", roleSibling: "sibling",
		roleSuperseded: "superseded",
	}
	outcomes := map[outcome]string{
		accepted: "accepted", otherAccount: "other account", refused: "refused", noVerdict: "no verdict",
	}
	type cell struct {
		inUse   string // the token in use after the answer
		reasons string
		rotated bool // logged as a rotation
	}
	for as, row := range map[role]map[outcome]cell{
		roleInUse: {
			accepted:     {oldToken, "verified", false},
			otherAccount: {oldToken, "wrong_account", false},
			refused:      {oldToken, "confirming_rejection", false},
			noVerdict:    {oldToken, "stale", false},
		},
		roleCandidate: {
			accepted:     {newToken, "verified", true},
			otherAccount: {oldToken, "rotation_rejected", false},
			refused:      {oldToken, "rotation_rejected", false},
			noVerdict:    {oldToken, "verified", false},
		},
		roleSuccessor: {
			accepted:     {newToken, "verified", false},
			otherAccount: {newToken, "wrong_account", false},
			refused:      {newToken, "rejected", false},
			noVerdict:    {newToken, "unreachable", false},
		},
		roleSibling: {
			accepted:     {newToken, "using_fallback", false},
			otherAccount: {newToken, "wrong_account", false},
			refused:      {oldToken, "rejected", false},
			noVerdict:    {oldToken, "rejected", false},
		},
		roleSuperseded: {
			accepted:     {oldToken, "verified", false},
			otherAccount: {oldToken, "verified", false},
			refused:      {oldToken, "verified", false},
			noVerdict:    {oldToken, "verified", false},
		},
	} {
		for o, want := range row {
			t.Run(roles[as]+"/"+outcomes[o], func(t *testing.T) {
				m, r := machineWith(t, as)
				require.Equal(t, as, m.roleOf(r))
				n := m.hear(atWork, r, o)
				assert.Equal(t, want.inUse, m.inUse.token.Reveal())
				assert.Equal(t, want.reasons, m.reasons(atWork).String())
				assert.Equal(t, want.rotated, !n.rotatedFrom.IsZero())
				_, known := m.records[r.key]
				assert.Equal(t, as != roleSuperseded, known, "only offered tokens and the one in use are known")
			})
		}
	}
	assert.Len(t, transitions, len(roles))
}

// Without a token in use any answer makes the token the one in use.
func TestTransitionsOfTheFirstToken(t *testing.T) {
	for o, want := range map[outcome]string{
		accepted: "verified", otherAccount: "verified", refused: "rejected", noVerdict: "unreachable",
	} {
		m := newTestMachine(t)
		m.offer(parse(t, newToken))
		r := m.recordOf(t, newToken)
		require.Equal(t, roleSuccessor, m.roleOf(r))
		n := m.hear(atWork, r, o)
		assert.Zero(t, n, "nothing was replaced")
		assert.Same(t, r, m.inUse)
		assert.Equal(t, want, m.reasons(atWork).String(), "no account is pinned yet")
	}
}

func TestSiblings(t *testing.T) {
	t.Run("no verdict is followed by the next", func(t *testing.T) {
		m, r := machineWith(t, roleSibling)
		m.hear(atWork, r, noVerdict)
		m.inUse.due = atWork + time.Minute
		var asked []string
		for _, r := range m.plan(atWork).ask {
			asked = append(asked, r.token.Reveal())
		}
		assert.Equal(t, []string{nextToken}, asked)
	})
	t.Run("refusals are counted", func(t *testing.T) {
		m, r := machineWith(t, roleSibling)
		m.hear(atWork, r, refused)
		assert.Equal(t, 1, r.refusals)
		m.hear(atWork+m.rules.recheck-1, r, refused)
		assert.Equal(t, 1, r.refusals, "too close to the first")
		m.hear(atWork+m.rules.recheck, r, refused)
		assert.Equal(t, 2, r.refusals)
	})
	t.Run("two of a wrong account", func(t *testing.T) {
		m, r := machineWith(t, roleSibling)
		m.hear(atWork, r, otherAccount)
		require.Same(t, r, m.inUse)
		m.hear(atWork, m.recordOf(t, nextToken), otherAccount)
		assert.Same(t, r, m.inUse, "the second is no better")
	})
}

// A call about a token may be in flight when a more preferred one replaces it.
func TestLessPreferredTokenDoesNotReplace(t *testing.T) {
	m := newTestMachine(t)
	m.offer(parse(t, oldToken, newToken))
	m.hear(atWork, m.recordOf(t, oldToken), accepted)
	n := m.hear(atWork, m.recordOf(t, newToken), accepted)
	assert.Equal(t, oldToken, m.inUse.token.Reveal())
	assert.True(t, n.rotatedFrom.IsZero())
}

// There is one call at a time about another token than the one in use, also if that is not a
// replacement any more.
func TestOneCallAboutOthers(t *testing.T) {
	m, r := machineWith(t, roleCandidate)
	asking := m.plan(atWork).ask
	require.Equal(t, []*record{m.inUse, r}, asking)
	m.answer(atWork, m.inUse, answerOf(accepted))
	m.offer(parse(t, nextToken, oldToken, newToken))
	require.Equal(t, []*record{m.recordOf(t, nextToken)}, m.replacements(0))
	assert.Empty(t, m.plan(atWork).ask)
	m.answer(atWork, r, answerOf(noVerdict))
	assert.Equal(t, []*record{m.recordOf(t, nextToken)}, m.plan(atWork).ask)
}

// An answer about another token changes nothing about when the one in use is asked about.
func TestOtherTokensDoNotDelay(t *testing.T) {
	for _, o := range []outcome{otherAccount, refused, noVerdict} {
		m, r := machineWith(t, roleCandidate)
		before := *m.inUse
		for range 10 {
			m.hear(atWork, r, o)
		}
		after := *m.inUse
		before.token, after.token = credentials.Token{}, credentials.Token{} // not comparable
		assert.Equal(t, before, after)
		m.inUse.due = atWork
		assert.Contains(t, m.plan(atWork).ask, m.inUse)
	}
}
