package health

import (
	"slices"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// outage is how often in a row calls about a token got no answer. It is counted by token: the platform may answer for one and
// not for another, and then the answers for the first must not have the second asked about again and again.
type outage struct {
	token credentials.Token
	times int
}

// countOutage takes in a call about token and returns how many in a row have got no answer.
func (m *machine) countOutage(token credentials.Token, class requester.Class) int {
	i := slices.IndexFunc(m.outages, func(o outage) bool { return o.token.Equal(token) })
	answered := class == requester.Verified || class == requester.Rejected
	switch {
	case answered && i >= 0:
		m.outages = slices.Delete(m.outages, i, i+1)
		return 0
	case answered:
		return 0
	case i < 0:
		m.outages = append(m.outages, outage{token: token})
		i = len(m.outages) - 1
	}
	m.outages[i].times++
	return m.outages[i].times
}
