package health

import (
	"slices"
	"time"

	"github.com/tolokacheck/tolokacheck/credentials"
)

// refusal is what speaks against a token.
type refusal struct {
	token credentials.Token
	times int       // how often in a row the platform refused it
	at    time.Time // when the request of the last one that counts was sent
	err   error     // why it was not taken last time: refused, or of another account
}

// refusal returns what speaks against token, nil when nothing does.
func (m *machine) refusal(token credentials.Token) *refusal {
	for i := range m.refused {
		if m.refused[i].token.Equal(token) {
			return &m.refused[i]
		}
	}
	return nil
}

// unfit notes why token was not taken.
func (m *machine) unfit(token credentials.Token, err error) *refusal {
	r := m.refusal(token)
	if r == nil {
		m.refused = append(m.refused, refusal{token: token})
		r = &m.refused[len(m.refused)-1]
	}
	r.err = err
	return r
}

// refuse counts a refusal of token by the platform and returns how many there were in a row. A confirmation needs some
// distance to what it confirms: two refusals out of the same hiccup, because somebody refreshed just then, are one.
func (m *machine) refuse(token credentials.Token, a Answer, err error) int {
	r := m.unfit(token, err)
	if r.times == 0 || a.SentAt.Sub(r.at) >= m.rules.recheck {
		r.times++
		r.at = a.SentAt
	}
	return r.times
}

// forgive drops what speaks against token: it was verified.
func (m *machine) forgive(token credentials.Token) {
	m.refused = slices.DeleteFunc(m.refused, func(r refusal) bool { return r.token.Equal(token) })
}

// refusedOffer returns why the first token that was refused, of those that come before the one in use, was; nil when none was.
func (m *machine) refusedOffer() error {
	for _, t := range m.preferred() {
		if r := m.refusal(t); r != nil {
			return r.err
		}
	}
	return nil
}

// passOver looks again at why a token that would replace the one in use was not taken. When such a token has been replaced by
// one that nothing is known of, the reason stays until that one has an answer: only a verification improves a status.
func (m *machine) passOver() {
	if why := m.refusedOffer(); why != nil || len(m.preferred()) == 0 {
		m.passedOver = why
	}
}

// preferred returns the tokens that would replace the one in use if they were good: those before it, or all when it is not
// offered any more.
func (m *machine) preferred() []credentials.Token {
	if i := m.rank(m.token); i >= 0 {
		return m.offered[:i]
	}
	return m.offered
}
