package frameworks

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	gosundheit "github.com/AppsFlyer/go-sundheit"
	"github.com/AppsFlyer/go-sundheit/checks"
	sundheithttp "github.com/AppsFlyer/go-sundheit/http"
	alexliesenfeld "github.com/alexliesenfeld/health"
	hellofresh "github.com/hellofresh/health-go/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apiserver/pkg/server/healthz"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// operatorsText is part of the error of checker.Check, which a client must not see.
const operatorsText = "requester: "

func TestFrameworks(t *testing.T) {
	tests := map[string]struct {
		handler func(*testing.T, *health.Checker) http.Handler
		failed  string // part of the response's body
		code    int
	}{
		"alexliesenfeld health": {
			func(_ *testing.T, checker *health.Checker) http.Handler {
				return alexliesenfeld.NewHandler(alexliesenfeld.NewChecker(
					alexliesenfeld.WithDisabledCache(),
					alexliesenfeld.WithCheck(alexliesenfeld.Check{
						Name: "toloka", Check: checker.PublicReadiness,
					}),
				))
			},
			`"error":"fail: the platform refuses the token"`, http.StatusServiceUnavailable,
		},
		"hellofresh health-go": {
			func(t *testing.T, checker *health.Checker) http.Handler {
				h, err := hellofresh.New(hellofresh.WithChecks(hellofresh.Config{
					Name: "toloka", Check: checker.PublicReadiness,
				}))
				require.NoError(t, err)
				return h.Handler()
			},
			`"toloka":"fail: the platform refuses the token"`, http.StatusServiceUnavailable,
		},
		"AppsFlyer go-sundheit": {
			func(t *testing.T, checker *health.Checker) http.Handler {
				h := gosundheit.New()
				t.Cleanup(h.DeregisterAll)
				require.NoError(t, h.RegisterCheck(&checks.CustomCheck{
					CheckName: "toloka",
					CheckFunc: func(ctx context.Context) (any, error) {
						return checker.Snapshot().Reason().String(), checker.PublicReadiness(ctx)
					},
				}, gosundheit.ExecutionPeriod(10*time.Millisecond)))
				return sundheithttp.HandleHealthJSON(h)
			},
			`"message": "fail: the platform refuses the token"`, http.StatusServiceUnavailable,
		},
		"Kubernetes apiserver healthz": {
			func(_ *testing.T, checker *health.Checker) http.Handler {
				mux := http.NewServeMux()
				healthz.InstallPathHandler(mux, "/", healthz.NamedCheck("toloka",
					func(r *http.Request) error { return checker.PublicReadiness(r.Context()) }))
				return mux
			},
			"[-]toloka failed: reason withheld", http.StatusInternalServerError,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			checker, token, platform := newChecker(t)
			handler := tt.handler(t, checker)

			eventually(t, handler, http.StatusOK)
			require.NoError(t, checker.Check(t.Context()))

			platform.DeleteToken(token)
			require.Eventually(t, func() bool {
				_ = checker.Refresh(t.Context())
				return checker.Snapshot().Reason() == health.ReasonRejected
			}, 10*time.Second, 20*time.Millisecond)
			require.ErrorContains(t, checker.Check(t.Context()), operatorsText)
			body := eventually(t, handler, tt.code)
			assert.Contains(t, body, tt.failed)
			assert.NotContains(t, body, operatorsText)
			assert.NotContains(t, body, token.Fingerprint())
		})
	}
}

// eventually asks until the status is want, because some frameworks check periodically.
func eventually(t *testing.T, handler http.Handler, want int) string {
	t.Helper()
	var rec *httptest.ResponseRecorder
	require.Eventually(t, func() bool {
		rec = httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		return rec.Code == want
	}, 10*time.Second, 20*time.Millisecond)
	return rec.Body.String()
}

// newChecker returns a started checker of a token that platform has issued.
func newChecker(t *testing.T) (*health.Checker, credentials.Token, *requestertest.Platform) {
	t.Helper()
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	require.NoError(t, err)
	token := platform.IssueToken("")
	checker, err := health.New(credentials.Static(token.Reveal()),
		health.WithClient(client), health.WithRejectionRecheck(10*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(func() { _ = checker.Close() })
	require.NoError(t, checker.Start(t.Context()))
	return checker, token, platform
}
