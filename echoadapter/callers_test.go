package echoadapter_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/echoadapter"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func newCallers(t testing.TB, p *requestertest.Platform) *middleware.Callers {
	client, err := requester.New(requester.Production, requester.WithHTTPClient(p.Client()))
	require.NoError(t, err)
	c, err := middleware.NewCallers(client)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestCallers(t *testing.T) {
	p := requestertest.NewPlatform()
	callers := newCallers(t, p)
	good, other, down := p.IssueToken("1"), p.IssueToken("2"), p.IssueToken("3")
	p.SetTokenFaults(down, requestertest.Status(503))
	for name, tt := range map[string]struct {
		authorization string
		config        echoadapter.CallersConfig
		status        int
		body          string
		retryAfter    string
		internal      string // the error in the HTTPError
	}{
		"good": {authorization: "ApiKey " + good.Reveal(), status: 200, body: "1"},
		"none": {
			status: 401, body: `{"message":"Unauthorized"}` + "\n",
			internal: "the caller has no valid token: no Authorization header",
		},
		"other": {
			authorization: "ApiKey " + other.Reveal(),
			status:        403, body: `{"message":"Forbidden"}` + "\n",
			internal: "the caller's account is not allowed: ",
		},
		"down": {
			authorization: "ApiKey " + down.Reveal(),
			status:        503, body: `{"message":"Service Unavailable"}` + "\n", retryAfter: "1",
			internal: "the token cannot be verified at the moment: ",
		},
		"skipped": {
			config: echoadapter.CallersConfig{Skipper: func(echo.Context) bool { return true }},
			status: 200, body: "none",
		},
		"problem": {
			config: echoadapter.CallersConfig{ProblemDetails: true},
			status: 401, body: `{"type":"about:blank","title":"Unauthorized","status":401,` +
				`"detail":"Send a valid API token as Authorization: ApiKey TOKEN."}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.config.Callers = callers
			tt.config.Options = []middleware.CallerGateOption{middleware.AllowAccounts("1")}
			e := echo.New()
			var failure error
			e.HTTPErrorHandler = func(err error, c echo.Context) { failure = err; e.DefaultHTTPErrorHandler(err, c) }
			e.Use(echoadapter.CallersWithConfig(tt.config))
			e.GET("/", func(c echo.Context) error {
				caller, ok := echoadapter.Caller(c)
				if !ok {
					return c.String(200, "none")
				}
				assert.Empty(t, c.Request().Header["Authorization"])
				return c.String(200, caller.Account.ID())
			})
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			rec := httptest.NewRecorder()
			e.ServeHTTP(rec, r)
			assert.Equal(t, tt.status, rec.Code)
			assert.Equal(t, tt.body, rec.Body.String())
			assert.Equal(t, tt.retryAfter, rec.Header().Get("Retry-After"))
			if tt.status == 401 {
				assert.Equal(t, []string{`ApiKey realm="toloka"`, `OAuth realm="toloka"`},
					rec.Header()["Www-Authenticate"])
			}
			if failure != nil {
				var httpError *echo.HTTPError
				require.ErrorAs(t, failure, &httpError)
				assert.Equal(t, tt.status, httpError.Code)
				assert.ErrorContains(t, httpError.Internal, tt.internal)
			}
		})
	}
	assert.PanicsWithError(t,
		"middleware: NewCallerGate: the Callers is nil; handle the error of NewCallers first",
		func() { echoadapter.Callers(nil) })
}
