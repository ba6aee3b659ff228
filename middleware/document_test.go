package middleware_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// tokenValue must not be in any document.
const tokenValue = "AQVNcanarycanarycanary.canary.canary"

var (
	toAll  = middleware.WithDetails(func(*http.Request) bool { return true })
	toNone = middleware.WithDetails(func(*http.Request) bool { return false })

	since      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	verifiedAt = since.Add(90 * time.Second)
	answeredAt = since.Add(90*time.Second + 83*time.Millisecond)
)

// fullState returns a state with every field set.
func fullState(t testing.TB, reasons ...health.Reason) health.State {
	return health.State{
		Environment: "production",
		Reasons:     reasons,
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

// document joins the parts of a document, and removes the line breaks and tabs of its source.
func document(parts ...string) string {
	return strings.NewReplacer("\n", "", "\t", "").Replace(strings.Join(parts, ""))
}

// advice returns the sentence about a reason.
func advice(r health.Reason) string { return r.Meaning() + "; " + r.Advice() }

// Elements of the document about fullState.
const (
	accountCheck = `"toloka:account":[{"componentType":"component",
		"observedValue":"566ec2b0ff0deeaae5f9d500629de162","publicName":"Jack Smith",
		"companyId":"123","time":"2026-03-01T11:01:30Z"}],`
	balanceCheck = `"toloka:balance":[{"componentType":"component","status":"pass",
		"observedValue":121.30,"observedUnit":"USD","time":"2026-03-01T11:01:30Z"}],`
	lowBalanceCheck = `"toloka:balance":[{"componentType":"component","status":"warn",
		"observedValue":121.30,"observedUnit":"USD","time":"2026-03-01T11:01:30Z"}],`
	platformChecks = `"toloka:requester":[{"componentType":"component","observedValue":83.25,
		"observedUnit":"ms","time":"2026-03-01T11:01:30.083Z"}],
		"toloka:circuit-breaker":[{"componentType":"component","observedValue":"closed"}]`
)

func TestDetailsDocument(t *testing.T) {
	fingerprint := mustToken(t, tokenValue).Fingerprint()
	// credential returns the element about the token of fullState.
	credential := func(verdict, output string) string {
		if output != "" {
			output = `,"output":"` + output + `"`
		}
		return `"toloka:credential":[{"componentType":"component",` + verdict + `,
			"environment":"production","tokenSource":"env:TOLOKA_TOKEN",
			"tokenFingerprint":"` + fingerprint + `","time":"2026-03-01T11:00:00Z"` + output + `}],`
	}
	stale, wrong := advice(health.ReasonStale), advice(health.ReasonWrongAccount)
	closed, unreachable := advice(health.ReasonClosed), advice(health.ReasonUnreachable)
	starting, lowBalance := advice(health.ReasonStarting), advice(health.ReasonLowBalance)
	insufficient := advice(health.ReasonInsufficientBalance)

	anonymous := fullState(t, health.ReasonVerified)
	anonymous.Account = mustAccount(t, `{"id":"7","balance":1e-3}`)
	noBalance := health.State{
		Reasons: []health.Reason{health.ReasonVerified},
		Account: mustAccount(t, `{"id":"7","balance":"much"}`),
	}
	draining := fullState(t, health.ReasonLowBalance)
	draining.Draining = true
	closedDraining := fullState(t, health.ReasonClosed)
	closedDraining.Draining = true
	readyWhileUnreachable := fullState(t, health.ReasonUnreachable)
	readyWhileUnreachable.KeepReady = true

	tests := map[string]struct {
		state health.State
		want  string
	}{
		"verified": {fullState(t, health.ReasonVerified), document(`{"status":"pass","checks":{`,
			credential(`"status":"pass","reason":"verified","reasons":["verified"]`, ""),
			accountCheck, balanceCheck, platformChecks, `}}`)},
		"two warnings": {fullState(t, health.ReasonLowBalance, health.ReasonStale), document(
			`{"status":"warn","output":"`, stale, `","checks":{`,
			credential(`"status":"warn","reason":"stale","reasons":["stale","low_balance"]`, stale),
			accountCheck, lowBalanceCheck, platformChecks, `}}`)},
		"insufficient balance": {fullState(t, health.ReasonInsufficientBalance), document(
			`{"status":"fail","output":"`, insufficient, `","checks":{`,
			credential(`"status":"fail","reason":"insufficient_balance","reasons":["insufficient_balance"]`,
				insufficient),
			accountCheck, strings.Replace(lowBalanceCheck, "warn", "fail", 1), platformChecks, `}}`)},
		"wrong account": {fullState(t, health.ReasonWrongAccount), document(
			`{"status":"fail","output":"`, wrong, `","checks":{`,
			credential(`"status":"fail","reason":"wrong_account","reasons":["wrong_account"]`, wrong),
			accountCheck, balanceCheck, platformChecks, `}}`)},
		"zero state": {health.State{}, document(
			`{"status":"fail","output":"`, starting, `","checks":{
			"toloka:credential":[{"componentType":"component","status":"fail","reason":"starting",
				"reasons":["starting"],"tokenFingerprint":"`, health.NewSnapshot(health.State{}).TokenFingerprint(),
			`","output":"`, starting, `"}]}}`)},
		"account without name and company": {anonymous, document(`{"status":"pass","checks":{`,
			credential(`"status":"pass","reason":"verified","reasons":["verified"]`, ""),
			`"toloka:account":[{"componentType":"component","observedValue":"7",
				"time":"2026-03-01T11:01:30Z"}],
			"toloka:balance":[{"componentType":"component","status":"pass","observedValue":0.001,
				"observedUnit":"USD","time":"2026-03-01T11:01:30Z"}],`,
			platformChecks, `}}`)},
		"no balance": {noBalance, document(`{"status":"pass","checks":{
			"toloka:credential":[{"componentType":"component","status":"pass","reason":"verified",
				"reasons":["verified"],"tokenFingerprint":"`, health.NewSnapshot(noBalance).TokenFingerprint(), `"}],
			"toloka:account":[{"componentType":"component","observedValue":"7"}]}}`)},
		"draining": {draining, document(
			`{"status":"fail","output":"the service is shutting down and accepts no new requests","checks":{`,
			credential(`"status":"warn","reason":"low_balance","reasons":["low_balance"]`, lowBalance),
			accountCheck, lowBalanceCheck, platformChecks, `}}`)},
		"closed while draining": {closedDraining, document(
			`{"status":"fail","output":"`, closed, `","checks":{`,
			credential(`"status":"fail","reason":"closed","reasons":["closed"]`, closed),
			accountCheck, balanceCheck, platformChecks, `}}`)},
		"ready while unreachable": {readyWhileUnreachable, document(
			`{"status":"warn","output":"`, unreachable, `","checks":{`,
			credential(`"status":"fail","reason":"unreachable","reasons":["unreachable"]`, unreachable),
			accountCheck, balanceCheck, platformChecks, `}}`)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newChecker(tt.state)
			rec := ask(newHealth(c, toAll), http.MethodGet, "/healthz?verbose")
			assert.Equal(t, tt.want, rec.Body.String())

			plain := ask(newHealth(c), http.MethodGet, "/healthz")
			assert.Equal(t, plain.Code, rec.Code)
			header := plain.Header()
			header.Set("Content-Length", strconv.Itoa(len(tt.want)))
			assert.Equal(t, header, rec.Header())

			head := ask(newHealth(c, toAll), http.MethodHead, "/healthz?verbose")
			assert.Equal(t, header, head.Header())
			assert.Empty(t, head.Body.String())
		})
	}
}

func TestDetailsDocument_severalCheckers(t *testing.T) {
	state := func(name string, reason health.Reason) *checker {
		return newChecker(health.State{
			Name: name, Reasons: []health.Reason{reason}, Account: mustAccount(t, otherBody),
		})
	}
	none := health.NewSnapshot(health.State{}).TokenFingerprint()
	stale, rejected := advice(health.ReasonStale), advice(health.ReasonRejected)
	endpoint := newHealth(state("orders", health.ReasonStale), toAll, middleware.WithCheckers(
		state("billing", health.ReasonRejected), state("sandbox", health.ReasonVerified)))
	assert.Equal(t, document(`{"status":"fail","output":"billing: `, rejected, `","checks":{
		"toloka:credential":[
			{"componentId":"orders","componentType":"component","status":"warn","reason":"stale",
				"reasons":["stale"],"tokenFingerprint":"`, none, `","output":"`, stale, `"},
			{"componentId":"billing","componentType":"component","status":"fail","reason":"rejected",
				"reasons":["rejected"],"tokenFingerprint":"`, none, `","output":"`, rejected, `"},
			{"componentId":"sandbox","componentType":"component","status":"pass","reason":"verified",
				"reasons":["verified"],"tokenFingerprint":"`, none, `"}],
		"toloka:account":[
			{"componentId":"orders","componentType":"component","observedValue":"other"},
			{"componentId":"billing","componentType":"component","observedValue":"other"},
			{"componentId":"sandbox","componentType":"component","observedValue":"other"}],
		"toloka:balance":[
			{"componentId":"orders","componentType":"component","status":"pass",
				"observedValue":0.1,"observedUnit":"USD"},
			{"componentId":"billing","componentType":"component","status":"pass",
				"observedValue":0.1,"observedUnit":"USD"},
			{"componentId":"sandbox","componentType":"component","status":"pass",
				"observedValue":0.1,"observedUnit":"USD"}]}}`,
	), ask(endpoint, http.MethodGet, "/?verbose").Body.String())
}

func TestDetailsDocument_outputIsAboutTheWorst(t *testing.T) {
	named := func(name string, reason health.Reason) *checker {
		return newChecker(health.State{Name: name, Reasons: []health.Reason{reason}})
	}
	rejected, unreachable := health.ReasonRejected, health.ReasonUnreachable
	stale, lowBalance := health.ReasonStale, health.ReasonLowBalance
	tests := map[string]struct {
		checkers [2]*checker
		want     string
	}{
		"two fail":      {[2]*checker{named("a", rejected), named("b", unreachable)}, "a: " + advice(rejected)},
		"two warn":      {[2]*checker{named("a", stale), named("b", lowBalance)}, "a: " + advice(stale)},
		"second fails":  {[2]*checker{named("a", stale), named("b", rejected)}, "b: " + advice(rejected)},
		"without names": {[2]*checker{named("", stale), named("", rejected)}, advice(rejected)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			endpoint := newHealth(tt.checkers[0], middleware.WithCheckers(tt.checkers[1]), toAll)
			var got struct{ Output string }
			body := ask(endpoint, http.MethodGet, "/?verbose").Body.Bytes()
			require.NoError(t, json.Unmarshal(body, &got))
			assert.Equal(t, tt.want, got.Output)
		})
	}
}

func TestDetailsDocument_noSecrets(t *testing.T) {
	for _, reason := range reasons() {
		t.Run(reason.String(), func(t *testing.T) {
			endpoint := newHealth(newChecker(fullState(t, reason)), toAll)
			body := ask(endpoint, http.MethodGet, "/?verbose").Body.String()
			assert.Contains(t, body, `"reason":"`+reason.String()+`"`)
			assert.NotContains(t, body, "canarycanary", "the token")
			assert.NotContains(t, body, "10.0.0.1", "the cause")
		})
	}
}
