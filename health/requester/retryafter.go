package requester

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

const maxDuration = time.Duration(math.MaxInt64)

// retryAfter parses the Retry-After header (RFC 9110, section 10.2.3). A date is compared with
// the Date of the same answer, so that the local clock does not matter. A date in the past is 0.
// It returns false if the header is missing or invalid.
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
	// Sub does not overflow.
	return max(0, at.Sub(now)), true
}

// quota returns the period of the platform's quota with that name, 0 for an unknown name.
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
