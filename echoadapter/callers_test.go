package echoadapter_test

import (
	"errors"
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
	}{
		"good":    {"ApiKey " + good.Reveal(), echoadapter.CallersConfig{}, 200, "1", ""},
		"none":    {"", echoadapter.CallersConfig{}, 401, `{"message":"Unauthorized"}` + "\n", ""},
		"other":   {"ApiKey " + other.Reveal(), echoadapter.CallersConfig{}, 403, `{"message":"Forbidden"}` + "\n", ""},
		"down":    {"ApiKey " + down.Reveal(), echoadapter.CallersConfig{}, 503, `{"message":"Service Unavailable"}` + "\n", "1"},
		"skipped": {"", echoadapter.CallersConfig{Skipper: func(echo.Context) bool { return true }}, 200, "none", ""},
		"problem": {"", echoadapter.CallersConfig{ProblemDetails: true}, 401,
			`{"type":"about:blank","title":"Unauthorized","status":401,` +
				`"detail":"Send a valid API token in the Authorization header."}`, ""},
		"handler": {"", echoadapter.CallersConfig{ErrorHandler: func(c echo.Context, err *middleware.CallerError) error {
			return c.String(err.Status+1, err.Error())
		}}, 402, "the caller has no valid token: " +
			"no Authorization header with the scheme ApiKey or OAuth and a token", ""},
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
				var internal *middleware.CallerError
				require.True(t, errors.As(failure, &internal))
				assert.Equal(t, tt.status, internal.Status)
			}
		})
	}
	_, err := echoadapter.CallersConfig{Callers: callers, ProblemDetails: true,
		ErrorHandler: func(echo.Context, *middleware.CallerError) error { return nil }}.ToMiddleware()
	assert.EqualError(t, err,
		"echoadapter: CallersConfig has both ProblemDetails and ErrorHandler: set one of them")
	assert.Panics(t, func() { echoadapter.Callers(nil) })
}
