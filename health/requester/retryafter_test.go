package requester_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	const forever = time.Duration(math.MaxInt64)
	tests := []struct {
		name, value, date string
		want              time.Duration
		ok                bool
	}{
		{"no header", "", "", 0, false},
		{"zero", "0", "", 0, true},
		{"seconds", "120", "", 2 * time.Minute, true},
		{"seconds with leading zeros", "007", "", 7 * time.Second, true},
		{"longest Duration", "9223372036", "", 9223372036 * time.Second, true},
		{"longer than a Duration", "9223372037", "", forever, true},
		{"more than 64 bits", "99999999999999999999999", "", forever, true},
		{"negative seconds", "-1", "", 0, false},
		{"signed seconds", "+1", "", 0, false},
		{"fraction", "1.5", "", 0, false},
		{"exponent", "1e3", "", 0, false},
		{"other digits", "١٢", "", 0, false},
		{"unit", "30s", "", 0, false},
		{"word", "soon", "", 0, false},
		{"two values", "1, 2", "", 0, false},
		{"date and Date", at(time.Hour), at(30 * time.Minute), 30 * time.Minute,
			true},
		{"date before Date", at(time.Minute), at(time.Hour), 0, true},
		{"date without Date", at(time.Hour), "", time.Hour, true},
		{"date with an invalid Date", at(time.Hour), "yesterday", time.Hour,
			true},
		{"date in the past", at(-time.Hour), "", 0, true},
		{"now", at(0), "", 0, true},
		{"date of RFC 850", "Sunday, 01-Mar-26 13:00:00 GMT", at(0), time.Hour, true},
		{"date of asctime", "Sun Mar  1 13:00:00 2026", at(0), time.Hour, true},
		{"date in the year 9999", "Fri, 31 Dec 9999 23:59:59 GMT", at(0), forever, true},
		{"invalid date", "Sun, 32 Mar 2026 13:00:00 GMT", "", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			if tt.value != "" {
				h.Set("Retry-After", tt.value)
			}
			if tt.date != "" {
				h.Set("Date", tt.date)
			}
			got, ok := requester.RetryAfter(h, now)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.ok, ok)
		})
	}
}
