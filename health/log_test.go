package health_test

import (
	"errors"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

const (
	account1    = `account.id=1 account.name="Jack Smith" company.id=123 balance=121.3 latency=0s`
	unavailable = `error="requester: https://toloka.dev answered 503 REMOTE_SERVICE_UNAVAILABLE (request_id r-2): …"`
	no          = `error="requester: https://toloka.dev answered 401 AUTHENTICATION_ERROR (request_id r-1): …"`
)

// clientWords are the requester package's own, which its tests are exact about.
var clientWords = regexp.MustCompile(`(error="requester: \S+ answered \d+ \w+ \(request_id \S+\): )[^"]*"`)

func withoutClientWords(lines []string) []string {
	for i := range lines {
		lines[i] = clientWords.ReplaceAllString(lines[i], `$1…"`)
	}
	return lines
}

func TestTheLog(t *testing.T) {
	from := ` token.source=test:source token.fingerprint=AAAA…#` + hash(tokenA)
	to := ` token.source=test:source token.fingerprint=BBBB…#` + hash(tokenB)
	tests := []struct {
		name string
		opts []health.Option
		run  func(w *world)
		want []string
	}{
		{
			name: "names the account at startup",
			run:  func(w *world) {},
			want: []string{`level=INFO msg="toloka credential verified" environment=production ` + account1 + ` status=pass previous=fail` + from},
		},
		{
			name: "names the checker where it has a name",
			opts: []health.Option{health.WithName("payouts")},
			run:  func(w *world) {},
			want: []string{`level=INFO msg="toloka credential verified" checker=payouts environment=production ` + account1 + ` status=pass previous=fail` + from},
		},
		{
			name: "warns at startup of a low balance, and names the account",
			opts: []health.Option{health.WithMinBalance(decimal.MustParse("500"))},
			run:  func(w *world) {},
			want: []string{`level=WARN msg="toloka credential verified" environment=production ` + account1 + ` status=warn previous=fail reason=low_balance error="the balance is 121.3 USD, the minimum is 500 USD" action="top up the account"` + from},
		},
		{
			name: "has nothing to say about an hour in which nothing happens",
			run: func(w *world) {
				w.lines()
				time.Sleep(time.Hour)
			},
		},
		{
			name: "has one line for each step of an outage",
			run: func(w *world) {
				w.lines()
				w.will(always(down))
				time.Sleep(time.Hour)
				w.will(always(account("1")))
				time.Sleep(time.Hour)
			},
			want: []string{
				`level=WARN msg="toloka credential works, but needs attention" environment=production status=warn previous=pass reason=stale ` + unavailable + ` action="nothing to do yet: the last good answer is still used, and the service recovers by itself"` + from,
				`level=ERROR msg="toloka credential cannot be used" environment=production status=fail previous=warn reason=unreachable ` + unavailable + ` action="check the network, the proxy and the platform's status page; the service recovers by itself"` + from,
				`level=INFO msg="toloka credential verified" environment=production ` + account1 + ` status=pass previous=fail` + from,
			},
		},
		{
			name: "has one line for each step of a rejection",
			run: func(w *world) {
				w.lines()
				w.will(always(refused))
				time.Sleep(time.Hour)
			},
			want: []string{
				`level=WARN msg="toloka credential works, but needs attention" environment=production status=warn previous=pass reason=confirming_rejection ` + no + ` action="wait for the confirmation, which follows in about a second"` + from,
				`level=ERROR msg="toloka credential cannot be used" environment=production status=fail previous=warn reason=rejected ` + no + ` action="generate a new token on the account's Integrations page and put it where the service reads it; check that it belongs to this environment (production or sandbox)"` + from,
			},
		},
		{
			name: "has one line for a rotation that mends what was wrong",
			run: func(w *world) {
				w.lines()
				w.will(always(down))
				time.Sleep(time.Minute + 30*time.Second)
				w.lines()
				w.will(always(account("1")))
				w.source.has(tokenB)
				time.Sleep(time.Hour)
			},
			want: []string{`level=INFO msg="toloka credential rotated" environment=production ` + account1 + ` token.previous=AAAA…#` + hash(tokenA) + to},
		},
		{
			name: "has two lines for a rotation that brings something to attend to",
			opts: []health.Option{health.AllowAccountChange(), health.WithMinBalance(decimal.MustParse("100"))},
			run: func(w *world) {
				w.lines()
				w.will(byToken(map[string]reply{tokenB: poor("2", "3")}))
				w.source.has(tokenB)
				time.Sleep(time.Hour)
			},
			want: []string{
				`level=INFO msg="toloka credential rotated" environment=production account.id=2 balance=3 latency=0s token.previous=AAAA…#` + hash(tokenA) + to,
				`level=WARN msg="toloka credential works, but needs attention" environment=production status=warn previous=pass reason=low_balance error="the balance is 3 USD, the minimum is 100 USD" action="top up the account"` + to,
			},
		},
		{
			name: "has one line for the end",
			run: func(w *world) {
				w.lines()
				w.checker.Drain()
				w.checker.Close()
				w.checker.Close()
			},
			want: []string{
				`level=INFO msg="toloka credential checker draining" environment=production` + from,
				`level=INFO msg="toloka credential checker closed" environment=production` + from,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(account("1")), tt.opts...)
				require.NoError(t, w.checker.Start(t.Context()))
				tt.run(w)
				assert.Equal(t, tt.want, withoutClientWords(w.lines()))
			})
		})
	}
	t.Run("warns of a start without a verdict", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(down))
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, []string{
				`level=WARN msg="toloka credential cannot be used" environment=production status=fail reason=unreachable ` + unavailable + ` action="check the network, the proxy and the platform's status page; the service recovers by itself"` + from,
			}, withoutClientWords(w.lines()))
		})
	})
	t.Run("warns of a start without a token when the source is at fault, which may mend", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")))
			w.source.breaks(errors.New("vault is sealed"))
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, []string{
				`level=WARN msg="toloka credential cannot be used" environment=production status=fail reason=no_credential error="vault is sealed" action="put a token where the error says that it was looked for, or make that source answer" token.source=test:source`,
			}, w.lines())
		})
	})
	t.Run("warns of a start that is over before the source has answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(account("1")), health.WithStartupTimeout(3*time.Second))
			release := make(chan struct{})
			defer close(release)
			w.source.hangsUntil(release)
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, []string{
				`level=WARN msg="toloka credential cannot be used" environment=production status=fail reason=no_credential error="health: test:source: no answer within the 3s of Start" action="put a token where the error says that it was looked for, or make that source answer" token.source=test:source`,
			}, w.lines())
		})
	})
	t.Run("warns of a start that is over before the platform has answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(hang), health.WithStartupTimeout(3*time.Second))
			require.NoError(t, w.checker.Start(t.Context()))
			assert.Equal(t, []string{
				`level=WARN msg="toloka credential cannot be used" environment=production status=fail reason=unreachable error="health: no answer within the 3s of Start" action="check the network, the proxy and the platform's status page; the service recovers by itself" token.source=test:source`,
			}, w.lines())
		})
	})
	t.Run("tells where a token was looked for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, always(down))
			w.source.has()
			require.Error(t, w.checker.Start(t.Context()))
			assert.Equal(t, []string{
				`level=ERROR msg="toloka credential cannot be used" environment=production status=fail reason=no_credential error="source: nothing here: credentials: no token found" action="put a token where the error says that it was looked for, or make that source answer" token.source=test:source`,
			}, w.lines())
		})
	})
}
