package statuspage

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// fake is a checker with a fixed snapshot.
type fake struct{ snapshot *health.Snapshot }

func (f fake) Snapshot() *health.Snapshot { return f.snapshot }

// state returns a state of which everything is known, with the reasons and an account's name.
func state(t *testing.T, name, accountName string, reasons ...health.Reason) health.State {
	t.Helper()
	now := time.Now()
	token, err := credentials.ParseToken("AbCdEfGhIjKlMnOpQrStUvWxYz0123456789")
	require.NoError(t, err)
	account, err := requester.ParseAccount(fmt.Appendf(nil,
		`{"id":"566ec2b0ff0deeaae5f9d500629de162","balance":121.3,"public_name":{"EN":%q},`+
			`"company":{"id":"123"}}`, accountName))
	require.NoError(t, err)
	return health.State{
		Name: name, Environment: "production", Reasons: reasons, Started: true,
		Token: token, TokenSource: "file:/run/secrets/toloka", Account: account,
		VerifiedAt: now.Add(-42 * time.Second), AnsweredAt: now.Add(-42 * time.Second),
		Latency: 83 * time.Millisecond, Breaker: "closed", NextCheck: now.Add(18 * time.Second),
		MaxStale: 15 * time.Minute, MinBalance: decimal.NullDecimal{Decimal: decimal.MustParse("50"), Valid: true},
		Since: now.Add(-3 * time.Hour),
		History: []health.Change{
			{At: now.Add(-75 * time.Hour), From: health.ReasonStarting, To: health.ReasonVerified},
			{
				At: now.Add(-3*time.Hour - 12*time.Minute), From: health.ReasonVerified,
				To: health.ReasonStale, Err: errors.New("dial tcp 192.0.2.7:443: connect: connection refused"),
			},
			{At: now.Add(-3 * time.Hour), From: health.ReasonStale, To: health.ReasonVerified},
		},
	}
}

// pages are the status pages that the tests look at, by name.
func pages(t *testing.T) map[string][]health.State {
	pass := state(t, "payments", "Jack Smith", health.ReasonVerified)
	warn := state(t, "payments", "Jack Smith", health.ReasonRotationRejected, health.ReasonLowBalance)
	warn.Err = errors.New("the token WxYz…#1a2b3c4d: 401 (AUTHENTICATION_ERROR, request id r-7)")
	warn.MinBalance.Decimal = decimal.MustParse("150")
	warn.History = append(warn.History, health.Change{
		At: warn.Since, From: health.ReasonVerified, To: health.ReasonRotationRejected, Err: warn.Err,
	})
	fail := state(t, "payments", "Jack Smith", health.ReasonRejected)
	fail.Err = errors.New("the token AbCd…#4fd4cbe8: 401 (AUTHENTICATION_ERROR, request id r-9)")
	fail.History = append(fail.History, health.Change{
		At: fail.Since, From: health.ReasonVerified, To: health.ReasonRejected, Err: fail.Err,
	})
	arabic := state(t, "عربي", "شركة الاختبار للتقنية", health.ReasonUsingFallback)
	arabic.Draining = true
	script := state(t, "script", `<script>document.title="hacked"</script><img src=x onerror=alert(1)>`,
		health.ReasonStale)
	long := state(t, strings.Repeat("n", 100), strings.Repeat("m", 300), health.ReasonWrongAccount)
	long.Err = errors.New(strings.Repeat("e", 500))
	for range 50 {
		long.History = append(long.History, long.History[1])
	}
	return map[string][]health.State{
		"pass": {pass}, "warn": {warn}, "fail": {fail},
		"several": {arabic, script, long, {}},
	}
}

// serve serves a status page and returns its address.
func serve(t *testing.T, states []health.State, opts ...middleware.HealthOption) string {
	t.Helper()
	var checkers []middleware.Snapshotter
	for _, s := range states {
		checkers = append(checkers, fake{health.NewSnapshot(s)})
	}
	mux := httptest.NewUnstartedServer(nil)
	routes, err := middleware.Routes(checkers[0], append(opts, middleware.WithStatusPage(),
		middleware.WithCheckers(checkers[1:]...), middleware.WithDetails(middleware.LoopbackOnly))...)
	require.NoError(t, err)
	mux.Config.Handler = routes["/statusz"]
	mux.Start()
	t.Cleanup(mux.Close)
	return mux.URL + "/statusz"
}

// withCallers is the option for a page with callers that have sent nothing.
func withCallers(t *testing.T) middleware.HealthOption {
	t.Helper()
	client, err := requester.New(requester.Production)
	require.NoError(t, err)
	callers, err := middleware.NewCallers(client)
	require.NoError(t, err)
	t.Cleanup(callers.Close)
	return middleware.WithCallers(callers)
}
