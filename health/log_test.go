package health_test

import (
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

const (
	account1    = `account.id=1 account.name="Jack Smith" company.id=123 balance=121.3 latency_ms=0`
	answered    = `error="requester: https://toloka.dev answered `
	unavailable = answered + `503 REMOTE_SERVICE_UNAVAILABLE (request_id r-2): …"`
	no          = answered + `401 AUTHENTICATION_ERROR (request_id r-1): …"`
)

// The end of lines about tokenA and tokenB.
var (
	fromA = ` token.source=test:source token.fingerprint=AAAA…#` + hash(tokenA)
	toB   = ` token.source=test:source token.fingerprint=BBBB…#` + hash(tokenB)
)

var clientAdvice = regexp.MustCompile(`(` + answered + `\d+ \w+ \(request_id \S+\): )[^"]*"`)

// withoutAdvice cuts the advice of package requester, whose own tests have its text.
func withoutAdvice(lines []string) []string {
	for i := range lines {
		lines[i] = clientAdvice.ReplaceAllString(lines[i], `$1…"`)
	}
	return lines
}

func TestLog(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []health.Option
		run  func(w *world)
		want []string
	}{
		{
			name: "start",
			want: []string{`level=INFO msg="toloka credential verified" environment=production ` +
				account1 + ` status=pass` + fromA},
		},
		{
			name: "name",
			opts: []health.Option{health.WithName("payouts")},
			want: []string{`level=INFO msg="toloka credential verified" checker=payouts` +
				` environment=production ` + account1 + ` status=pass` + fromA},
		},
		{
			name: "start with a low balance",
			opts: []health.Option{health.WithMinBalance(decimal.MustParse("500"))},
			want: []string{`level=WARN msg="toloka credential verified" environment=production ` + account1 +
				` status=warn reason=low_balance error="the balance is 121.3 USD, the minimum` +
				` is 500 USD" action="top up the account"` + fromA},
		},
		{
			name: "quiet hour",
			run: func(w *world) {
				w.lines()
				time.Sleep(time.Hour)
			},
		},
		{
			name: "outage",
			run: func(w *world) {
				w.lines()
				w.will(always(down))
				time.Sleep(time.Hour)
				w.will(always(account("1")))
				time.Sleep(time.Hour)
			},
			want: []string{
				`level=WARN msg="toloka credential works, but needs attention" environment=production` +
					` status=warn previous=pass reason=stale ` + unavailable +
					` action=` + advice(health.ReasonStale) + fromA,
				`level=ERROR msg="toloka credential cannot be used" environment=production` +
					` status=fail previous=warn reason=unreachable ` + unavailable + fromA,
				`level=INFO msg="toloka credential verified" environment=production ` + account1 +
					` status=pass previous=fail` + fromA,
			},
		},
		{
			name: "rejection",
			run: func(w *world) {
				w.lines()
				w.will(always(refused))
				time.Sleep(time.Hour)
			},
			want: []string{
				`level=WARN msg="toloka credential works, but needs attention" environment=production` +
					` status=warn previous=pass reason=confirming_rejection ` + no +
					` action=` + advice(health.ReasonConfirmingRejection) + fromA,
				`level=ERROR msg="toloka credential cannot be used" environment=production` +
					` status=fail previous=warn reason=rejected ` + no + fromA,
			},
		},
		{
			name: "rotation that ends an outage",
			run: func(w *world) {
				w.lines()
				w.will(always(down))
				time.Sleep(time.Minute + 30*time.Second)
				w.lines()
				w.will(byToken(map[string]reply{tokenA: down, tokenB: account("1")}))
				w.source.has(tokenB)
				time.Sleep(time.Hour)
			},
			want: []string{`level=INFO msg="toloka credential rotated" environment=production ` + account1 +
				` token.previous=AAAA…#` + hash(tokenA) + toB},
		},
		{
			name: "rotation to an account with a low balance",
			opts: []health.Option{
				health.AllowAccountChange(), health.WithMinBalance(decimal.MustParse("100")),
			},
			run: func(w *world) {
				w.lines()
				w.will(byToken(map[string]reply{tokenB: poor("2", "3")}))
				w.source.has(tokenB)
				time.Sleep(time.Hour)
			},
			want: []string{
				`level=INFO msg="toloka credential rotated" environment=production account.id=2 balance=3` +
					` latency_ms=0 token.previous=AAAA…#` + hash(tokenA) + toB,
				`level=WARN msg="toloka credential works, but needs attention" environment=production` +
					` status=warn previous=pass reason=low_balance error="the balance is 3 USD, the minimum` +
					` is 100 USD" action="top up the account"` + toB,
			},
		},
		{
			name: "end",
			run: func(w *world) {
				w.lines()
				w.checker.Drain()
				w.checker.Close()
				w.checker.Close()
			},
			want: []string{
				`level=INFO msg="toloka credential checker draining" environment=production` + fromA,
				`level=INFO msg="toloka credential checker closed" environment=production` + fromA,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(account("1")), tt.opts...)
				require.NoError(t, w.checker.Start(t.Context()))
				if tt.run != nil {
					tt.run(w)
				}
				assert.Equal(t, tt.want, withoutAdvice(w.lines()))
			})
		})
	}
}

// advice returns the advice of a reason as slog's text handler quotes it.
func advice(r health.Reason) string { return strconv.Quote(r.Advice()) }

// While Start waits nothing is logged. A Start without a verdict logs the last failure once, as a
// warning.
func TestLogOfStart(t *testing.T) {
	unusable := func(rest string) []string {
		return []string{`level=WARN msg="toloka credential cannot be used" environment=production` +
			` status=fail ` + rest}
	}
	noToken := ` action=` + advice(health.ReasonNoCredential) + ` token.source=test:source`
	for _, tt := range []struct {
		name   string
		answer func(string) reply
		source func(*source)
		want   []string
	}{
		{
			name: "down", answer: always(down),
			want: unusable(`reason=unreachable ` + unavailable + fromA),
		},
		{
			name: "hang", answer: always(hang),
			want: unusable(`reason=unreachable error="no answer within the 3s of Start" action=` +
				advice(health.ReasonUnreachable) + ` token.source=test:source`),
		},
		{
			name: "unconfirmed", answer: inTurn(refused, down),
			want: unusable(`reason=rejected ` + no + fromA),
		},
		{
			name: "broken source", answer: always(account("1")),
			source: func(s *source) { s.breaks(errSealed) },
			want:   unusable(`reason=no_credential error="vault is sealed"` + noToken),
		},
		{
			name: "slow source", answer: always(account("1")), source: (*source).usesUpItsTime,
			want: unusable(`reason=no_credential error="health: test:source: no answer within the 3s` +
				` of Start"` + noToken),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.answer, health.WithStartupTimeout(3*time.Second))
				if tt.source != nil {
					tt.source(w.source)
				}
				time.AfterFunc(3*time.Second-time.Nanosecond, func() { assert.Empty(t, w.lines()) })
				require.NoError(t, w.checker.Start(t.Context()))
				assert.Equal(t, tt.want, withoutAdvice(w.lines()))
			})
		})
	}
}
