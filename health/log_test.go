package health_test

import "regexp"

const (
	account1    = `account.id=1 account.name="Jack Smith" company.id=123 balance=121.3 latency_ms=0`
	unavailable = `error="requester: https://toloka.dev answered 503 REMOTE_SERVICE_UNAVAILABLE (request_id r-2): …"`
	no          = `error="requester: https://toloka.dev answered 401 AUTHENTICATION_ERROR (request_id r-1): …"`
)

// The end of lines about tokenA and tokenB.
var (
	fromA = ` token.source=test:source token.fingerprint=AAAA…#` + hash(tokenA)
	toB   = ` token.source=test:source token.fingerprint=BBBB…#` + hash(tokenB)
)

// clientWords are the requester package's own, which its tests are exact about.
var clientWords = regexp.MustCompile(`(error="requester: \S+ answered \d+ \w+ \(request_id \S+\): )[^"]*"`)

func withoutClientWords(lines []string) []string {
	for i := range lines {
		lines[i] = clientWords.ReplaceAllString(lines[i], `$1…"`)
	}
	return lines
}
