package middleware_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// tokenValue is what no document may ever hold.
const tokenValue = "AQVNcanarycanarycanary.canary.canary"

var (
	everybody = middleware.WithDetails(func(*http.Request) bool { return true })
	nobody    = middleware.WithDetails(func(*http.Request) bool { return false })

	since      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	verifiedAt = since.Add(90 * time.Second)
	answeredAt = since.Add(90*time.Second + 83*time.Millisecond)
)

// full is a state with everything in it.
func full(t testing.TB, reasons ...health.Reason) health.State {
	return health.State{
		Environment: "production",
		Reasons:     health.ReasonsOf(reasons...),
		Started:     true,
		Token:       mustToken(t, tokenValue),
		TokenSource: "env:TOLOKA_TOKEN",
		Account:     mustAccount(t, accountBody),
		VerifiedAt:  verifiedAt,
		AnsweredAt:  answeredAt,
		Latency:     83*time.Millisecond + 250*time.Microsecond + 7,
		Breaker:     "closed",
		Since:       since,
		RetryAfter:  7 * time.Second,
		Err:         errors.New("dial tcp 10.0.0.1:443: connection refused"),
	}
}

func compact(document string) string {
	lines := strings.Split(document, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t")
	}
	return strings.Join(lines, "")
}

func TestDetails(t *testing.T) {
	fingerprint := mustToken(t, tokenValue).Fingerprint()
	named := full(t, health.ReasonVerified)
	named.Name = "orders"
	anonymous := full(t, health.ReasonVerified)
	anonymous.Account = mustAccount(t, `{"id":"7","balance":1e-3}`)
	broke := health.State{Reasons: health.ReasonsOf(health.ReasonVerified), Account: mustAccount(t, `{"id":"7","balance":"much"}`)}
	draining := full(t, health.ReasonLowBalance)
	draining.Draining = true
	closed := full(t, health.ReasonClosed)
	closed.Draining = true
	bridged := full(t, health.ReasonUnreachable)
	bridged.Lenient = true

	tests := map[string]struct {
		state health.State
		want  string
	}{
		"verified": {full(t, health.ReasonVerified), `{
			"status":"pass",
			"checks":{
				"toloka:credential":[{"componentType":"component","status":"pass","reason":"verified","reasons":["verified"],
					"environment":"production","tokenSource":"env:TOLOKA_TOKEN","tokenFingerprint":"` + fingerprint + `","time":"2026-03-01T11:00:00Z"}],
				"toloka:account":[{"componentType":"component","observedValue":"566ec2b0ff0deeaae5f9d500629de162",
					"publicName":"Jack Smith","companyId":"123","time":"2026-03-01T11:01:30Z"}],
				"toloka:balance":[{"componentType":"component","status":"pass","observedValue":121.30,"observedUnit":"USD","time":"2026-03-01T11:01:30Z"}],
				"toloka:requester":[{"componentType":"component","observedValue":83.25,"observedUnit":"ms","time":"2026-03-01T11:01:30.083Z"}],
				"toloka:circuit-breaker":[{"componentType":"component","observedValue":"closed"}]
			}
		}`},
		"two warnings, the more serious one first": {full(t, health.ReasonLowBalance, health.ReasonStale), `{
			"status":"warn",
			"output":"the platform does not answer at the moment; nothing to do yet: the last good answer is still used, and the service recovers by itself",
			"checks":{
				"toloka:credential":[{"componentType":"component","status":"warn","reason":"stale","reasons":["stale","low_balance"],
					"environment":"production","tokenSource":"env:TOLOKA_TOKEN","tokenFingerprint":"` + fingerprint + `","time":"2026-03-01T11:00:00Z",
					"output":"the platform does not answer at the moment; nothing to do yet: the last good answer is still used, and the service recovers by itself"}],
				"toloka:account":[{"componentType":"component","observedValue":"566ec2b0ff0deeaae5f9d500629de162",
					"publicName":"Jack Smith","companyId":"123","time":"2026-03-01T11:01:30Z"}],
				"toloka:balance":[{"componentType":"component","status":"warn","observedValue":121.30,"observedUnit":"USD","time":"2026-03-01T11:01:30Z"}],
				"toloka:requester":[{"componentType":"component","observedValue":83.25,"observedUnit":"ms","time":"2026-03-01T11:01:30.083Z"}],
				"toloka:circuit-breaker":[{"componentType":"component","observedValue":"closed"}]
			}
		}`},
		"a credential that is not good vouches for no account": {full(t, health.ReasonWrongAccount), `{
			"status":"fail",
			"output":"the token belongs to another account; provide a token of the expected account, or change the expectation",
			"checks":{
				"toloka:credential":[{"componentType":"component","status":"fail","reason":"wrong_account","reasons":["wrong_account"],
					"environment":"production","tokenSource":"env:TOLOKA_TOKEN","tokenFingerprint":"` + fingerprint + `","time":"2026-03-01T11:00:00Z",
					"output":"the token belongs to another account; provide a token of the expected account, or change the expectation"}],
				"toloka:requester":[{"componentType":"component","observedValue":83.25,"observedUnit":"ms","time":"2026-03-01T11:01:30.083Z"}],
				"toloka:circuit-breaker":[{"componentType":"component","observedValue":"closed"}]
			}
		}`},
		"nothing known yet": {health.State{}, `{
			"status":"fail",
			"output":"no check has finished yet; wait for the first check",
			"checks":{
				"toloka:credential":[{"componentType":"component","status":"fail","reason":"starting","reasons":["starting"],
					"tokenFingerprint":"none","output":"no check has finished yet; wait for the first check"}]
			}
		}`},
		"a name, as componentId": {named, `{
			"status":"pass",
			"checks":{
				"toloka:credential":[{"componentId":"orders","componentType":"component","status":"pass","reason":"verified","reasons":["verified"],
					"environment":"production","tokenSource":"env:TOLOKA_TOKEN","tokenFingerprint":"` + fingerprint + `","time":"2026-03-01T11:00:00Z"}],
				"toloka:account":[{"componentId":"orders","componentType":"component","observedValue":"566ec2b0ff0deeaae5f9d500629de162",
					"publicName":"Jack Smith","companyId":"123","time":"2026-03-01T11:01:30Z"}],
				"toloka:balance":[{"componentId":"orders","componentType":"component","status":"pass","observedValue":121.30,"observedUnit":"USD","time":"2026-03-01T11:01:30Z"}],
				"toloka:requester":[{"componentId":"orders","componentType":"component","observedValue":83.25,"observedUnit":"ms","time":"2026-03-01T11:01:30.083Z"}],
				"toloka:circuit-breaker":[{"componentId":"orders","componentType":"component","observedValue":"closed"}]
			}
		}`},
		"an account with neither name nor company, and a balance in the platform's digits": {anonymous, `{
			"status":"pass",
			"checks":{
				"toloka:credential":[{"componentType":"component","status":"pass","reason":"verified","reasons":["verified"],
					"environment":"production","tokenSource":"env:TOLOKA_TOKEN","tokenFingerprint":"` + fingerprint + `","time":"2026-03-01T11:00:00Z"}],
				"toloka:account":[{"componentType":"component","observedValue":"7","time":"2026-03-01T11:01:30Z"}],
				"toloka:balance":[{"componentType":"component","status":"pass","observedValue":0.001,"observedUnit":"USD","time":"2026-03-01T11:01:30Z"}],
				"toloka:requester":[{"componentType":"component","observedValue":83.25,"observedUnit":"ms","time":"2026-03-01T11:01:30.083Z"}],
				"toloka:circuit-breaker":[{"componentType":"component","observedValue":"closed"}]
			}
		}`},
		"no balance": {broke, `{
			"status":"pass",
			"checks":{
				"toloka:credential":[{"componentType":"component","status":"pass","reason":"verified","reasons":["verified"],"tokenFingerprint":"none"}],
				"toloka:account":[{"componentType":"component","observedValue":"7"}]
			}
		}`},
		"draining is not the credential's fault": {draining, `{
			"status":"fail",
			"output":"the service is shutting down and takes no new requests",
			"checks":{
				"toloka:credential":[{"componentType":"component","status":"warn","reason":"low_balance","reasons":["low_balance"],
					"environment":"production","tokenSource":"env:TOLOKA_TOKEN","tokenFingerprint":"` + fingerprint + `","time":"2026-03-01T11:00:00Z",
					"output":"the account's balance is low; top up the account"}],
				"toloka:account":[{"componentType":"component","observedValue":"566ec2b0ff0deeaae5f9d500629de162",
					"publicName":"Jack Smith","companyId":"123","time":"2026-03-01T11:01:30Z"}],
				"toloka:balance":[{"componentType":"component","status":"warn","observedValue":121.30,"observedUnit":"USD","time":"2026-03-01T11:01:30Z"}],
				"toloka:requester":[{"componentType":"component","observedValue":83.25,"observedUnit":"ms","time":"2026-03-01T11:01:30.083Z"}],
				"toloka:circuit-breaker":[{"componentType":"component","observedValue":"closed"}]
			}
		}`},
		"closed comes before draining": {closed, `{
			"status":"fail",
			"output":"the checker is closed; nothing to do while the service shuts down; otherwise look for an early call of Close",
			"checks":{
				"toloka:credential":[{"componentType":"component","status":"fail","reason":"closed","reasons":["closed"],
					"environment":"production","tokenSource":"env:TOLOKA_TOKEN","tokenFingerprint":"` + fingerprint + `","time":"2026-03-01T11:00:00Z",
					"output":"the checker is closed; nothing to do while the service shuts down; otherwise look for an early call of Close"}],
				"toloka:requester":[{"componentType":"component","observedValue":83.25,"observedUnit":"ms","time":"2026-03-01T11:01:30.083Z"}],
				"toloka:circuit-breaker":[{"componentType":"component","observedValue":"closed"}]
			}
		}`},
		"a bridged outage: the service is ready, the credential is not good": {bridged, `{
			"status":"warn",
			"output":"the platform could not be asked for too long; check the network, the proxy and the platform's status page; the service recovers by itself",
			"checks":{
				"toloka:credential":[{"componentType":"component","status":"fail","reason":"unreachable","reasons":["unreachable"],
					"environment":"production","tokenSource":"env:TOLOKA_TOKEN","tokenFingerprint":"` + fingerprint + `","time":"2026-03-01T11:00:00Z",
					"output":"the platform could not be asked for too long; check the network, the proxy and the platform's status page; the service recovers by itself"}],
				"toloka:requester":[{"componentType":"component","observedValue":83.25,"observedUnit":"ms","time":"2026-03-01T11:01:30.083Z"}],
				"toloka:circuit-breaker":[{"componentType":"component","observedValue":"closed"}]
			}
		}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newChecker(tt.state)
			rec := ask(middleware.NewHealth(c, everybody), http.MethodGet, "/healthz?verbose")
			want := compact(tt.want)
			assert.Equal(t, want, rec.Body.String())

			plain := ask(middleware.NewHealth(c), http.MethodGet, "/healthz")
			assert.Equal(t, plain.Code, rec.Code)
			header := plain.Header()
			header.Set("Content-Length", strconv.Itoa(len(want)))
			assert.Equal(t, header, rec.Header())

			head := ask(middleware.NewHealth(c, everybody), http.MethodHead, "/healthz?verbose")
			assert.Equal(t, header, head.Header())
			assert.Empty(t, head.Body.String())
		})
	}
}

func TestDetailsOfSeveralCheckers(t *testing.T) {
	state := func(name string, reason health.Reason) *checker {
		return newChecker(health.State{Name: name, Reasons: health.ReasonsOf(reason), Account: mustAccount(t, otherBody)})
	}
	endpoint := middleware.NewHealth(state("orders", health.ReasonStale),
		middleware.WithCheckers(state("billing", health.ReasonRejected), state("sandbox", health.ReasonVerified)), everybody)
	assert.Equal(t, compact(`{
		"status":"fail",
		"output":"billing: the platform refuses the token; generate a new token on the account's Integrations page and put it where the service reads it; check that it belongs to this environment (production or sandbox)",
		"checks":{
			"toloka:credential":[
				{"componentId":"orders","componentType":"component","status":"warn","reason":"stale","reasons":["stale"],"tokenFingerprint":"none",
					"output":"the platform does not answer at the moment; nothing to do yet: the last good answer is still used, and the service recovers by itself"},
				{"componentId":"billing","componentType":"component","status":"fail","reason":"rejected","reasons":["rejected"],"tokenFingerprint":"none",
					"output":"the platform refuses the token; generate a new token on the account's Integrations page and put it where the service reads it; check that it belongs to this environment (production or sandbox)"},
				{"componentId":"sandbox","componentType":"component","status":"pass","reason":"verified","reasons":["verified"],"tokenFingerprint":"none"}
			],
			"toloka:account":[
				{"componentId":"orders","componentType":"component","observedValue":"other"},
				{"componentId":"sandbox","componentType":"component","observedValue":"other"}
			],
			"toloka:balance":[
				{"componentId":"orders","componentType":"component","status":"pass","observedValue":0.1,"observedUnit":"USD"},
				{"componentId":"sandbox","componentType":"component","status":"pass","observedValue":0.1,"observedUnit":"USD"}
			]
		}
	}`), ask(endpoint, http.MethodGet, "/?verbose").Body.String())
}

func TestWithDetails(t *testing.T) {
	c := newChecker(full(t, health.ReasonVerified))
	const plain = `{"status":"pass"}`

	queries := map[string]bool{
		"":                           false,
		"?":                          false,
		"?verbose":                   true,
		"?verbose=1":                 true,
		"?verbose=":                  true,
		"?verbose=false":             true, // the presence of the key asks
		"?a=b&verbose":               true,
		"?a=b&verbose=1&c":           true,
		"?&&verbose":                 true,
		"?Verbose":                   false,
		"?verbosely":                 false,
		"?a=verbose":                 false,
		"?not-verbose&a=b":           false,
		"?a=b&&=verbose":             false,
		"?a;verbose":                 false,
		"?" + strings.Repeat("&", 9): false,
	}
	for query, verbose := range queries {
		t.Run("/healthz"+query+" asks for details: "+strconv.FormatBool(verbose), func(t *testing.T) {
			body := ask(middleware.NewHealth(c, everybody), http.MethodGet, "/healthz"+query).Body.String()
			assert.Equal(t, !verbose, body == plain)
			assert.Equal(t, plain, ask(middleware.NewHealth(c, nobody), http.MethodGet, "/healthz"+query).Body.String(), "not allowed")
			assert.Equal(t, plain, ask(middleware.NewHealth(c), http.MethodGet, "/healthz"+query).Body.String(), "by default")
			assert.Equal(t, plain, ask(middleware.NewHealth(c, middleware.WithDetails(nil)), http.MethodGet, "/healthz"+query).Body.String(), "nil")
		})
	}
	t.Run("the policy sees the request, and is asked only when the query asks", func(t *testing.T) {
		var seen []string
		endpoint := middleware.NewHealth(c, middleware.WithDetails(func(r *http.Request) bool {
			seen = append(seen, r.URL.String())
			return r.Header.Get("Authorization") != ""
		}))
		assert.Equal(t, plain, ask(endpoint, http.MethodGet, "/healthz").Body.String())
		assert.Empty(t, seen)
		assert.Equal(t, plain, ask(endpoint, http.MethodGet, "/healthz?verbose").Body.String())
		assert.Equal(t, []string{"/healthz?verbose"}, seen)
	})
	t.Run("neither the token nor the cause is in any document", func(t *testing.T) {
		for _, reason := range reasons() {
			body := ask(middleware.NewHealth(newChecker(full(t, reason)), everybody), http.MethodGet, "/?verbose").Body.String()
			assert.Contains(t, body, `"reason":"`+reason.String()+`"`)
			assert.NotContains(t, body, "canarycanary")
			assert.NotContains(t, body, "10.0.0.1")
		}
	})
	t.Run("live and startup have none", func(t *testing.T) {
		assert.Equal(t, plain, ask(middleware.NewStartup(c), http.MethodGet, "/?verbose").Body.String())
		assert.Equal(t, plain, ask(middleware.NewLive(), http.MethodGet, "/?verbose").Body.String())
	})
}

// FuzzWithDetails compares the glance at the query with net/url's parser. Escapes are left out: a key that has to be
// unescaped to read verbose is not one that asks.
func FuzzWithDetails(f *testing.F) {
	for _, query := range []string{"", "verbose", "verbose=1", "a=b&verbose", "&&verbose=&", "a=verbose", "=verbose", "verbose&verbose", "Verbose"} {
		f.Add(query)
	}
	endpoint := middleware.NewHealth(because(health.ReasonVerified), everybody)
	f.Fuzz(func(t *testing.T, query string) {
		if strings.ContainsAny(query, "%+;") {
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		rec := httptest.NewRecorder()
		endpoint.ServeHTTP(rec, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/healthz", RawQuery: query}})
		assert.Equal(t, values.Has("verbose"), rec.Body.String() != `{"status":"pass"}`, query)
	})
}
