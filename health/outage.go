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
	about := func(o outage) bool { return o.token.Equal(token) }
	if conclusive(class) {
		m.outages = slices.DeleteFunc(m.outages, about)
		return 0
	}
	i := slices.IndexFunc(m.outages, about)
	if i < 0 {
		i = len(m.outages)
		m.outages = append(m.outages, outage{token: token})
	}
	m.outages[i].times++
	return m.outages[i].times
}
