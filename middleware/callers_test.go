package middleware_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

// callersWorld is a fake platform, and a Callers that asks it.
type callersWorld struct {
	t        testing.TB
	platform *requestertest.Platform
	callers  *middleware.Callers
}

func newCallersWorld(t testing.TB, opts ...middleware.CallersOption) *callersWorld {
	t.Helper()
	p := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()))
	require.NoError(t, err)
	c, err := middleware.NewCallers(client, opts...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &callersWorld{t: t, platform: p, callers: c}
}

// seen is what the handler behind the gate saw; the zero value if it was not called.
type seen struct {
	account       string
	stale         bool
	authorization []string
}

// send sends a request with these Authorization headers through a gate.
func (w *callersWorld) send(
	authorization []string, opts ...middleware.CallerGateOption,
) (*httptest.ResponseRecorder, seen) {
	var s seen
	h := must(middleware.NewCallerGate(w.callers, opts...)).Wrap(http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) {
			caller, ok := middleware.CallerFrom(r.Context())
			assert.True(w.t, ok)
			_, own := middleware.AccountFrom(r.Context())
			assert.False(w.t, own, "the service's account")
			s = seen{caller.Account.ID(), caller.Stale, r.Header["Authorization"]}
		}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if authorization != nil {
		r.Header["Authorization"] = authorization
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec, s
}

// use sends a request with the token and returns the status, or 299 for a caller that is stale.
func (w *callersWorld) use(t credentials.Token) int {
	rec, s := w.send([]string{authorization(t)})
	if s.stale {
		return staleStatus
	}
	return rec.Code
}

const staleStatus = 299

func authorization(t credentials.Token) string {
	scheme := t.Scheme()
	if scheme == "" {
		scheme = credentials.SchemeAPIKey
	}
	return string(scheme) + " " + t.Reveal()
}

// The bodies of rejections.
const (
	body401 = `{"type":"about:blank","title":"Unauthorized","status":401,` +
		`"detail":"Send a valid API token as Authorization: ApiKey TOKEN."}`
	body403 = `{"type":"about:blank","title":"Forbidden","status":403,` +
		`"detail":"The account is not allowed to use this service."}`
	body503 = `{"type":"about:blank","title":"Service Unavailable","status":503,` +
		`"detail":"The service cannot verify the API token at the moment. Try again later."}`
)

func assertRejected(t *testing.T, rec *httptest.ResponseRecorder, status int) {
	t.Helper()
	body := map[int]string{401: body401, 403: body403, 503: body503}[status]
	assert.Equal(t, status, rec.Code)
	assert.Equal(t, body, rec.Body.String())
	h := rec.Header().Clone()
	assert.Equal(t, status == 503, h.Get("Retry-After") != "")
	h.Del("Retry-After")
	h.Del("Content-Length")
	want := http.Header{
		"Content-Type":           {"application/problem+json"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
	}
	if status == 401 {
		want["Www-Authenticate"] = []string{`ApiKey realm="toloka"`, `OAuth realm="toloka"`}
	}
	assert.Equal(t, want, h)
}

// No request without a well-formed token reaches the platform.
func TestCallers_header(t *testing.T) {
	const good = "AAAAAAAAAAAAAAAAAAAAAA.0000000000000000000000000000000000000000"
	for name, authorization := range map[string][]string{
		"none":            nil,
		"empty":           {""},
		"empty list":      {},
		"two":             {"ApiKey " + good, "ApiKey " + good},
		"two in one":      {"ApiKey " + good + ", ApiKey " + good},
		"bearer":          {"Bearer " + good},
		"basic":           {"Basic " + good},
		"no scheme":       {good},
		"scheme only":     {"ApiKey"},
		"scheme, space":   {"ApiKey "},
		"tab":             {"ApiKey\t" + good},
		"tab after space": {"ApiKey \t" + good},
		"trailing space":  {"ApiKey " + good + " "},
		"leading space":   {" ApiKey " + good},
		"unicode":         {"ApiKey " + good + "é"},
		"unicode scheme":  {"ApiKey\u00a0" + good},
		"kelvin sign":     {"Api\u212aey " + good},
		"inner equals":    {"ApiKey AAAA=BBBB"},
		"only equals":     {"ApiKey ==="},
		"quotes":          {`ApiKey "` + good + `"`},
		"scheme twice":    {"ApiKey ApiKey " + good},
		"8 KiB":           {"ApiKey " + strings.Repeat("A", 8<<10)},
		"4 KiB and one":   {"ApiKey " + strings.Repeat("A", 4<<10+1)},
		"line end":        {"ApiKey " + good + "\r\nX: y"},
		"nul":             {"ApiKey " + good + "\x00"},
		"byte order mark": {"ApiKey \ufeff" + good},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCallersWorld(t)
			rec, s := w.send(authorization)
			assertRejected(t, rec, 401)
			assert.Zero(t, s)
			assert.Zero(t, w.platform.Count())
			assert.EqualValues(t, 1, w.callers.Stats().Requests.NoToken)
		})
	}
}

// A token of every accepted form passes, and the handler does not see it.
func TestCallers_good(t *testing.T) {
	w := newCallersWorld(t)
	key, oauth := w.platform.IssueToken("1"), mustToken(t, "OAuth legacy")
	w.platform.AcceptToken("2", oauth)
	long := mustToken(t, strings.Repeat("A", 4<<10))
	w.platform.AcceptToken("3", long)
	for name, tt := range map[string]struct{ authorization, account string }{
		"key":            {"ApiKey " + key.Reveal(), "1"},
		"lower case":     {"apikey " + key.Reveal(), "1"},
		"several spaces": {"ApiKey   " + key.Reveal(), "1"},
		"oauth":          {"OAUTH " + oauth.Reveal(), "2"},
		"4 KiB":          {"ApiKey " + long.Reveal(), "3"},
	} {
		t.Run(name, func(t *testing.T) {
			rec, s := w.send([]string{tt.authorization})
			assert.Equal(t, 200, rec.Code)
			assert.Equal(t, seen{account: tt.account}, s)
			_, s = w.send([]string{tt.authorization}, middleware.WithForwardedToken())
			assert.Equal(t, seen{tt.account, false, []string{tt.authorization}}, s)
		})
	}
	assert.Equal(t, 3, w.platform.Count(), "one call per token")

	rec, _ := w.send([]string{"OAuth " + key.Reveal()})
	assertRejected(t, rec, 401) // the right token under the wrong scheme is another credential
}

func TestCallers_allowed(t *testing.T) {
	w := newCallersWorld(t)
	company := requester.Company{ID: "c"}
	w.platform.SetAccount(requestertest.Account{ID: "1"})
	w.platform.SetAccount(requestertest.Account{ID: "2", Company: &company})
	one, two := w.platform.IssueToken("1"), w.platform.IssueToken("2")
	no := errors.New("no")
	never := middleware.Allow(func(context.Context, *requester.Account) error { return no })
	always := middleware.Allow(func(context.Context, *requester.Account) error { return nil })
	for name, tt := range map[string]struct {
		token   credentials.Token
		options []middleware.CallerGateOption
		status  int
	}{
		"account":         {one, []middleware.CallerGateOption{middleware.AllowAccounts("0", "1")}, 200},
		"another account": {two, []middleware.CallerGateOption{middleware.AllowAccounts("1")}, 403},
		"company":         {two, []middleware.CallerGateOption{middleware.AllowCompanies("c")}, 200},
		"no company":      {one, []middleware.CallerGateOption{middleware.AllowCompanies("c")}, 403},
		"account or company": {one, []middleware.CallerGateOption{
			middleware.AllowCompanies("c"), middleware.AllowAccounts("1"),
		}, 200},
		"function":            {one, []middleware.CallerGateOption{always}, 200},
		"function refuses":    {one, []middleware.CallerGateOption{never}, 403},
		"listed, but refused": {one, []middleware.CallerGateOption{middleware.AllowAccounts("1"), never}, 403},
		"not listed":          {one, []middleware.CallerGateOption{middleware.AllowAccounts("2"), always}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			rec, s := w.send([]string{authorization(tt.token)}, tt.options...)
			if tt.status == 200 {
				assert.Equal(t, 200, rec.Code)
				return
			}
			assertRejected(t, rec, tt.status)
			assert.Zero(t, s)
		})
	}
	assert.Equal(t, 2, w.platform.Count())
}

func TestCallers_rejectionHandler(t *testing.T) {
	w := newCallersWorld(t)
	no := errors.New("no")
	var got error
	rec, _ := w.send([]string{authorization(w.platform.IssueToken("1"))},
		middleware.Allow(func(context.Context, *requester.Account) error { return no }),
		middleware.WithCallerRejectionHandler(
			func(w http.ResponseWriter, _ *http.Request, rejection *middleware.Rejection) {
				got = rejection.Err()
				w.WriteHeader(rejection.Status())
			}))
	assert.Equal(t, 403, rec.Code)
	assert.ErrorIs(t, got, no)
	assert.EqualError(t, got, "the caller's account is not allowed: no")
	assert.Equal(t, http.Header{"Cache-Control": {"no-store"}}, rec.Header())
}

func TestCallers_realm(t *testing.T) {
	w := newCallersWorld(t)
	rec, _ := w.send(nil, middleware.WithRealm("tasks"))
	assert.Equal(t, 401, rec.Code)
	assert.Equal(t, []string{`ApiKey realm="tasks"`, `OAuth realm="tasks"`}, rec.Header()["Www-Authenticate"])
}

func TestNewCallers_errors(t *testing.T) {
	client := must(requester.New(requester.Production))
	for name, tt := range map[string]struct {
		client *requester.Client
		option middleware.CallersOption
		want   string
	}{
		"nil client": {
			nil, middleware.WithMaxCallers(1),
			"the client is nil; handle the error of requester.New first",
		},
		"nil option": {client, nil, "nil option"},
		"no unit": {
			client, middleware.WithCallerTTL(60), "WithCallerTTL: 60ns is less than 10ms: is its unit missing?",
		},
		"negative": {
			client, middleware.WithCallerMaxStale(-time.Second),
			"WithCallerMaxStale: -1s is less than 10ms: is its unit missing?",
		},
		"zero TTL": {
			client, middleware.WithCallerTTL(0), "WithCallerTTL: 0s is less than 10ms: is its unit missing?",
		},
		"zero refused TTL": {
			client, middleware.WithRefusedTTL(0), "WithRefusedTTL: 0s is less than 10ms: is its unit missing?",
		},
		"zero MaxStale": {
			client, middleware.WithCallerMaxStale(0),
			"WithCallerMaxStale: 0s is less than 10ms: is its unit missing?",
		},
		"MaxStale too short": {
			client, middleware.WithCallerMaxStale(time.Minute - 1),
			"the TTL is longer than MaxStale: shorten WithCallerTTL or extend WithCallerMaxStale",
		},
		"no number": {
			client, middleware.WithUnknownBudget(math.NaN(), 1),
			"WithUnknownBudget: NaN a second with bursts of 1: both must be positive and finite",
		},
		"infinite": {
			client, middleware.WithUnknownBudget(math.Inf(1), 1),
			"WithUnknownBudget: +Inf a second with bursts of 1: both must be positive and finite",
		},
		"TTL too long": {
			client, middleware.WithCallerTTL(time.Hour),
			"the TTL is longer than MaxStale: shorten WithCallerTTL or extend WithCallerMaxStale",
		},
		"entries":   {client, middleware.WithMaxCallers(0), "WithMaxCallers: 0 is less than 1"},
		"in flight": {client, middleware.WithMaxInFlight(0), "WithMaxInFlight: 0 is less than 1"},
		"budget": {
			client, middleware.WithUnknownBudget(0, 1),
			"WithUnknownBudget: 0 a second with bursts of 1: both must be positive and finite",
		},
		"nil store": {client, middleware.WithSharedCallers(nil), "WithSharedCallers: the store is nil"},
		"burst": {
			client, middleware.WithUnknownBudget(1, 0),
			"WithUnknownBudget: 1 a second with bursts of 0: both must be positive and finite",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := middleware.NewCallers(tt.client, tt.option)
			assert.Nil(t, c)
			assert.EqualError(t, err, "middleware: NewCallers: "+tt.want)
		})
	}
}

func TestNewCallers_severalErrors(t *testing.T) {
	_, err := middleware.NewCallers(nil, nil, middleware.WithMaxCallers(-1))
	assert.EqualError(t, err,
		"middleware: NewCallers: the client is nil; handle the error of requester.New first\n"+
			"nil option\nWithMaxCallers: -1 is less than 1")
}

func TestNewCallers_limits(t *testing.T) {
	client := must(requester.New(requester.Production))
	for name, opts := range map[string][]middleware.CallersOption{
		"no options": nil,
		"smallest": {
			middleware.WithCallerTTL(10 * time.Millisecond), middleware.WithCallerMaxStale(10 * time.Millisecond),
			middleware.WithRefusedTTL(10 * time.Millisecond), middleware.WithMaxCallers(1),
			middleware.WithMaxInFlight(1), middleware.WithUnknownBudget(1e-9, 1),
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := middleware.NewCallers(client, opts...)
			require.NoError(t, err)
			c.Close()
		})
	}
}

// Durations that mean "without end" do not overflow.
func TestCallers_longestDurations(t *testing.T) {
	for _, d := range []time.Duration{100 * 365 * 24 * time.Hour, math.MaxInt64} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newCallersWorld(t, middleware.WithCallerTTL(d), middleware.WithCallerMaxStale(d),
					middleware.WithRefusedTTL(d))
				good := w.platform.IssueToken("1")
				for range 3 {
					time.Sleep(time.Hour)
					assert.Equal(t, 200, w.use(good))
					assert.Equal(t, 401, w.use(made(0)))
				}
				assert.Equal(t, 2, w.platform.Count())
			})
		})
	}
}

func TestNewCallerGate_errors(t *testing.T) {
	w := newCallersWorld(t)
	for name, tt := range map[string]struct {
		callers *middleware.Callers
		option  middleware.CallerGateOption
		want    string
	}{
		"nil callers": {
			nil, middleware.WithForwardedToken(),
			"the Callers is nil; handle the error of NewCallers first",
		},
		"zero callers": {
			&middleware.Callers{}, middleware.WithForwardedToken(), "the Callers is not from NewCallers",
		},
		"nil option":    {w.callers, nil, "nil option"},
		"empty account": {w.callers, middleware.AllowAccounts(""), "AllowAccounts: an id is empty"},
		"no companies": {
			w.callers, middleware.AllowCompanies(),
			"AllowCompanies: the list is empty: no caller would be admitted",
		},
		"no accounts": {
			w.callers, middleware.AllowAccounts(),
			"AllowAccounts: the list is empty: no caller would be admitted",
		},
		"empty id": {w.callers, middleware.AllowCompanies("1", " "), "AllowCompanies: an id is empty"},
		"no realm": {w.callers, middleware.WithRealm(""), "WithRealm: the realm is empty"},
		"bad realm": {
			w.callers, middleware.WithRealm(`a"b`),
			"WithRealm: the realm has a quote, a backslash or a character outside printable ASCII",
		},
		"nil function": {w.callers, middleware.Allow(nil), "Allow: the function is nil"},
		"nil handler": {
			w.callers, middleware.WithCallerRejectionHandler(nil),
			"WithCallerRejectionHandler: the function is nil",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := middleware.NewCallerGate(tt.callers, tt.option)
			assert.Nil(t, g)
			assert.EqualError(t, err, "middleware: NewCallerGate: "+tt.want)
		})
	}
}

// step is one moment in the life of a token.
type step struct {
	after  time.Duration
	do     func()
	status int // of a use of the token; 0: it is not used
	calls  int // since the world began
}

// The rows of the table in the documentation of Callers, on one time line each.
func TestCallers_table(t *testing.T) {
	down := requestertest.Status(503)
	type world struct {
		*callersWorld
		token credentials.Token
	}
	for name, script := range map[string]func(w world) []step{
		"fresh for a TTL": func(world) []step {
			return []step{
				{status: 200, calls: 1},
				{after: 44 * time.Second, status: 200, calls: 1},
				{after: 10500 * time.Millisecond, status: 200, calls: 2}, // in the background, after 90 %
				{after: 44 * time.Second, status: 200, calls: 2},
			}
		},
		"expired": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{after: time.Hour, status: 200, calls: 2},
			}
		},
		"refused": func(w world) []step {
			return []step{
				{do: func() { w.platform.DeleteToken(w.token) }, status: 401, calls: 1},
				{after: 9 * time.Second, status: 401, calls: 1},
				{do: func() { w.platform.AcceptToken("1", w.token) }, after: 2 * time.Second, status: 200, calls: 2},
			}
		},
		"deleted": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{do: func() { w.platform.DeleteToken(w.token) }, after: 60 * time.Second, status: staleStatus, calls: 2},
				{after: 900 * time.Millisecond, status: staleStatus, calls: 2},
				{after: 100 * time.Millisecond, status: 401, calls: 3},
				{after: 5 * time.Second, status: 401, calls: 3},
			}
		},
		"refused by mistake": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{
					do:    func() { w.platform.SetFaults(requestertest.Sequence(requestertest.Status(401))) },
					after: 60 * time.Second, status: staleStatus, calls: 2,
				},
				{after: time.Second, status: 200, calls: 3},
			}
		},
		"an outage between two refusals": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{do: func() { w.platform.DeleteToken(w.token) }, after: 60 * time.Second, status: staleStatus, calls: 2},
				{do: func() { w.platform.SetFaults(down) }, after: time.Second, status: staleStatus, calls: 3},
				{do: func() { w.platform.ClearFaults() }, after: time.Second, status: 401, calls: 4},
			}
		},
		"an outage before a refusal": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{do: func() { w.platform.SetFaults(down) }, after: 60 * time.Second, status: staleStatus, calls: 2},
				{
					do:    func() { w.platform.ClearFaults(); w.platform.DeleteToken(w.token) },
					after: time.Second, status: staleStatus, calls: 3,
				},
				{after: time.Second, status: 401, calls: 4},
			}
		},
		"a refusal between two outages": func(w world) []step { // the second one's pace starts anew
			fault := func(f ...requestertest.Fault) func() { return func() { w.platform.SetFaults(f...) } }
			return []step{
				{status: 200, calls: 1},
				{do: fault(down), after: 60 * time.Second, status: staleStatus, calls: 2},
				{do: fault(requestertest.Status(401)), after: time.Second, status: staleStatus, calls: 3},
				{do: fault(down), after: time.Second, status: staleStatus, calls: 4},
				{do: fault(), after: time.Second, status: 200, calls: 5},
			}
		},
		"a verification between two refusals": func(w world) []step {
			refused := requestertest.Status(401)
			return []step{
				{status: 200, calls: 1},
				{do: func() { w.platform.SetFaults(refused) }, after: 60 * time.Second, status: staleStatus, calls: 2},
				{do: func() { w.platform.ClearFaults() }, after: time.Second, status: 200, calls: 3},
				{do: func() { w.platform.SetFaults(refused) }, after: 60 * time.Second, status: staleStatus, calls: 4},
				{after: time.Second, status: 401, calls: 5},
			}
		},
		"deleted long ago": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{do: func() { w.platform.DeleteToken(w.token) }, after: 15 * time.Minute, status: 401, calls: 2},
			}
		},
		"outage": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{do: func() { w.platform.SetFaults(down) }, after: 59 * time.Second, status: 200, calls: 2},
				{after: time.Second, status: staleStatus, calls: 3},
				{after: time.Second, status: staleStatus, calls: 3},
				{after: 13*time.Minute + 58*time.Second, status: staleStatus, calls: 4},
				{after: 2 * time.Second, status: 503, calls: 4},
				{do: func() { w.platform.ClearFaults() }, after: 30 * time.Second, status: 200, calls: 5},
			}
		},
		"unknown in an outage": func(w world) []step {
			return []step{
				{do: func() { w.platform.SetFaults(down) }, status: 503, calls: 1},
				{after: 900 * time.Millisecond, status: 503, calls: 1},
				{do: func() { w.platform.ClearFaults() }, after: 100 * time.Millisecond, status: 200, calls: 2},
			}
		},
		"rate limited": func(w world) []step {
			return []step{
				{do: func() { w.platform.SetFaults(requestertest.RateLimited("30")) }, status: 503, calls: 1},
				{do: func() { w.platform.ClearFaults() }, after: 29 * time.Second, status: 503, calls: 1},
				{after: time.Second, status: 200, calls: 2},
			}
		},
		"firewall": func(w world) []step {
			return []step{{do: func() { w.platform.SetFaults(requestertest.HTML(403)) }, status: 503, calls: 1}}
		},
		"hang": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{
					do:    func() { w.platform.SetFaults(requestertest.Hang()) },
					after: time.Minute, status: staleStatus, calls: 2,
				},
			}
		},
		"forgotten": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{do: func() { w.callers.Forget(w.token) }, status: 200, calls: 2},
			}
		},
		"closed": func(w world) []step {
			return []step{
				{status: 200, calls: 1},
				{do: func() { w.callers.Close(); w.callers.Close() }, status: 503, calls: 1},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world{callersWorld: newCallersWorld(t)}
				w.token = w.platform.IssueToken("1")
				for i, s := range script(w) {
					time.Sleep(s.after)
					if s.do != nil {
						s.do()
					}
					assert.Equal(t, s.status, w.use(w.token), "step %d", i)
					synctest.Wait()
					assert.Equal(t, s.calls, w.platform.CountToken(w.token), "calls after step %d", i)
				}
			})
		})
	}
}
