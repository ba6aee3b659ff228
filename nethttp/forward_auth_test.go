package nethttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
)

func TestForwardAuth(t *testing.T) {
	p := requestertest.NewPlatform()
	p.SetAccount(requestertest.Account{
		ID: "1", PublicName: map[string]string{"EN": "Zoë, Ltd\r\nX: y"}, Company: &requester.Company{ID: "7"},
	})
	p.SetAccount(requestertest.Account{ID: "2"})
	callers := newCallers(t, p)
	h := nethttp.ForwardAuth(callers, middleware.AllowAccounts("1", "2"))
	for name, tt := range map[string]struct {
		token  string
		status int
		header http.Header
	}{
		"company": {p.IssueToken("1").Reveal(), 200, http.Header{
			"X-Toloka-Account-Id":   {"1"},
			"X-Toloka-Account-Name": {"Zo%C3%AB%2C%20Ltd%EF%BF%BD%EF%BF%BDX:%20y"},
			"X-Toloka-Company-Id":   {"7"},
			"Cache-Control":         {"no-store"},
		}},
		"no company": {p.IssueToken("2").Reveal(), 200, http.Header{
			"X-Toloka-Account-Id":   {"2"},
			"X-Toloka-Account-Name": {""},
			"X-Toloka-Company-Id":   {""},
			"Cache-Control":         {"no-store"},
		}},
		"not allowed": {p.IssueToken("3").Reveal(), 403, nil},
		"made up":     {"made-up", 401, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/any", nil)
			r.Header.Set("Authorization", "ApiKey "+tt.token)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			assert.Equal(t, tt.status, rec.Code)
			if tt.header != nil {
				assert.Equal(t, tt.header, rec.Header())
				assert.Empty(t, rec.Body.String())
			}
		})
	}
}
