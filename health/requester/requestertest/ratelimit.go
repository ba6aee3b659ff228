package requestertest

import (
	"net/http"
	"strconv"
	"time"
)

// Hint is how a 429 says when to come back.
type Hint func(a *limit)

type limit struct {
	header  func() string
	payload string
}

// RateLimited answers 429, with the hints in it; without one it does not say when to come back.
func RateLimited(hints ...Hint) Fault {
	var l limit
	for _, hint := range hints {
		if hint != nil {
			hint(&l)
		}
	}
	return answering(func(x *exchange) answer {
		e := platformErrors[http.StatusTooManyRequests]
		a := jsonAnswer(http.StatusTooManyRequests, errorBody(x.requestID, e[0], e[1], l.payload))
		if l.header != nil {
			a.header.Set("Retry-After", l.header())
		}
		return a
	})
}

// AfterSeconds is the header Retry-After with a number of seconds.
func AfterSeconds(n int) Hint { return After(strconv.Itoa(n)) }

// AfterDate is the header Retry-After with the date that d from the answer on is; d may be
// negative.
func AfterDate(d time.Duration) Hint {
	return func(l *limit) {
		l.header = func() string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	}
}

// After is the header Retry-After with any value at all.
func After(value string) Hint {
	return func(l *limit) { l.header = func() string { return value } }
}

// QuotaInterval is the member payload.interval, which names the quota that ran out: MIN,
// HOUR or DAY.
func QuotaInterval(interval string) Hint {
	return func(l *limit) { l.payload = `{"interval":` + quote(interval) + `}` }
}
