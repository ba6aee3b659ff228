package requester

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

const maxDuration = time.Duration(math.MaxInt64)

// retryAfter reads the Retry-After header (RFC 9110, section 10.2.3). A date is taken
// against the Date of the same answer: the two clocks that matter are then one. A date that
// has passed is 0. It returns false where the header is missing or means nothing.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := h.Get("Retry-After")
	if isDigits(value) {
		seconds, err := strconv.ParseUint(value, 10, 64)
		if err != nil || seconds > uint64(maxDuration/time.Second) {
			return maxDuration, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	// Sub saturates by itself.
	return max(0, at.Sub(now)), true
}

// quota is how long the platform's quota of that name takes to renew itself, 0 for a name
// that is none.
func quota(interval string) time.Duration {
	switch interval {
	case "MIN":
		return time.Minute
	case "HOUR":
		return time.Hour
	case "DAY":
		return 24 * time.Hour
	default:
		return 0
	}
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
